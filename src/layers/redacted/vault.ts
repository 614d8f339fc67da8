/**
 * @module
 * Where the originals go that placeholders stand for, so that they can be put back.
 */
import type { Entry, EntryDraft } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { evolveAll } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";
import type { SessionStore } from "../../store/store.ts";
import { internal } from "../layer.ts";
import { putBack, taggedPlaceholders } from "./placeholder.ts";

/** One session: `namespace` is as records name it, `""` for the root. */
export interface VaultScope {
  readonly namespace: string;
  readonly sessionId: string;
}

/** Keeps originals by session and placeholder. */
export interface RedactionVault {
  /** Where it is, for reports. */
  readonly place: string;
  /** Keeps `originals` by their placeholders, beside those that it has. Safe to repeat. */
  put(scope: VaultScope, originals: ReadonlyMap<string, string>): Promise<void>;
  /** The originals of those of `placeholders` that it knows. */
  get(scope: VaultScope, placeholders: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Removes all of the session; answers with how many there were. */
  remove(scope: VaultScope): Promise<number>;
}

const TYPE = "x.redacted";
const PAGE = 500;
/** Other writers of the same session can win at most this often in a row. */
const MAX_CONFLICTS = 50;

/**
 * A vault in a store, best an encrypted one: a session there for each that has something hidden, in a namespace that is
 * out of reach for everybody else, so that it may be the very store that the redaction is around.
 *
 * @throws INVALID_ARGUMENT for a store with a redaction: the vault would hold placeholders.
 * @example
 * ```ts
 * import { vaultIn } from "holdfast/redacted";
 * import { memoryStore } from "holdfast";
 * const vault = vaultIn(memoryStore());
 * ```
 */
export function vaultIn(store: SessionStore): RedactionVault {
  if (store.layers?.includes("redacted"))
    throw invalidArgument(
      "a vault can't be in a redacted store: it would hold placeholders; give the store below",
    );
  const place = `vault in ${store.name}`;

  const within = ({ namespace }: VaultScope): SessionStore =>
    internal(
      namespace
        .split("/")
        .filter(Boolean)
        .reduce((view, name) => view.namespace(decodeURIComponent(name)), store),
      "vault",
    );

  async function* kept(scope: VaultScope): AsyncGenerator<[string, string]> {
    const view = within(scope);
    for (let after = 0; ; ) {
      const entries = await view.read(scope.sessionId, { after, limit: PAGE, types: [TYPE] });
      for (const entry of entries) yield* pairsOf(entry);
      const last = entries.at(-1);
      if (!last || entries.length < PAGE) return;
      after = last.seq;
    }
  }

  async function get(scope: VaultScope, placeholders: readonly string[]): Promise<Map<string, string>> {
    const wanted = new Set(placeholders);
    const found = new Map<string, string>();
    if (wanted.size === 0) return found;
    for await (const [placeholder, original] of kept(scope)) {
      if (!wanted.delete(placeholder)) continue;
      found.set(placeholder, original);
      if (wanted.size === 0) break;
    }
    return found;
  }

  return {
    place,
    get,
    async put(scope, originals) {
      const there = await get(scope, [...originals.keys()]);
      const missing = [...originals].filter(([placeholder]) => !there.has(placeholder));
      if (missing.length === 0) return;
      const view = within(scope);
      for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
        const [record] = await view.find([scope.sessionId]);
        const [outcome] = await view.commit([commitOf(scope, record, missing)]);
        if (outcome?.status === "committed") return;
      }
      throw new HoldfastError(
        "STORE_UNAVAILABLE",
        `the ${place} did not take what was hidden for session ${JSON.stringify(scope.sessionId)}: other writers won ${MAX_CONFLICTS} times; nothing was written, try again`,
        { sessionId: scope.sessionId, store: store.name },
      );
    },
    async remove(scope) {
      let count = 0;
      for await (const _pair of kept(scope)) count += 1;
      await within(scope).remove(scope.sessionId);
      return count;
    },
  };
}

function commitOf(
  { namespace, sessionId }: VaultScope,
  record: SessionRecord | undefined,
  originals: readonly [string, string][],
): Parameters<SessionStore["commit"]>[0][number] {
  const created: EntryDraft[] = record
    ? []
    : [{ type: "session.created", data: { id: sessionId, namespace, kind: "session", dataVersion: 1 } }];
  const drafts: EntryDraft[] = [...created, { type: TYPE, data: { originals } }];
  const base = record?.seq ?? 0;
  const at = Date.now();
  const commit = crypto.randomUUID();
  const entries = drafts.map((draft, index): Entry => {
    const seq = base + 1 + index;
    return { seq, ...draft, id: positionalId(seq), at, ...(index === 0 && { commit }) };
  });
  const next = evolveAll(record, entries);
  if (!next) throw invalidArgument("a vault needs something to keep");
  return { sessionId, expectedVersion: record?.version ?? 0, entries, record: next };
}

function pairsOf({ data }: Entry): [string, string][] {
  const originals: unknown = isPlainObject(data) ? data.originals : undefined;
  return Array.isArray(originals) ? originals.filter(isPair) : [];
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "string";
}

/** An original can hold a placeholder itself, of a rule that came first. */
const MAX_NESTING = 5;

/** `text` with every placeholder put back that one of `scopes` knows. */
export async function revealText(
  vault: RedactionVault,
  scopes: () => Promise<readonly VaultScope[]>,
  text: string,
): Promise<string> {
  let now = text;
  for (let depth = 0; depth < MAX_NESTING; depth += 1) {
    const wanted = new Set(taggedPlaceholders(now));
    if (wanted.size === 0) return now;
    const found = new Map<string, string>();
    for (const scope of await scopes()) {
      for (const [placeholder, original] of await vault.get(scope, [...wanted])) {
        found.set(placeholder, original);
        wanted.delete(placeholder);
      }
      if (wanted.size === 0) break;
    }
    if (found.size === 0) return now;
    now = putBack(now, found);
  }
  return now;
}
