/**
 * @module
 * The store over a connection, whoever made that: Node's own SQLite, a database that was passed in, or Prisma.
 */
import { namespaceName, namespacePath } from "../../store/namespace.ts";
import type { SessionStore, StoreCapabilities } from "../../store/store.ts";
import { aliased, selected } from "../sql/columns.ts";
import type { Tables } from "../sql/tables.ts";
import { createCommitter, encodeCommits } from "./commit.ts";
import type { Connection } from "./connection.ts";
import { integer, text } from "./driver.ts";
import type { Reading } from "./entries.ts";
import { createReader } from "./entries.ts";
import { NAME } from "./errors.ts";
import { createLister } from "./lists.ts";
import { createRecordCache, noRecordCache } from "./record-cache.ts";
import { createRemover } from "./remove.ts";
import { META } from "./schema.ts";
import { createSearcher } from "./search.ts";
import { createSearchIndex } from "./search-index.ts";

/** SQLite takes up to 1,000,000,000 bytes a value and V8 half of that; this leaves room for the row around it. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;

export interface StoreParts {
  readonly connection: Connection;
  readonly tables: Tables;
  readonly capabilities: StoreCapabilities;
  readonly reading: Reading;
  /**
   * Whether what was seen is remembered. Not where a transaction may be undone after it resolved, for then another
   * record may come to have the same key and version; nor where work is replayed, which must do the same each time.
   */
  readonly remembers: boolean;
}

export function capabilitiesOf({
  durability,
  isFullText,
  isShared,
}: {
  readonly durability: "process" | "os" | "disk";
  readonly isFullText: boolean;
  /** Whether other processes can reach the same database. */
  readonly isShared: boolean;
}): StoreCapabilities {
  return {
    durability,
    search: isFullText ? "fulltext" : "substring",
    watch: "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: isShared ? "many" : "one-process",
  };
}

export function storeOver({
  connection,
  tables,
  capabilities,
  reading,
  remembers,
}: StoreParts): SessionStore {
  const cache = remembers ? createRecordCache() : noRecordCache;
  const searchIndex = createSearchIndex(tables, capabilities.search === "fulltext", reading);
  const applyCommit = createCommitter(tables, cache, remembers);
  const readEntries = createReader(tables, reading);
  const listPage = createLister(tables, cache);
  const findMessages = createSearcher(connection, tables, searchIndex, cache, reading);
  const remover = createRemover(connection, tables, searchIndex, reading);
  const s = aliased("s", tables.columns.sessions);
  const findRecord = `SELECT ${selected(s, "key", "version", "record")} FROM ${tables.sessions} AS s WHERE ${s.namespace} = ? AND ${s.id} = ?`;
  const probe = `SELECT value FROM ${tables.meta} WHERE key = ?`;
  const views = new Map<string, WeakRef<SessionStore>>();

  const view = (namespace: string): SessionStore => {
    const known = views.get(namespace)?.deref();
    if (known) return known;
    const made = viewOf(namespace);
    views.set(namespace, new WeakRef(made));
    return made;
  };

  const viewOf = (namespace: string): SessionStore => ({
    name: NAME,
    capabilities,
    namespaceName: namespaceName(namespace),

    async commit(commits) {
      const encoded = encodeCommits(commits, capabilities);
      if (encoded.length === 0) return connection.run(() => []);
      return connection.transaction((sql) => encoded.map((commit) => applyCommit(sql, namespace, commit)));
    },

    find: (ids) =>
      connection.run((sql) =>
        ids.map((id) => {
          const row = sql.get(findRecord, namespace, id);
          return row && cache.decode(integer(row, "key"), integer(row, "version"), text(row, "record"), id);
        }),
      ),

    read: (id, range) => connection.run((sql) => readEntries(sql, namespace, id, range)),
    list: (query) => connection.run((sql) => listPage(sql, namespace, query)),
    search: (words, query) => findMessages(namespace, words, query),
    remove: (id) => remover.remove(namespace, id),
    sweep: (nowMs, limit) => remover.sweep(namespace, nowMs, limit),
    migrate: () => connection.migrate(),
    namespace: (name) => view(namespacePath(namespace, name)),

    async *inspect() {
      const rows = await connection.run((sql) => sql.all("PRAGMA integrity_check"));
      for (const row of rows) {
        const message = text(row, "integrity_check");
        if (message === "ok") continue;
        const remedy = "restore the database from a backup; `sqlite3 FILE .recover` saves what can be read";
        yield { kind: "damaged", place: connection.what, message, remedy };
      }
    },

    async ping() {
      await connection.run((sql) => sql.get(probe, META.schemaVersion));
    },

    /** Closes the connection, which all namespaces share. */
    close: () => remover.close(),
  });

  return view("");
}
