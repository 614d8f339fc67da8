/**
 * @module
 * One commit before it goes to the store: each text in its entries and its record after the rules, what was found, and
 * what the placeholders stand for.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import type { Commit } from "../../store/store.ts";
import type { Field } from "./fields.ts";
import { mapEntry, mapRecord } from "./fields.ts";
import { createLabels } from "./labels.ts";
import { keyedDigest, placeholder } from "./placeholder.ts";
import type { RedactionRule, Replace } from "./rule.ts";
import type { Texts } from "./texts.ts";
import { createTexts } from "./texts.ts";
import type { Place, Visitor } from "./walk.ts";
import { walk } from "./walk.ts";

/** What was found at one place of an entry, and what became of it. Never the text itself. */
export interface RedactionFinding {
  readonly rule: string;
  /** From the entry on, for example `data.message.content.0.text`. Names that could be a secret themselves are `*`. */
  readonly path: string;
  readonly count: number;
  /** `kept`: a provider signed it, so it is stored as it is. `dropped`: the part that it was in is not stored. */
  readonly outcome: "hidden" | "kept" | "dropped";
}

export interface RedactionReport {
  readonly sessionId: string;
  readonly seq: number;
  readonly entryId: string;
  readonly findings: readonly RedactionFinding[];
}

export interface RedactedCommit {
  readonly commit: Commit;
  readonly reports: readonly RedactionReport[];
  readonly originals: ReadonlyMap<string, string>;
}

export type BytesFunction = (
  bytes: Uint8Array,
  context: { readonly sessionId: string; readonly key?: string },
) => Uint8Array | undefined;

export interface CommitRedaction {
  readonly rules: readonly RedactionRule[];
  readonly namespace: string;
  readonly key: Uint8Array | undefined;
  readonly mask: ((rule: string, original: string) => string) | undefined;
  readonly bytes: BytesFunction | undefined;
  readonly signed: "keep" | "drop";
}

/** What a part of a record became. Records share what a commit doesn't change, so that it is looked at once. */
interface Known {
  readonly sessionId: string;
  readonly value: unknown;
  readonly originals: ReadonlyMap<string, string>;
}

/** @throws INVALID_DATA where a rule fails, naming it and the session, not the text. */
export function createCommitRedaction(options: CommitRedaction): (commit: Commit) => Promise<RedactedCommit> {
  const { rules, namespace, key, mask, bytes, signed } = options;
  const known = new WeakMap<object, Known>();
  const labels = createLabels();

  return async (commit) => {
    const { sessionId } = commit;
    /** What stands for what. */
    const hidden = new Map<string, string>();
    const replace: Replace = (rule, original) => {
      const text = mask
        ? guarded(sessionId, "mask", () => mask(rule, original))
        : placeholder(key, [namespace, sessionId], rule, original);
      hidden.set(original, text);
      return { text, isKept: !mask };
    };
    const texts = createTexts(rules, sessionId, replace);
    await askAll(commit, texts, known);

    const originals = new Map<string, string>();
    const visitorOf = (findings: Map<string, RedactionFinding>, kept: Map<string, string>): Visitor => ({
      text(text, place) {
        const redacted = texts.of(text, place.key);
        if (!redacted) return undefined;
        note(findings, redacted.found, place.path, place.isSigned ? "kept" : "hidden");
        if (place.isSigned) return undefined;
        for (const [placed, original] of redacted.originals) kept.set(placed, original);
        return redacted.text;
      },
      bytes: (held, place) =>
        bytes && !place.isSigned
          ? guarded(sessionId, "bytes", () =>
              bytes(held, { sessionId, ...(place.key !== undefined && { key: place.key }) }),
            )
          : undefined,
      isDropped(part, place) {
        const inside = signed === "drop" ? findingsIn(part, place, texts) : [];
        for (const [path, found] of inside) note(findings, found, path, "dropped");
        return inside.length > 0;
      },
    });

    const reports: RedactionReport[] = [];
    const entries = commit.entries.map((entry): Entry => {
      const findings = new Map<string, RedactionFinding>();
      const field = fieldOf(visitorOf(findings, originals));
      const mapped = mapEntry(entry, (value, path, mode, name) => {
        const result = field(value, path, mode, name);
        return name === "label" && isLabel(value) && isLabel(result)
          ? labels.cut(sessionId, value, result, hidden)
          : result;
      });
      if (findings.size > 0)
        reports.push({ sessionId, seq: entry.seq, entryId: entry.id, findings: [...findings.values()] });
      return key && isKnown(mapped) && mapped.type === "operation.applied"
        ? { ...mapped, data: { ...mapped.data, digest: keyedDigest(key, mapped.data.digest) } }
        : mapped;
    });
    const record = mapRecord(commit.record, (value, path, mode, name) => {
      const before = knownOf(known, value, sessionId);
      if (before) {
        for (const [placed, original] of before.originals) originals.set(placed, original);
        return before.value;
      }
      const settled = name === "label" && isLabel(value) ? labels.known(sessionId, value) : undefined;
      if (settled !== undefined) return settled;
      const found = new Map<string, string>();
      const result = fieldOf(visitorOf(new Map(), found))(value, path, mode, name);
      for (const [placed, original] of found) originals.set(placed, original);
      if (typeof value === "object" && value !== null && Object.isFrozen(value))
        known.set(value, { sessionId, value: result, originals: found });
      return result;
    });
    return { commit: { ...commit, entries, record }, reports, originals };
  };
}

/** Puts the rules to every text that is not known from an earlier commit. */
async function askAll(commit: Commit, texts: Texts, known: WeakMap<object, Known>): Promise<void> {
  const late: Promise<void>[] = [];
  const ask = fieldOf({
    text(text, { key }) {
      const answer = texts.ask(text, key);
      if (answer) late.push(answer);
      return undefined;
    },
    bytes: () => undefined,
    isDropped: () => false,
  });
  try {
    for (const entry of commit.entries) mapEntry(entry, ask);
    mapRecord(commit.record, (value, path, mode, key) =>
      knownOf(known, value, commit.sessionId) ? value : ask(value, path, mode, key),
    );
  } finally {
    // What was begun is waited for even where another rule failed, so that no failure goes unheard.
    await Promise.all(late);
  }
}

function isLabel(value: unknown): value is string {
  return typeof value === "string";
}

function knownOf(known: WeakMap<object, Known>, value: unknown, sessionId: string): Known | undefined {
  const found = typeof value === "object" && value !== null ? known.get(value) : undefined;
  return found?.sessionId === sessionId ? found : undefined;
}

function fieldOf(visitor: Visitor): Field {
  return (value, path, mode, key) => walk(value, { mode, key, path, isSigned: false, depth: 0 }, visitor);
}

function findingsIn(
  part: Readonly<Record<string, unknown>>,
  place: Place,
  texts: Texts,
): [path: string, found: ReadonlyMap<string, number>][] {
  const inside: [string, ReadonlyMap<string, number>][] = [];
  walk(
    part,
    { ...place, isSigned: true },
    {
      text(text, { key, path }) {
        const found = texts.of(text, key)?.found;
        if (found) inside.push([path, found]);
        return undefined;
      },
      bytes: () => undefined,
      isDropped: () => false,
    },
  );
  return inside;
}

function note(
  findings: Map<string, RedactionFinding>,
  found: ReadonlyMap<string, number>,
  path: string,
  outcome: RedactionFinding["outcome"],
): void {
  for (const [rule, count] of found) {
    const name = `${rule} ${outcome} ${path}`;
    const before = findings.get(name)?.count ?? 0;
    findings.set(name, { rule, path, count: before + count, outcome });
  }
}

/** A function of the caller's that fails may say the text in its error, which therefore goes no further. */
function guarded<T>(sessionId: string, option: string, run: () => T): T {
  try {
    return run();
  } catch {
    throw new HoldfastError(
      "INVALID_DATA",
      `the function "${option}" of the redaction failed for session ${JSON.stringify(sessionId)}; nothing was written. What it failed with is left out here, since that may hold the text`,
      { sessionId },
    );
  }
}
