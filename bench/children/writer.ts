/**
 * Appends to a session that another process appends to as well. Says "ready", waits for a line on its standard input,
 * appends, and prints how many appends failed and how long all of them took.
 */
import { once } from "node:events";
import { isEngine, openStore, sessionsOver } from "../stores.ts";

const [, , engine, folder = "", name = "", id = "", appends, manner] = process.argv;
if (!isEngine(engine)) throw new Error(`unknown engine: ${engine}`);

const sessions = sessionsOver(openStore(engine, folder));
const session = await sessions.open(id);
console.log("ready");
await once(process.stdin, "data");
process.stdin.destroy();

let failures = 0;
const startedAt = performance.now();
const appendOne = async (index: number): Promise<void> => {
  try {
    await session.append({ role: "user", content: `message ${index} of process ${name}` });
  } catch (error) {
    console.error(error);
    failures += 1;
  }
};
const indexes = Array.from({ length: Number(appends) }, (_, index) => index);
if (manner === "at once") await Promise.all(indexes.map(appendOne));
else for (const index of indexes) await appendOne(index);
console.log(JSON.stringify([failures, performance.now() - startedAt]));
await sessions.close();
