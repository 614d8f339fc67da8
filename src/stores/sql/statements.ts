/**
 * @module
 * A script as its statements, for clients that take one at a time. For every SQL dialect.
 */

/** A quoted text, name or body, a comment, the end of a statement, or what is between. */
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|;|[^;'"$-]+|[\s\S]/g;

/** The statements of `script` in order, none of them empty. */
export function statementsOf(script: string): string[] {
  const statements = [""];
  for (const [token] of script.matchAll(TOKEN)) {
    if (token === ";") statements.push("");
    else statements.push(`${statements.pop() ?? ""}${token.startsWith("--") ? " " : token}`);
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== "");
}
