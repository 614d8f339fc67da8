/**
 * @module
 * What is called a secret where it stands: `client_secret=…`, `"password": "…"`, and properties that are named so.
 */
import type { RedactionSpan } from "./rule.ts";

const NAME =
  "passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key";
const ASSIGNED = new RegExp(
  `(?<name>${NAME})[\\w-]{0,20}["'\`]?\\s{0,3}(?::=|=>|[:=])\\s{0,3}["'\`]?(?<value>[^\\s"'\`,;<>{}()[\\]|]{8,512})`,
  "gid",
);
const HINT = new RegExp(NAME, "i");
/** Properties whose value is a secret, however it looks. */
const SECRET_PROPERTY =
  /^(?:(?:\w+[_-])?passw(?:or)?d|passphrase|pwd|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|x-api-key|access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token|private[_-]?key|authorization)$/i;
const SECRET_NAME = new RegExp(`(?:${NAME})$`, "i");
/** What stands at such a property where its meaning is told. */
const NO_SECRET =
  /^(?:string|text|password|secret|token|required|optional|hidden|null|none|undefined|true|false|any)$/i;
const MAX_LENGTH = 512;

/** What is assigned to such a name in `text`. */
export function findAssigned(text: string): RedactionSpan[] {
  if (!HINT.test(text)) return [];
  const spans: RedactionSpan[] = [];
  for (const match of text.matchAll(ASSIGNED)) {
    const { name = "", value = "" } = match.groups ?? {};
    const [start, end] = match.indices?.groups?.value ?? [0, 0];
    if (looksSecret(name, value)) spans.push({ start, end, rule: "assigned-secret" });
  }
  return spans;
}

/** Whether `text` is the value of a property that is named as a secret is. */
export function isSecretProperty(key: string, text: string): boolean {
  if (text.length > MAX_LENGTH || /\s/.test(text) || NO_SECRET.test(text) || /[<>{}$]/.test(text))
    return false;
  if (SECRET_PROPERTY.test(key)) return text.length >= 4;
  const [name] = SECRET_NAME.exec(key) ?? [];
  return name !== undefined && text.length >= 8 && looksSecret(name, text);
}

/** A password mixes three kinds of characters; a token is long and no word, path, address or name of a variable. */
function looksSecret(name: string, value: string): boolean {
  if (/:\/\/|^[./~$%]|\.\w{1,5}$|\$\{|^process\.|^os\.|^env\./.test(value)) return false;
  const [lower, upper, digit, other] = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].map((kind) =>
    kind.test(value),
  );
  if (/pass|pwd/i.test(name)) return [lower, upper, digit, other].filter(Boolean).length >= 3;
  if (value.length < 16 || !digit || !(lower || upper)) return false;
  return (lower === true && upper === true) || (value.length >= 24 && !/[._-]/.test(value));
}
