/**
 * @module
 * A process that opens the MongoDB store and runs a writer on it: `node mongodb-writer-process.ts LOCATION TASK`, both
 * JSON. Prints the report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openMongodb } from "./mongodb-open.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = openMongodb(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
