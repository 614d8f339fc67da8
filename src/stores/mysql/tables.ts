/**
 * @module
 * The tables and the view. Every statement is one that MySQL 8.4 and MariaDB 10.11 both know.
 */
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";

/** The columns that must be there. */
export const COLUMNS: Readonly<Record<"sessions" | "entries" | "search" | "meta", string>> = {
  sessions:
    "session_key namespace id version seq kind status user_id agent parent_id label created_at updated_at expires_at metadata record",
  entries: "session_key seq at type id commit_id unindexed text data",
  search: "session_key seq at words",
  meta: "name value",
};

/** Indexes of a long namespace and two ids need more than the 767 bytes of older row formats. */
const TABLE_OPTIONS = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4";

/**
 * - Text is bytes (`VARBINARY`, `LONGBLOB`), so that it comes back as it was, whatever the connection's character set,
 *   and is compared and ordered by byte. Only what FULLTEXT indexes must be text: tokens in ASCII.
 * - Sessions have a number as key, so that entries and indexes stay small; it is never used again.
 * - Times are `DOUBLE`: as exact as JavaScript's, and no time zone has a say.
 * - No foreign keys: they would rule out partitions, and their locks add waits that writers don't need.
 * - What is searched is a table of its own, so that its index can be made anew, or optimised, beside the log. Entries
 *   with `unindexed` 1 belong there and are not there yet.
 * - The view is not for texts with half of a surrogate pair, which MySQL takes for damaged JSON: those are NULL there.
 */
export function firstVersion(tables: SqlTables): string[] {
  const sessions = backtickName(tables.sessions);
  const entries = backtickName(tables.entries);
  return [
    `CREATE TABLE IF NOT EXISTS ${backtickName(tables.meta)} (
  name VARBINARY(64) NOT NULL,
  value VARBINARY(255) NOT NULL,
  PRIMARY KEY (name)
) ${TABLE_OPTIONS}`,
    `CREATE TABLE IF NOT EXISTS ${sessions} (
  session_key BIGINT NOT NULL AUTO_INCREMENT,
  namespace VARBINARY(255) NOT NULL,
  id VARBINARY(512) NOT NULL,
  version BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind VARBINARY(16) NOT NULL,
  status VARBINARY(16) NOT NULL,
  user_id VARBINARY(512) NULL,
  agent VARBINARY(512) NULL,
  parent_id VARBINARY(512) NULL,
  label VARBINARY(512) NULL,
  created_at DOUBLE NOT NULL,
  updated_at DOUBLE NOT NULL,
  expires_at DOUBLE NULL,
  metadata LONGBLOB NULL,
  record LONGBLOB NOT NULL,
  PRIMARY KEY (session_key),
  UNIQUE KEY by_id (namespace, id),
  KEY by_updated (namespace, status, updated_at, id),
  KEY by_created (namespace, status, created_at, id),
  KEY by_user (namespace, user_id, status, updated_at, id),
  KEY by_parent (namespace, parent_id),
  KEY by_expires (namespace, expires_at)
) ${TABLE_OPTIONS}`,
    `CREATE TABLE IF NOT EXISTS ${entries} (
  session_key BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at DOUBLE NOT NULL,
  type VARBINARY(1024) NOT NULL,
  id VARBINARY(512) NULL,
  commit_id VARBINARY(512) NULL,
  unindexed TINYINT NOT NULL,
  text LONGBLOB NULL,
  data LONGBLOB NOT NULL,
  PRIMARY KEY (session_key, seq),
  UNIQUE KEY by_id (session_key, id),
  KEY by_unindexed (unindexed, session_key, seq)
) ${TABLE_OPTIONS}`,
    `CREATE TABLE IF NOT EXISTS ${backtickName(tables.search)} (
  session_key BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  at DOUBLE NOT NULL,
  words MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (session_key, seq),
  FULLTEXT KEY words (words)
) ${TABLE_OPTIONS}`,
    messagesView(backtickName(tables.messages), sessions, entries),
  ];
}

function messagesView(view: string, sessions: string, entries: string): string {
  const data = "CONVERT(e.data USING utf8mb4)";
  const part = (path: string): string => `JSON_EXTRACT(${data}, '$.message.${path}')`;
  const content = part("content");
  const textOf = `CASE JSON_TYPE(${content})
    WHEN 'STRING' THEN JSON_UNQUOTE(${content})
    WHEN 'ARRAY' THEN CASE JSON_LENGTH(${content}) WHEN 1 THEN JSON_UNQUOTE(${part("content[0].text")}) ELSE ${part("content[*].text")} END
  END`;
  return `CREATE OR REPLACE VIEW ${view} AS
SELECT
  CONVERT(s.id USING utf8mb4) AS session,
  e.seq AS seq,
  CASE WHEN JSON_VALID(${data}) THEN JSON_UNQUOTE(${part("role")}) END AS role,
  CASE WHEN JSON_VALID(${data}) THEN ${textOf} END AS text,
  e.at AS at,
  CONVERT(s.namespace USING utf8mb4) AS namespace
FROM ${entries} AS e
JOIN ${sessions} AS s ON s.session_key = e.session_key
WHERE e.type = 'message'`;
}
