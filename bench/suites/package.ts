/**
 * @module
 * What `import "holdfast"` costs: bytes, dependencies, time.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { coreSizeBytes } from "../../scripts/check-size.ts";
import { buildPackage, ENTRY, ROOT } from "../built.ts";
import { runChild } from "../children/run.ts";
import { summary } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { row } from "../rows.ts";

const NAME = "package";

export const packaged: Suite = {
  name: NAME,
  async run(bench) {
    return [
      {
        suite: NAME,
        measure: 'import "holdfast": minified and gzipped',
        value: (await coreSizeBytes()) / 1024,
        unit: "kB",
        bar: { atMost: 25 },
        note: "kB of 1024 bytes",
      },
      {
        suite: NAME,
        measure: 'import "holdfast": dependencies',
        value: dependencies(),
        unit: "",
        bar: { atMost: 0 },
      },
      await importTime(bench),
    ];
  },
};

/** What an installation brings along: all but the peers that are optional. */
function dependencies(): number {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const keysOf = (name: string): string[] => Object.keys(Object(Object(manifest)[name]));
  const optional = new Set(keysOf("peerDependenciesMeta"));
  const peers = keysOf("peerDependencies").filter((name) => !optional.has(name));
  return keysOf("dependencies").length + keysOf("optionalDependencies").length + peers.length;
}

/** In a fresh process, less what importing an empty module takes there. */
async function importTime(bench: Bench): Promise<Row> {
  buildPackage();
  const times: number[] = [];
  const empty = "data:text/javascript,";
  for (let round = 0; round < (bench.isQuick ? 4 : 15); round += 1) {
    const [ours = Number.NaN] = await runChild("import-time.ts", [pathToFileURL(ENTRY).href]);
    const [nothing = Number.NaN] = await runChild("import-time.ts", [empty]);
    if (round > 0) times.push(ours - nothing);
  }
  return row(NAME, 'import "holdfast": time, less an empty import', summary(times), "ms", {
    bar: { atMost: 30 },
  });
}
