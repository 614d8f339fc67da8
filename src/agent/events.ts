/**
 * @module
 * From work that tells events to somebody who iterates over them.
 */

export interface Channel<T> {
  readonly push: (item: T) => void;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
  /** Every item once, in order; then the end or the failure. For one reader. */
  readonly items: AsyncGenerator<T, void, undefined>;
}

/** Items wait without bound: whoever works never waits for whoever reads. */
export function channel<T>(): Channel<T> {
  const waiting: T[] = [];
  let outcome: { readonly error?: unknown } | undefined;
  let wake: () => void = () => undefined;

  async function* read(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) yield item;
      if (outcome) {
        if ("error" in outcome) throw outcome.error;
        return;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    push(item) {
      waiting.push(item);
      wake();
    },
    end() {
      outcome ??= {};
      wake();
    },
    fail(error) {
      outcome ??= { error };
      wake();
    },
    items: read(),
  };
}

/**
 * The events of `work`, which begins with the first one that is asked for. Whoever stops iterating aborts it, and waits
 * until what it had is saved.
 */
export async function* eventsOf<T>(
  work: (push: (item: T) => void, signal: AbortSignal) => Promise<unknown>,
): AsyncGenerator<T, void, undefined> {
  const { push, end, fail, items } = channel<T>();
  const left = new AbortController();
  const working = work(push, left.signal).then(end, fail);
  try {
    yield* items;
  } finally {
    left.abort(new DOMException("nobody reads the events any more", "AbortError"));
    await working;
  }
}
