/**
 * @module
 * A process that opens the OpenSearch store and runs a writer on it: `node opensearch-writer-process.ts LOCATION TASK`,
 * both JSON. Prints the report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openOpenSearch } from "./opensearch-open.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = openOpenSearch(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
