/**
 * @module
 * As writer-process.ts, through Prisma or Drizzle.
 */
import { runWriterTask } from "../../src/store/conformance/index.ts";
import { openOrm } from "./orm-open.ts";

const [, , location = "", task = ""] = process.argv;
const { store, close } = await openOrm(JSON.parse(location));
process.stdout.write(JSON.stringify(await runWriterTask(store, JSON.parse(task))));
await close();
