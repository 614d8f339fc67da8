/**
 * @module
 * The version of what is stored, in a key of its own.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { Connection } from "./client.ts";
import { replyValue } from "./client.ts";
import { ask, command } from "./engine.ts";
import { NAME, toText } from "./replies.ts";

const VERSION = 1;

/**
 * Writes the version where there is none. Safe from several processes at once.
 *
 * @throws MIGRATION_REQUIRED where a newer release has written here.
 */
export async function migrateSchema(connection: Connection, key: string): Promise<MigrationReport> {
  const made = toText(await ask(connection, command("SETNX", key, String(VERSION)))) === "1";
  if (!made) check(toText(await ask(connection, command("GET", key))));
  return {
    store: NAME,
    from: made ? 0 : VERSION,
    to: VERSION,
    steps: made ? [`wrote schema version ${VERSION}`] : [],
  };
}

/**
 * Checks the version before the first use. An empty Redis is good to read, and a commit writes the version.
 *
 * @throws MIGRATION_REQUIRED where a newer release has written here.
 */
export async function checkSchema(connection: Connection, key: string): Promise<void> {
  const [reply] = await connection.send([command("GET", key)]);
  const version = toText(replyValue(reply));
  if (version !== "") check(version);
}

function check(version: string): void {
  if (version === String(VERSION)) return;
  throw new HoldfastError(
    "MIGRATION_REQUIRED",
    `what is stored in Redis under this keyPrefix has schema version ${JSON.stringify(version)} and this release of holdfast knows version ${VERSION}; nothing was changed: update holdfast, or use another keyPrefix`,
    { store: NAME },
  );
}
