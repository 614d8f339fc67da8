/**
 * @module
 * Several that work side by side and have something to say before they go on: it is said once, for all of them.
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
