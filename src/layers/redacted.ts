/**
 * @module
 * Hides secrets and personal data before anything is written.
 *
 * @example
 * ```ts
 * import { createSessions, memoryStore } from "holdfast";
 * import { personalData, redactedStore, secrets } from "holdfast/redacted";
 *
 * const store = redactedStore(memoryStore(), { redact: [secrets(), personalData()] });
 * const sessions = createSessions({ store });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import type { Removal, SessionStore } from "../store/store.ts";
import { layerOver, required } from "./layer.ts";
import type { BytesFunction, RedactedCommit, RedactionReport } from "./redacted/commits.ts";
import { createCommitRedaction } from "./redacted/commits.ts";
import { createKeeping } from "./redacted/keeping.ts";
import { checkKey } from "./redacted/placeholder.ts";
import { createRetries } from "./redacted/retries.ts";
import { reveal } from "./redacted/reveal.ts";
import type { RedactionFunction, RedactionRule } from "./redacted/rule.ts";
import { rulesOf } from "./redacted/rule.ts";
import type { RedactionVault } from "./redacted/vault.ts";

export type { BytesFunction, RedactionFinding, RedactionReport } from "./redacted/commits.ts";
export type { PersonalDataOptions } from "./redacted/personal-data.ts";
export { personalData } from "./redacted/personal-data.ts";
export type {
  RedactionAnswer,
  RedactionContext,
  RedactionFunction,
  RedactionRule,
  RedactionSpan,
} from "./redacted/rule.ts";
export type { SecretsOptions } from "./redacted/secrets.ts";
export { secrets } from "./redacted/secrets.ts";
export type { RedactionVault, VaultScope } from "./redacted/vault.ts";
export { vaultIn } from "./redacted/vault.ts";

const NEEDED = "redactedStore needs rules: { redact: [secrets(), personalData()] }, or your own";

export interface RedactedStoreOptions {
  /** Applied in this order, each on what the one before left: {@link secrets}, {@link personalData}, your own. */
  readonly redact: RedactionRule | RedactionFunction | readonly (RedactionRule | RedactionFunction)[];
  /**
   * Gives placeholders a tag, so that equal things read equal within a session: 32 bytes or more, the same in every
   * process. Default none: a placeholder says only what kind of thing was there.
   */
  readonly key?: Uint8Array;
  /** What to put in place, for example `****1111`. No rule may find it again. Default: a placeholder. */
  readonly mask?: (rule: string, original: string) => string;
  /** Keeps originals, so that {@link RedactedStore.reveal} can put them back. Needs `key`. Default: they are gone. */
  readonly vault?: RedactionVault;
  /**
   * What becomes of a message part that a provider signed and that holds a match. `"keep"`: it is stored as it is, and
   * reported; `"drop"`: it is not stored. Default `"keep"`.
   */
  readonly signed?: "keep" | "drop";
  /** Redacts bytes; they are not looked at otherwise. The same bytes must give the same answer. */
  readonly bytes?: BytesFunction;
  /** Told of each entry in which something was found, once it is committed. */
  readonly onRedacted?: (report: RedactionReport) => void;
}

export interface RedactedStore extends SessionStore {
  /**
   * The text, or every text within a value, with the placeholders put back that the vault knows for the session or for
   * one that it inherits from. Others stay.
   *
   * @throws UNSUPPORTED where there is no vault.
   */
  reveal(sessionId: string, text: string): Promise<string>;
  reveal(sessionId: string, value: unknown): Promise<unknown>;
  /** How often each kind was found in what was committed through this store, in all its namespaces, since it was made. */
  totals(): Readonly<Record<string, number>>;
  namespace(name: string): RedactedStore;
}

/**
 * `store` without what the rules find: it never gets to see it. Each text in a message, in collected data, state,
 * metadata, labels, titles and entries of your own is looked at, before anything is written, in entry and record alike;
 * JSON within a text as its texts. Ids, user, agent and names of properties are not touched, nor is what a provider
 * signed. Reads are as the store answers them.
 *
 * A commit is atomic as before. Where a vault keeps originals, it has them before the commit is sent.
 *
 * @throws INVALID_ARGUMENT for options that don't go together, and around another redaction. Commits: INVALID_DATA where a
 *   rule fails (nothing is written, and the error does not hold the text), INVALID_ARGUMENT where a rule's package is missing.
 * @example
 * ```ts
 * const store = redactedStore(memoryStore(), {
 *   redact: [secrets(), (text) => text.replaceAll(/\bTICKET-\d+\b/g, "TICKET-…")],
 *   onRedacted: ({ sessionId, findings }) => console.log(sessionId, findings),
 * });
 * ```
 */
export function redactedStore(store: SessionStore, options: RedactedStoreOptions): RedactedStore {
  const rules = rulesOf(required(options, NEEDED).redact);
  const key = checkKey(options.key);
  const { mask, bytes, vault, signed = "keep", onRedacted } = options;
  if (signed !== "keep" && signed !== "drop") throw invalidArgument('signed must be "keep" or "drop"');
  if (vault && !key)
    throw invalidArgument("a vault needs a key: without one, placeholders don't tell what they stand for");
  if (vault && mask) throw invalidArgument("a vault and a mask don't go together: a mask can't be put back");

  let loading: Promise<unknown> | undefined;
  const load = async (): Promise<void> => {
    loading ??= Promise.all(rules.map((rule) => rule.load?.()));
    try {
      await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  };
  const totals = new Map<string, number>();
  const tell = (report: RedactionReport): void => {
    for (const { rule, count } of report.findings) totals.set(rule, (totals.get(rule) ?? 0) + count);
    try {
      onRedacted?.(report);
    } catch (error) {
      // The commit took place, so its caller must not be told otherwise.
      queueMicrotask(() => rethrow(error));
    }
  };

  const made = layerOver("redacted", store, (below) => {
    const namespace = below.namespaceName ?? "";
    const redact = createCommitRedaction({ rules, namespace, key, mask, bytes, signed });
    const retries = createRetries();
    const keeping = vault && createKeeping(vault, namespace, below);
    const { sweep } = below;
    const own = {
      async commit(commits) {
        await load();
        const redacted: RedactedCommit[] = await Promise.all(commits.map(redact));
        await keeping?.keep(redacted);
        const outcomes = await below.commit(redacted.map(({ commit }) => commit));
        for (const [index, outcome] of outcomes.entries()) {
          const [sent, done] = [commits[index], redacted[index]];
          if (!sent || !done) continue;
          if (outcome.status === "committed") done.reports.forEach(tell);
          if (outcome.status === "duplicate") retries.remember(sent, done.commit, outcome.seq);
          if (outcome.status === "conflict" && !outcome.current) await keeping?.release(done);
        }
        return outcomes;
      },
      read: async (id, range) => retries.asSent(id, range, await below.read(id, range)),
      ...(keeping && {
        async remove(id: string, note?: (removal: Removal) => void) {
          const wasThere = await below.remove(id, note);
          const count = await keeping.forget(id);
          if (count > 0) note?.({ what: "vault", count, place: keeping.place });
          return wasThere;
        },
        ...(sweep && {
          async sweep(nowMs: number, limit: number) {
            const swept = await sweep.call(below, nowMs, limit);
            for (const id of swept) await keeping.forget(id);
            return swept;
          },
        }),
      }),
      reveal: (sessionId: string, value: unknown) => reveal(vault, below, namespace, sessionId, value),
      totals: () => Object.fromEntries(totals),
    } satisfies Partial<SessionStore> & Record<string, unknown>;
    return own;
  });
  if (isRedacted(made)) return made;
  throw invalidArgument("the layer lost its own methods");
}

function isRedacted(store: SessionStore): store is RedactedStore {
  return "reveal" in store && "totals" in store;
}

function rethrow(error: unknown): never {
  throw error;
}
