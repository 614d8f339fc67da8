/**
 * @module
 * What concerns one session happens one after another; different sessions don't wait for each other.
 */

/** Runs `work` once all that was asked for earlier under any of `keys` is over. */
export type Lanes = <T>(keys: readonly string[], work: () => Promise<T>) => Promise<T>;

export function createLanes(): Lanes {
  const ends = new Map<string, Promise<void>>();
  return async (keys, work) => {
    const own = [...new Set(keys)];
    // Entered in all lanes at once, so that two that share two lanes can't wait for each other.
    const before = own.map((key) => ends.get(key));
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const key of own) ends.set(key, promise);
    await Promise.all(before);
    try {
      return await work();
    } finally {
      resolve();
      for (const key of own) if (ends.get(key) === promise) ends.delete(key);
    }
  };
}
