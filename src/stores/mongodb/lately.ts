/**
 * @module
 * What is lately known of session documents, so that a session and the commit that may follow on it are asked for at once.
 */
import type { CommitPlace, SessionDocument, SessionWithNext, StoredCommit } from "../documents/driver.ts";

export interface Lately {
  /** A session document is, or was a moment ago, at `place`. */
  note(key: string, place: CommitPlace): void;
  /**
   * The sessions of `keys`, each with the commit past it: one round trip where the session is as it was last seen, else two.
   */
  withNext(keys: readonly string[], read: Reads): Promise<SessionWithNext[]>;
}

export interface Reads {
  sessions(): Promise<(SessionDocument | undefined)[]>;
  commits(places: readonly CommitPlace[]): Promise<(StoredCommit | undefined)[]>;
}

/** Some 200 bytes each. */
const MAX_KNOWN = 4096;

export function createLately(): Lately {
  const known = new Map<string, CommitPlace>();

  const note = (key: string, { life, ordinal }: CommitPlace): void => {
    known.delete(key);
    known.set(key, { life, ordinal });
    if (known.size <= MAX_KNOWN) return;
    const [oldest] = known.keys();
    if (oldest !== undefined) known.delete(oldest);
  };

  return {
    note,
    async withNext(keys, read) {
      const guesses = keys.flatMap((key) => {
        const place = known.get(key);
        return place ? [after(place)] : [];
      });
      const [sessions, guessed] = await Promise.all([read.sessions(), read.commits(guesses)]);
      const asked = new Map(guesses.map((place, at) => [nameOf(place), guessed[at] ?? "none"] as const));
      const others = sessions.flatMap((session) =>
        session && !asked.has(nameOf(after(session))) ? [after(session)] : [],
      );
      for (const [at, commit] of (await read.commits(others)).entries()) {
        const place = others[at];
        if (place) asked.set(nameOf(place), commit ?? "none");
      }
      return sessions.map((session, at): SessionWithNext => {
        const key = keys[at];
        if (!session || key === undefined) return { session };
        note(key, session);
        const next = asked.get(nameOf(after(session)));
        return next === undefined ? { session } : { session, next };
      });
    },
  };
}

function after({ life, ordinal }: CommitPlace): CommitPlace {
  return { life, ordinal: ordinal + 1 };
}

function nameOf({ life, ordinal }: CommitPlace): string {
  return `${life}/${ordinal}`;
}
