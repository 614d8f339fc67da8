/**
 * @module
 * Several that work side by side: what they have to say before they go on is said once, for all of them.
 */

export interface Member<T> {
  /** Resolves once `item` was sent together with those of all the others, and fails where that did. */
  add(item: T): Promise<void>;
  /** Says that there is nothing (more) to add. */
  leave(): void;
}

/** Calls `send`, where there is anything to send, once each of `count` members has added an item or left. */
export function gathering<T>(
  count: number,
  send: (items: readonly T[]) => void | Promise<void>,
): () => Member<T> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const items: T[] = [];
  let awaited = count;
  const arrive = (): void => {
    awaited -= 1;
    if (awaited > 0) return;
    const sent = async (): Promise<void> => {
      if (items.length > 0) await send(items);
    };
    sent().then(resolve, reject);
  };
  return () => {
    let isAwaited = true;
    const leave = (): void => {
      if (isAwaited) arrive();
      isAwaited = false;
    };
    return {
      add(item) {
        items.push(item);
        leave();
        return promise;
      },
      leave,
    };
  };
}

/** Waits for all, also where one fails, then fails with the first failure. */
export async function allDone(calls: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "rejected") throw result.reason;
  }
}
