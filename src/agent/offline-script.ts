/**
 * @module
 * The syntax by which a user of the offline model has it call tools:
 *
 * - `use TOOL {"json": 1}` or `call TOOL {…}`; `use TOOL` alone passes `{}`.
 * - Several in one text are called at once; what follows a "then" is called in the next step.
 * - `use TOOL not-json` passes that text as the arguments, `use! TOOL {…}` calls a tool that is not offered: how a model
 *   misbehaves.
 */

export interface ScriptedCall {
  readonly toolName: string;
  /** As written; not always JSON. */
  readonly arguments: string;
}

export interface Script {
  /** The calls of one step after the other. */
  readonly steps: readonly (readonly ScriptedCall[])[];
  /** Tools that were asked for and are not offered. */
  readonly missing: readonly string[];
  /** The text without the commands. */
  readonly rest: string;
}

const COMMAND = /\b(?:use|call)(!)?\s+([A-Za-z_][\w-]*(?:\.[\w-]+)*)/giu;
/** What may stand after a command that has no JSON, so that plain English is not taken for one. */
const END = "[.,;]?\\s*(?:$|\\n|[.,;]|(?:and|then)\\b)";
const NO_ARGUMENTS = new RegExp(`\\s*${END}`, "uy");
const RAW_ARGUMENTS = new RegExp(`\\s+(\\S+?)(?=\\s*${END})`, "uy");
const SPACE = /\s*/uy;

export function readScript(text: string, offered: ReadonlySet<string>): Script {
  const steps: ScriptedCall[][] = [];
  const missing: string[] = [];
  let rest = "";
  let from = 0;
  for (const match of text.matchAll(COMMAND)) {
    const [command, bang, toolName = ""] = match;
    if (match.index < from) continue;
    const isCallable = bang !== undefined || offered.has(toolName);
    const found = argumentsAt(text, match.index + command.length, isCallable);
    if (found === undefined) continue;
    const between = text.slice(from, match.index);
    rest += between.replace(/[\s,;]*\b(?:first|and|then)\b[\s,;]*$/iu, " ");
    from = found.end;
    if (!isCallable) missing.push(toolName);
    else if (steps.length === 0 || /\bthen\b/iu.test(between))
      steps.push([{ toolName, arguments: found.text }]);
    else steps.at(-1)?.push({ toolName, arguments: found.text });
  }
  return { steps, missing, rest: (rest + text.slice(from)).trim() };
}

/** The arguments that are written at `at`, and where they end. */
function argumentsAt(
  text: string,
  at: number,
  isCallable: boolean,
): { text: string; end: number } | undefined {
  const start = at + (matchAt(SPACE, text, at)?.[0].length ?? 0);
  if (text[start] === "{" || text[start] === "[") {
    const end = jsonEnd(text, start);
    return { text: text.slice(start, end), end };
  }
  if (!isCallable) return undefined;
  if (matchAt(NO_ARGUMENTS, text, at)) return { text: "{}", end: at };
  const raw = matchAt(RAW_ARGUMENTS, text, at);
  return raw?.[1] === undefined ? undefined : { text: raw[1], end: at + raw[0].length };
}

/** What a sticky pattern finds at this very place. */
function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Where the JSON that begins at `start` ends; where its brackets don't close, the end of the line. */
function jsonEnd(text: string, start: number): number {
  let depth = 0;
  let isString = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (isString && character === "\\") at += 1;
    else if (character === '"') isString = !isString;
    else if (isString) continue;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    if (depth === 0) return at + 1;
  }
  const line = text.indexOf("\n", start);
  return line === -1 ? text.length : line;
}
