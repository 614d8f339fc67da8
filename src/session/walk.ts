/**
 * @module
 * Lists of any length, read a page at a time.
 */
import type { SessionRecord } from "../log/record.ts";
import { toStoreQuery } from "../store/query.ts";
import type { SessionQuery, StoreQuery } from "../store/store.ts";
import type { Runtime } from "./runtime.ts";

/** Every record that matches, a page at a time; also those that have expired, unless the query says otherwise. */
export async function* walk(
  runtime: Runtime,
  query: SessionQuery,
  extra: Pick<StoreQuery, "liveAt" | "expiredAt"> = {},
): AsyncGenerator<SessionRecord> {
  let cursor: string | undefined;
  do {
    const page = await runtime.store.list(
      toStoreQuery({ limit: 200, ...query, ...(cursor !== undefined && { cursor }) }, extra),
    );
    yield* page.items;
    cursor = page.cursor;
  } while (cursor !== undefined);
}
