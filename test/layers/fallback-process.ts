/**
 * @module
 * A process that writes during an outage, or recovers from one: `node fallback-process.ts FOLDER write|recover|finish`. Prints
 * a line when it begins, and each message that was acknowledged.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { switched } from "./fallback-switch.ts";

const [folder = "", step = ""] = process.argv.slice(2);
const shared = sqliteStore({ path: join(folder, "primary.db"), durability: "normal" });
const { store: primary, line } = switched(shared);
const store = fallbackStore(primary, {
  journal: sqliteStore({ path: join(folder, "journal.db"), durability: "normal" }),
  probeEveryMs: 3_600_000,
});
const sessions = createSessions({ store });
const ids = ["s0", "s1", "s2"];

if (step === "write") {
  for (const id of ids) await sessions.create({ id });
  line.isDown = true;
  const elsewhere = await createSessions({ store: shared }).open("s1");
  await elsewhere.append({ role: "user", content: "elsewhere" });
  writeSync(1, "begun\n");
  await Promise.all(
    ids.map(async (id) => {
      const session = await sessions.open(id);
      for (let index = 0; ; index += 1) {
        const content = `${id} ${index}`;
        await session.append({ role: "user", content });
        writeSync(1, `${content}\n`);
      }
    }),
  );
}
// Slow enough to be killed in the middle.
line.slowMs = step === "recover" ? 1 : 0;
await sessions.find("s0");
writeSync(1, "begun\n");
await store.recover();
if (step === "recover") await new Promise(() => setInterval(() => undefined, 1000));
await store.close();
await shared.close();
