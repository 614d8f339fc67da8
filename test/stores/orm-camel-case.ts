/**
 * @module
 * Names in camel case, as docs/stores/prisma.md and docs/stores/drizzle.md give them.
 */
export const names = {
  tables: { sessions: "ChatSession", entries: "ChatEntry" },
  columns: {
    sessions: {
      user_id: "userId",
      parent_id: "parentId",
      created_at: "createdAt",
      updated_at: "updatedAt",
      expires_at: "expiresAt",
    },
    entries: { session_key: "sessionKey", commit_id: "commitId" },
  },
};
