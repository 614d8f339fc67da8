/**
 * @module
 * One test on every store that needs no server, with a folder of its own, and what most tests of sessions need.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Entry } from "../../src/log/entry.ts";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionsOptions } from "../../src/session/sessions.ts";
import { createSessions } from "../../src/session/sessions.ts";
import type { Message, Session, Sessions } from "../../src/session/types.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { StoreKind } from "./open-in.ts";
import { openIn } from "./open-in.ts";

export type { StoreKind };
export { openIn };
export const STORE_KINDS: readonly StoreKind[] = ["memory", "file", "sqlite"];

export interface Given {
  readonly kind: StoreKind;
  readonly store: SessionStore;
  /** Sessions over the store. */
  sessions<D extends object = Record<string, unknown>>(options?: SessionsOptions<D>): Sessions<Message, D>;
  /** Sessions over a connection of their own to the same data; in memory, over the same store. */
  elsewhere<D extends object = Record<string, unknown>>(options?: SessionsOptions<D>): Sessions<Message, D>;
  /** Opens the store anew. */
  connect(): SessionStore;
}

/** Runs `run` as a test of its own on every store, or on those named. */
export function onStores(
  title: string,
  run: (given: Given) => Promise<void>,
  kinds: readonly StoreKind[] = STORE_KINDS,
): void {
  for (const kind of kinds) {
    test(`${title} [${kind}]`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "holdfast-session-"));
      const opened: SessionStore[] = [];
      const shared = memoryStore();
      const connect = (): SessionStore => {
        const store = kind === "memory" ? shared : openIn(kind, folder);
        opened.push(store);
        return store;
      };
      const store = connect();
      try {
        await run({
          kind,
          store,
          connect,
          sessions: (options = {}) => createSessions({ store, ...options }),
          elsewhere: (options = {}) => createSessions({ store: connect(), ...options }),
        });
      } finally {
        for (const one of opened) await one.close();
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
}

export const user = (content: string): Message => ({ role: "user", content });
export const assistant = (content: string): Message => ({ role: "assistant", content });

/** What a list of messages says, for short expectations. */
export async function textsOf(session: Session<Message, never> | Session): Promise<unknown[]> {
  return (await session.messages()).map(({ content }) => content);
}

export async function collect<T>(items: AsyncIterable<T>, most = Infinity): Promise<T[]> {
  const found: T[] = [];
  if (most === 0) return found;
  for await (const item of items) {
    found.push(item);
    if (found.length >= most) break;
  }
  return found;
}

/** All entries of a session's own log, straight from the store. */
export function ownLog(store: SessionStore, id: string): Promise<Entry[]> {
  return store.read(id, { after: 0, limit: 100_000 });
}

/** The error that `work` fails with, which must have this code. */
export async function refusal(work: Promise<unknown>, code: HoldfastErrorCode): Promise<HoldfastError> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  expect(outcome, `a failure with ${code}`).toHaveProperty("error");
  const error = "error" in outcome ? outcome.error : undefined;
  if (!HoldfastError.is(error)) throw error;
  expect({ code: error.code, message: error.message }).toEqual({ code, message: expect.any(String) });
  return error;
}

export interface FakeClock {
  (): number;
  advance(ms: number): void;
}

/** A clock that stands still until it is moved on. */
export function fakeClock(startMs = 1_750_000_000_000): FakeClock {
  let now = startMs;
  return Object.assign(() => now, {
    advance(ms: number) {
      now += ms;
    },
  });
}

/** Resolves once `isTrue` holds; fails after `timeoutMs`. */
export async function until(isTrue: () => boolean | Promise<boolean>, timeoutMs = 5000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not true within ${timeoutMs} ms: ${isTrue.toString()}`);
    await sleep(5);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
