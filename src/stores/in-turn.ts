/**
 * @module
 * One piece of work at a time, for clients that have only one connection.
 */

/** Makes what runs each piece of work once the one before it has ended, however that ended. */
export function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
}
