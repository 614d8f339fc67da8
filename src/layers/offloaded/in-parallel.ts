/** @module Work on many things, some at a time. */

/** Does `work` for each of `items`, at most `atOnce` at a time, and answers in their order. Fails as the first one does. */
export async function inParallel<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Map<number, R>();
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      const item = items.slice(index, index + 1);
      for (const one of item) results.set(index, await work(one));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, run));
  return items.flatMap((_, index) => {
    const result = results.get(index);
    return result === undefined ? [] : [result];
  });
}
