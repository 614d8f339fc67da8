/**
 * @module
 * Another process: `node file-child.ts hold FOLDER ID` takes the lock of a session and keeps it; `node file-child.ts
 * append FOLDER ID NAME COUNT` appends messages.
 */
import { realpathSync } from "node:fs";
import { commitOf, say } from "../../src/store/conformance/build.ts";
import { openLocks } from "../../src/stores/file/locks.ts";
import { nameOf } from "../../src/stores/file/names.ts";
import { fileStore } from "../../src/stores/file.ts";

const [, , command, folder = "", id = "", name = "", count = "0"] = process.argv;

if (command === "hold") {
  const locks = await openLocks(realpathSync(folder), 1000, true);
  await locks.run(locks.shardOf(`/${nameOf(id)}.jsonl`), id, async () => {
    process.stdout.write("held");
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  });
}

if (command === "append") {
  const store = fileStore(folder);
  let [record] = await store.find([id]);
  for (let index = 0; index < Number(count); ) {
    const next = commitOf(record, [say(`${name} ${index}`)]);
    const [outcome] = await store.commit([next]);
    if (outcome?.status === "committed") index += 1;
    record = outcome?.status === "conflict" ? outcome.current : next.record;
  }
  await store.close();
}
