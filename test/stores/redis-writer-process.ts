/**
 * @module
 * A process that opens the Redis store and runs a writer on it: `node redis-writer-process.ts LOCATION TASK`, both
 * JSON. Prints the report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openRedis } from "./redis-open.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = await openRedis(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
