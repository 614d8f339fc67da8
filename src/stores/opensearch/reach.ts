/**
 * @module
 * How far lives reach: which commit ends at which position. Commits are numbered and their documents are found by number
 * alone, so this is what says where in a log to begin. What was true once stays true, so it is kept.
 */

/** Commit document `ordinal` ends with the entry at `last`. */
export interface Point {
  readonly ordinal: number;
  readonly last: number;
}

export interface Reach {
  note(life: string, point: Point): void;
  /** What is known of a life, by ordinal. */
  points(life: string): Point[];
}

const MAX_LIVES = 4096;
/** The newest commit, and where the last walks through the log were. */
const MAX_POINTS = 16;

export function createReach(): Reach {
  /** Of each life, the newest commit first, then the others by when they were noted. */
  const lives = new Map<string, Point[]>();
  return {
    note(life, { ordinal, last }) {
      const point = { ordinal, last };
      const [newest = point, ...others] = lives.get(life) ?? [];
      const kept = [newest, ...others].filter((one) => one.ordinal !== ordinal);
      lives.delete(life);
      if (ordinal >= newest.ordinal) lives.set(life, [point, ...kept].slice(0, MAX_POINTS));
      else lives.set(life, [newest, ...[...kept.slice(1), point].slice(1 - MAX_POINTS)]);
      if (lives.size <= MAX_LIVES) return;
      const [oldest] = lives.keys();
      if (oldest !== undefined) lives.delete(oldest);
    },
    points: (life) => (lives.get(life) ?? []).toSorted((a, b) => a.ordinal - b.ordinal),
  };
}
