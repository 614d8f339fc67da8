/**
 * @module
 * Every record of a store, a page at a time.
 */
import type { SessionRecord, SessionStore } from "../index.ts";

const PAGE = 500;

/**
 * All records: what has expired too, and last those that are deleted and kept for their forks. In the order of their
 * creation, which no later write changes.
 */
export async function* everyRecord(store: SessionStore): AsyncGenerator<SessionRecord> {
  for (const status of [undefined, "deleted"] as const) {
    let cursor: string | undefined;
    do {
      const page = await store.list({
        order: "created",
        limit: PAGE,
        ...(status && { status }),
        ...(cursor !== undefined && { cursor }),
      });
      yield* page.items;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
}
