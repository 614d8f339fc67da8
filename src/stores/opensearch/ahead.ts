/**
 * @module
 * Commits of this process that session documents do not tell of yet: those follow a quarter of a second later. With them a
 * session that was read is brought to where it is, in place of asking for each of its newest commits again.
 */
import { decodeRecord, encodeRecord, heal } from "../../store/codec.ts";
import type { CommitDocument, CommitPlace, SessionDocument } from "../documents/driver.ts";
import { decodeEntries } from "../documents/entries.ts";
import { NAME } from "./errors.ts";

export interface Ahead {
  /** `commit` was created. */
  note(commit: CommitDocument): void;
  /** The session document is at `place`, or past it. */
  settle(key: string, place: CommitPlace): void;
  /** The newest of the session's commits that are kept. */
  newest(key: string): CommitPlace | undefined;
  /** The session as it is after those of its commits that are kept, where they follow on it. */
  moved(session: SessionDocument): SessionDocument;
}

interface Kept {
  readonly life: string;
  /** One after another. */
  commits: CommitDocument[];
  /** What they led to when that was last asked for. */
  session?: SessionDocument;
  sinceMs: number;
}

/** Commits that are kept, and the text of one, in UTF-16 units: 16 MiB at most, and far less of what people say. */
const MAX_COMMITS = 1024;
const MAX_LENGTH = 16 * 1024;
/**
 * What is not told by then this process may have ceased to tell: then whoever reads the session has to see that its
 * document is behind. Shorter than documents are tried to be written for (`documents/late.ts`).
 */
const MAX_AGE_MS = 5000;

export function createAhead(): Ahead {
  const sessions = new Map<string, Kept>();
  let count = 0;

  const drop = (key: string): void => {
    count -= sessions.get(key)?.commits.length ?? 0;
    sessions.delete(key);
  };

  const find = (key: string, life: string): Kept | undefined => {
    const kept = sessions.get(key);
    if (kept?.life === life && performance.now() - kept.sinceMs < MAX_AGE_MS) return kept;
    drop(key);
    return undefined;
  };

  return {
    note(commit) {
      const { key, life, ordinal, entries } = commit;
      const kept = find(key, life);
      if (entries.length > MAX_LENGTH) return drop(key);
      if (kept?.commits.at(-1)?.ordinal === ordinal - 1) kept.commits.push(commit);
      else {
        drop(key);
        sessions.set(key, { life, commits: [commit], sinceMs: performance.now() });
      }
      count += 1;
      for (const oldest of sessions.keys()) {
        if (count <= MAX_COMMITS) return;
        drop(oldest);
      }
    },

    settle(key, { life, ordinal }) {
      const kept = find(key, life);
      if (!kept) return;
      const left = kept.commits.filter((commit) => commit.ordinal > ordinal);
      if (left.length === kept.commits.length) return;
      count -= kept.commits.length - left.length;
      if (left.length === 0) sessions.delete(key);
      kept.commits = left;
      kept.sinceMs = performance.now();
    },

    newest: (key) => sessions.get(key)?.commits.at(-1),

    moved(session) {
      const kept = find(session.key, session.life);
      const [first] = kept?.commits ?? [];
      if (!kept || !first || first.ordinal > session.ordinal + 1) return session;
      const from = kept.session && kept.session.ordinal > session.ordinal ? kept.session : session;
      const now = after(
        from,
        kept.commits.filter(({ ordinal }) => ordinal > from.ordinal),
      );
      kept.session = now;
      return now;
    },
  };
}

function after(session: SessionDocument, commits: readonly CommitDocument[]): SessionDocument {
  const { id, ordinal, record: text } = session;
  const [first] = commits;
  const last = commits.at(-1);
  if (!first || !last) return session;
  const record = heal(
    text === undefined ? undefined : decodeRecord(text, id, NAME),
    commits.flatMap((commit) => decodeEntries(commit, id, NAME)),
  );
  if (!record) return session;
  const { version, seq, createdAt, updatedAt } = record;
  return {
    ...session,
    ...{ ordinal: last.ordinal, version, seq, createdAt, updatedAt },
    from: ordinal === 0 ? first.first : session.from,
    record: encodeRecord(record),
  };
}
