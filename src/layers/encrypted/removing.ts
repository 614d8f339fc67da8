/**
 * @module
 * Removing sessions with their keys: first what is sealed, then the key, because a session that is there without its key
 * could not even be deleted any more.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { SessionStore } from "../../store/store.ts";
import type { LayerMethods } from "../layer.ts";
import type { DataKeys } from "./data-keys.ts";
import { recordKeyId } from "./shadow.ts";

/** Expired sessions that are looked at in one sweep, at least. */
const SWEPT = 1000;

export function createRemoving(store: SessionStore, keys: DataKeys): LayerMethods {
  const { sweep } = store;

  const keyIdsOf = (record: SessionRecord | undefined): Set<string> => {
    const keyId = record && recordKeyId(record);
    return new Set(keyId === undefined ? [] : [keyId]);
  };

  return {
    async remove(id, note) {
      const [record] = await store.find([id]).catch((error: unknown) => {
        // What is damaged must go all the same. Its key is left over, and is found as such later.
        if (HoldfastError.is(error, "STORE_CORRUPT")) return [];
        throw error;
      });
      const isRemoved = await store.remove(id, note);
      const count = await keys.destroy(id, keyIdsOf(record));
      if (count > 0) note?.({ what: "keys", count, place: store.name });
      return isRemoved;
    },

    ...(sweep && {
      async sweep(nowMs, limit) {
        const keyIds = await expiredKeys(nowMs, limit);
        const swept = await sweep.call(store, nowMs, limit);
        await Promise.all(swept.map((id) => keys.destroy(id, keyIds.get(id) ?? new Set())));
        return swept;
      },
    }),
  };

  /** Once a session is swept, nobody knows any more which key was its. */
  async function expiredKeys(nowMs: number, limit: number): Promise<Map<string, Set<string>>> {
    const found = new Map<string, Set<string>>();
    for (const status of [undefined, "deleted"] as const) {
      let cursor: string | undefined;
      let seen = 0;
      do {
        const page = await store.list({
          order: "updated",
          limit: SWEPT,
          expiredAt: nowMs,
          ...(status && { status }),
          ...(cursor !== undefined && { cursor }),
        });
        for (const record of page.items) found.set(record.id, keyIdsOf(record));
        seen += page.items.length;
        cursor = page.cursor;
      } while (cursor !== undefined && seen < Math.max(limit, SWEPT));
    }
    return found;
  }
}
