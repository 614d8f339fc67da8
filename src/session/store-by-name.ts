/**
 * @module
 * Stores by name or URL. Each engine is loaded only where it is named.
 */
import { invalidArgument } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import { fileStore } from "../stores/file.ts";
import { memoryStore } from "../stores/memory.ts";

/** See `createStore`. */
export async function storeByName(
  kindOrUrl: string,
  options: Readonly<Record<string, unknown>>,
): Promise<SessionStore> {
  const { kind, path } = parse(kindOrUrl);
  switch (kind) {
    case "memory":
      return memoryStore(options);
    case "file":
      return fileStore({
        ...options,
        directory: path ?? textOption(options, "directory", "file:./sessions"),
      });
    case "sqlite": {
      const { sqliteStore } = await import("../stores/sqlite.ts");
      return sqliteStore({ ...options, path: path ?? textOption(options, "path", "sqlite:./sessions.db") });
    }
    case "postgres":
    case "postgresql": {
      const { postgresStore } = await import("../stores/postgres.ts");
      return postgresStore({ ...options, url: kindOrUrl });
    }
    case "mysql":
    case "mariadb": {
      const { mysqlStore } = await import("../stores/mysql.ts");
      return mysqlStore({ ...options, url: kindOrUrl });
    }
    case "mongodb":
    case "mongodb+srv": {
      const { mongodbStore } = await import("../stores/mongodb.ts");
      return mongodbStore({ ...options, url: kindOrUrl });
    }
    case "opensearch":
    case "opensearch+https": {
      const { opensearchStore } = await import("../stores/opensearch.ts");
      return opensearchStore({ ...options, url: kindOrUrl });
    }
    case "redis":
    case "rediss": {
      const { redisStore } = await import("../stores/redis.ts");
      return redisStore({ ...options, url: kindOrUrl });
    }
    default:
      throw invalidArgument(
        `there is no store ${JSON.stringify(kind)}; use memory, file, sqlite, postgres, mysql, redis, mongodb or opensearch, or a URL such as sqlite:./sessions.db or postgres://localhost/app`,
      );
  }
}

function parse(kindOrUrl: unknown): { kind: string; path?: string } {
  if (typeof kindOrUrl !== "string" || kindOrUrl === "")
    throw invalidArgument("name a store, for example sqlite:./sessions.db");
  const [, kind = kindOrUrl, rest] = /^([a-z][a-z0-9+]*):(.*)$/is.exec(kindOrUrl) ?? [];
  if (rest === undefined || rest === "") return { kind: kind.toLowerCase() };
  // `sqlite:./a.db`, `sqlite:/a.db` and `sqlite:///a.db` are all paths; `sqlite://host/…` is none.
  const path = rest.startsWith("//") ? rest.slice(2) : rest;
  if (
    rest.startsWith("//") &&
    !path.startsWith("/") &&
    !path.startsWith(".") &&
    ["file", "sqlite"].includes(kind)
  ) {
    throw invalidArgument(
      `the ${kind} URL names a host; write a path: ${kind}:./folder or ${kind}:///folder`,
    );
  }
  return { kind: kind.toLowerCase(), path };
}

function textOption(options: Readonly<Record<string, unknown>>, key: string, example: string): string {
  const value = options[key];
  if (typeof value === "string" && value !== "") return value;
  throw invalidArgument(`the store needs ${key}: give it as an option, or as a URL such as ${example}`);
}
