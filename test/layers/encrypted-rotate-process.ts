/** A process that rotates the keys of a SQLite file: `node encrypted-rotate-process.ts PATH KEYS`, keys as JSON. */
import { memoryKeyring, rotateKeys } from "../../src/layers/encrypted.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

const [path = "", keys = "[]"] = process.argv.slice(2);
const store = sqliteStore({ path });
process.stdout.write("begins\n");
await rotateKeys(store, {
  keyring: memoryKeyring(...JSON.parse(keys)),
  onProgress: () => process.stdout.write("a page\n"),
});
await store.close();
