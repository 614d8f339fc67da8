/**
 * @module
 * A process that appends COUNT messages at once to session ID: `node opensearch-appends-process.ts LOCATION ID NAME
 * COUNT`. Prints how many failed.
 */
import { createSessions } from "../../src/index.ts";
import { openOpenSearch } from "./opensearch-open.ts";

const [, , location = "", id = "", name = "", count = "0"] = process.argv;
const { store, close } = openOpenSearch(JSON.parse(location));
const session = await createSessions({ store }).open(id);
const results = await Promise.allSettled(
  Array.from({ length: Number(count) }, (_, index) =>
    session.append({ role: "user", content: `${name} ${index}` }),
  ),
);
process.stdout.write(String(results.filter(({ status }) => status === "rejected").length));
await close();
