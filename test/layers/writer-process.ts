/**
 * @module
 * A process that opens a store with layers around it and runs a writer on it: `node writer-process.ts PLACE`, JSON. Prints
 * the report as JSON.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openStore } from "../stores/open-store.ts";
import { openRedis } from "../stores/redis-open.ts";
import type { Wrap } from "./harness.ts";

const [location, wrapModule, folder, namespaces, task] = JSON.parse(process.argv[2] ?? "[]");
const { store, close } = "port" in location ? await openRedis(location) : openStore(location);
const { wrap }: { wrap: Wrap } = await import(wrapModule);
const root = wrap(store, folder);
const view = namespaces.reduce((above: typeof root, name: string) => above.namespace(name), root);
process.stdout.write(JSON.stringify(await runWriterTask(view, task)));
await root.close();
await close();
