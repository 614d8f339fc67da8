/**
 * @module
 * Tables and columns under names of a user's: in camel case, words of SQL, and default names of other columns.
 */
import type { SqlColumns } from "../../src/stores/sql/columns.ts";
import type { SqlTables } from "../../src/stores/sql/names.ts";

export const RENAMED = {
  tables: {
    sessions: "ChatSession",
    entries: "Order",
    meta: "chatMeta",
    search: "chatSearch",
    messages: "chatMessages",
  },
  columns: {
    sessions: {
      key: "sessionKey",
      namespace: "tenant",
      id: "publicId",
      version: "seq",
      seq: "version",
      kind: "select",
      status: "group",
      user_id: "userId",
      agent: "user",
      parent_id: "parentId",
      label: "table",
      created_at: "updated_at",
      updated_at: "created_at",
      expires_at: "expiresAt",
      metadata: "tags",
      record: "JSON",
    },
    entries: {
      position: "rowNumber",
      session_key: "from",
      seq: "at",
      at: "seq",
      type: "order",
      id: "messageId",
      commit_id: "commitId",
      text: "data",
      data: "text",
    },
  },
} as const satisfies { tables: SqlTables; columns: SqlColumns };
