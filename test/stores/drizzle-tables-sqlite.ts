/**
 * @module
 * The tables on SQLite as docs/stores/drizzle.md gives them.
 */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const holdfastSessions = sqliteTable("holdfast_sessions", {
  key: integer("key").primaryKey({ autoIncrement: true }),
  namespace: text("namespace").notNull(),
  id: text("id").notNull(),
  version: integer("version").notNull(),
  seq: integer("seq").notNull(),
  kind: text("kind").notNull(),
  status: text("status").notNull(),
  userId: text("user_id"),
  agent: text("agent"),
  parentId: text("parent_id"),
  label: text("label"),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
  expiresAt: integer("expires_at"),
  record: text("record").notNull(),
});

export const holdfastEntries = sqliteTable("holdfast_entries", {
  position: integer("position").primaryKey(),
  sessionKey: integer("session_key").notNull(),
  seq: integer("seq").notNull(),
  type: text("type").notNull(),
  at: integer("at").notNull(),
  id: text("id"),
  commitId: text("commit_id"),
  text: text("text"),
  data: text("data").notNull(),
});
