/**
 * @module
 * A process that opens a MySQL store and runs a writer on it: `node mysql-writer-process.ts LOCATION TASK`, both JSON.
 * Prints the report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openMysql } from "./mysql-open.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = await openMysql(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
