/** Walks the long session of a store; prints by how many bytes the resident memory grew, and how long it took. */
import { buildSession } from "../build.ts";
import { LONG } from "../fixtures.ts";
import { loadTranscripts } from "../messages.ts";
import { isEngine, openStore, sessionsOver } from "../stores.ts";

const [, , engine, folder = "", messages] = process.argv;
if (!isEngine(engine)) throw new Error(`unknown engine: ${engine}`);
const wanted = Number(messages);

const store = openStore(engine, folder);
// What is in memory is made here, and is no part of the growth.
if (engine === "memory") await buildSession(store, { id: LONG }, wanted, loadTranscripts());
const sessions = sessionsOver(store);
const session = await sessions.open(LONG);
for (let pass = 0; pass < 3; pass += 1) globalThis.gc?.();

const before = process.memoryUsage.rss();
const startedAt = performance.now();
let [most, count] = [before, 0];
for await (const _message of session.stream()) {
  count += 1;
  if (count % 500 === 0) most = Math.max(most, process.memoryUsage.rss());
}
const ms = performance.now() - startedAt;
if (count < wanted) throw new Error(`walked ${count} messages in place of ${wanted}`);
console.log(JSON.stringify([most - before, ms]));
await sessions.close();
