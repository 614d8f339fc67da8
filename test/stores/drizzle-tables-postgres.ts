/**
 * @module
 * The tables on PostgreSQL as docs/stores/drizzle.md gives them.
 */
import { bigint, doublePrecision, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

export const holdfastSessions = pgTable("holdfast_sessions", {
  key: bigint("key", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  namespace: text("namespace").notNull(),
  id: text("id").notNull(),
  version: bigint("version", { mode: "number" }).notNull(),
  seq: bigint("seq", { mode: "number" }).notNull(),
  kind: text("kind").notNull(),
  status: text("status").notNull(),
  userId: text("user_id"),
  agent: text("agent"),
  parentId: text("parent_id"),
  label: text("label"),
  createdAt: doublePrecision("created_at").notNull(),
  updatedAt: doublePrecision("updated_at").notNull(),
  expiresAt: doublePrecision("expires_at"),
  metadata: text("metadata").array(),
  record: text("record").notNull(),
});

export const holdfastEntries = pgTable(
  "holdfast_entries",
  {
    sessionKey: bigint("session_key", { mode: "number" })
      .notNull()
      .references(() => holdfastSessions.key, { onDelete: "cascade" }),
    seq: bigint("seq", { mode: "number" }).notNull(),
    at: doublePrecision("at").notNull(),
    type: text("type").notNull(),
    id: text("id"),
    commitId: text("commit_id"),
    text: text("text"),
    data: text("data").notNull(),
  },
  (table) => [primaryKey({ columns: [table.sessionKey, table.seq] })],
);
