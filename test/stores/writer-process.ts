/**
 * @module
 * A process that opens a store and runs a writer on it: `node writer-process.ts LOCATION TASK`, both JSON. Prints the
 * report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openStore } from "./open-store.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = openStore(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
