/**
 * @module
 * How originals get to the vault before their commit is sent, and go from there with their session.
 */
import type { SessionStore } from "../../store/store.ts";
import type { RedactedCommit } from "./commits.ts";
import type { RedactionVault } from "./vault.ts";

export interface Keeping {
  readonly place: string;
  /** Gives the vault what it doesn't have yet of what was hidden in `redacted`. */
  keep(redacted: readonly RedactedCommit[]): Promise<void>;
  /** The session of `redacted` is not there: what was given for it goes, unless somebody created it meanwhile. */
  release(redacted: RedactedCommit): Promise<void>;
  /** Removes all of a session; answers with how many there were. */
  forget(sessionId: string): Promise<number>;
}

/** Placeholders that are remembered as given, over all sessions. Past it, the vault is asked again. */
const LIMIT = 10_000;

export function createKeeping(vault: RedactionVault, namespace: string, below: SessionStore): Keeping {
  /** By session, the time that it was created, so that another one under the same id is told from it. */
  const given = new Map<string, { readonly createdAt: number; readonly placeholders: Set<string> }>();
  let count = 0;

  const forget = async (sessionId: string): Promise<number> => {
    given.delete(sessionId);
    return vault.remove({ namespace, sessionId });
  };

  return {
    place: vault.place,
    forget,
    async keep(redacted) {
      for (const { commit, originals } of redacted) {
        if (originals.size === 0) continue;
        const { sessionId, record } = commit;
        const { createdAt } = record;
        const before = given.get(sessionId);
        const known =
          before?.createdAt === createdAt ? before : { createdAt, placeholders: new Set<string>() };
        const missing = [...originals].filter(([placeholder]) => !known.placeholders.has(placeholder));
        if (missing.length === 0) continue;
        await vault.put({ namespace, sessionId }, new Map(missing));
        if (count > LIMIT) {
          given.clear();
          count = 0;
        }
        count += missing.length;
        for (const [placeholder] of missing) known.placeholders.add(placeholder);
        given.set(sessionId, known);
      }
    },
    async release({ commit, originals }) {
      if (originals.size === 0) return;
      const [record] = await below.find([commit.sessionId]);
      if (!record) await forget(commit.sessionId);
    },
  };
}
