/**
 * @module
 * Secrets: the rules of secretlint, and patterns of our own for what they don't know.
 *
 * The rules are run by themselves, without `@secretlint/core`: that is made for runs of a command line and keeps a
 * performance mark of every rule and call for ever.
 *
 * @see https://github.com/secretlint/secretlint
 */
import { invalidArgument } from "../../log/errors.ts";
import { findAssigned, isSecretProperty } from "./assigned.ts";
import type { RedactionRule, RedactionSpan } from "./rule.ts";
import { findPatterns, isSample } from "./secret-patterns.ts";

export interface SecretsOptions {
  /** Whether to use secretlint's rules; needs `@secretlint/secretlint-rule-preset-recommend`. Default true. */
  readonly secretlint?: boolean;
  /** Whether to use the patterns that come with Holdfast. Default true. */
  readonly patterns?: boolean;
  /**
   * Whether to hide what is called a password, token, secret or key where it stands, and looks like one: long and mixed.
   * Default true.
   */
  readonly assigned?: boolean;
}

/** What this needs of one of secretlint's rules. */
interface ScannerRule {
  readonly meta: { readonly id: string };
  create(
    context: ScannerContext,
    options: Readonly<Record<string, unknown>>,
  ): { file?(source: ScannerSource): unknown };
}

interface ScannerContext {
  readonly sharedOptions: Readonly<Record<string, never>>;
  createTranslator(): (messageId: string, data: unknown) => object;
  report(found: { readonly message: object; readonly range: readonly [number, number] }): void;
  ignore(): undefined;
}

interface ScannerSource {
  readonly content: string;
  readonly filePath: undefined;
  readonly ext: string;
  readonly contentType: "text";
}

const PREFIX = "@secretlint/secretlint-rule-";
/**
 * `filter-comments` lets a text switch the rules off, which who writes messages must not. `gcp` reads files; the key in
 * such a file is found as a private key. Passwords in URLs are found by a pattern of our own, which hides only the password.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(["filter-comments", "gcp"]);
const WHOLE_URLS: ReadonlySet<string> = new Set(["basicauth", "database-connection-string"]);
const URL_PASSWORD = /:\/\/[^\s:/@]*:([^\s]+)@/d;
/** Shorter than any URL with a password, or assignment. */
const MIN_LENGTH = 12;
/** No token of a service is shorter: AWS's key ids have 20 characters. */
const MIN_TOKEN_LENGTH = 20;

/**
 * Finds credentials: keys, tokens and passwords in the formats of some 70 services, private keys, passwords in URLs, and
 * what is assigned to a name such as `client_secret`.
 *
 * Its first use loads `@secretlint/secretlint-rule-preset-recommend`.
 *
 * @throws INVALID_ARGUMENT, at the first commit, where that package is missing or of another shape.
 */
export function secrets(options: SecretsOptions = {}): RedactionRule {
  const { secretlint = true, patterns = true, assigned = true } = options;
  let scanners: readonly ScannerRule[] = [];
  return {
    name: "secret",
    async load() {
      if (secretlint) scanners = await loadScanners();
    },
    find(text, { key }) {
      const spans: RedactionSpan[] = [];
      // All of it, whatever it looks like.
      if (assigned && key !== undefined && isSecretProperty(key, text))
        return [{ start: 0, end: text.length, rule: "assigned-secret" }];
      if (text.length < MIN_LENGTH) return undefined;
      if (patterns) spans.push(...findPatterns(text));
      if (assigned) spans.push(...findAssigned(text));
      const late = scan(scanners, text, key, spans);
      const real = (): RedactionSpan[] => spans.filter(({ start, end }) => !isSample(text.slice(start, end)));
      return late ? late.then(real) : real();
    },
  };
}

/** Adds what `scanners` find in `text`. A rule may look at a name before a value, so they see the property's too. */
function scan(
  scanners: readonly ScannerRule[],
  text: string,
  key: string | undefined,
  spans: RedactionSpan[],
): Promise<void> | undefined {
  if (text.length < MIN_TOKEN_LENGTH) return undefined;
  const lead = key === undefined || key.length > 100 ? "" : `${key}: `;
  const content = lead + text;
  const source: ScannerSource = { content, filePath: undefined, ext: ".txt", contentType: "text" };
  const late: Promise<unknown>[] = [];
  for (const scanner of scanners) {
    const rule = scanner.meta.id.slice(PREFIX.length);
    const context: ScannerContext = {
      sharedOptions: {},
      createTranslator: () => (messageId, data) => ({ message: messageId, messageId, data }),
      report({ message, range }) {
        const [from, to] = placeOf(content, message, range);
        const [start, end] = WHOLE_URLS.has(rule) ? passwordIn(content, from, to) : [from, to];
        spans.push({ start: Math.max(0, start - lead.length), end: Math.max(0, end - lead.length), rule });
      },
      ignore: () => undefined,
    };
    const answer = scanner.create(context, {}).file?.(source);
    if (answer instanceof Promise) late.push(answer);
  }
  return late.length === 0 ? undefined : Promise.all(late).then(() => undefined);
}

/**
 * Where what was found is. Some rules say where the name before it begins, with the length of the secret; what they say
 * of it, for the message to people, is the secret itself.
 */
function placeOf(content: string, message: object, [from, to]: readonly [number, number]): [number, number] {
  const data: unknown = "data" in message ? message.data : undefined;
  const values: unknown[] = typeof data === "object" && data !== null ? Object.values(data) : [];
  for (const value of values) {
    if (typeof value !== "string" || value === "") continue;
    const start = content.indexOf(value, from);
    if (start !== -1) return [start, start + value.length];
  }
  return [from, to];
}

function passwordIn(content: string, from: number, to: number): [number, number] {
  const [start, end] = URL_PASSWORD.exec(content.slice(from, to))?.indices?.[1] ?? [0, to - from];
  return [from + start, from + end];
}

async function loadScanners(): Promise<readonly ScannerRule[]> {
  const loaded: unknown = await import("@secretlint/secretlint-rule-preset-recommend").catch(
    (error: unknown) => {
      throw invalidArgument(
        `secrets() needs the package @secretlint/secretlint-rule-preset-recommend, which could not be loaded (${error instanceof Error ? error.message : String(error)}); install it, or give secrets({ secretlint: false })`,
      );
    },
  );
  const rules: unknown =
    typeof loaded === "object" && loaded !== null && "rules" in loaded ? loaded.rules : [];
  const scanners = Array.isArray(rules) ? rules.filter(isScanner) : [];
  if (scanners.length === 0 || !Array.isArray(rules) || scanners.length < rules.length) {
    throw invalidArgument(
      "the rules of @secretlint/secretlint-rule-preset-recommend are not of the shape that secrets() knows; install a version that Holdfast names as its peer",
    );
  }
  return scanners.filter(({ meta }) => !LEFT_OUT.has(meta.id.slice(PREFIX.length)));
}

function isScanner(value: unknown): value is ScannerRule {
  if (typeof value !== "object" || value === null || !("meta" in value) || !("create" in value)) return false;
  const { meta, create } = value;
  if (typeof meta !== "object" || meta === null || !("id" in meta)) return false;
  return typeof create === "function" && typeof meta.id === "string" && meta.id.startsWith(PREFIX);
}
