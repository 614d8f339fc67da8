/** The size of `import "holdfast"`, minified and gzipped, against its limit. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const LIMIT_BYTES = 25 * 1024;

/** Bytes of the entry and all that it imports statically; what it loads on demand is not part of it. */
export async function coreSizeBytes(): Promise<number> {
  const bundle = await rolldown({ input: join(import.meta.dirname, "../src/index.ts"), platform: "node" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const chunks = new Map(
    output.flatMap((one) => (one.type === "chunk" ? [[one.fileName, one] as const] : [])),
  );
  const wanted = new Set<string>();
  const add = (name: string): void => {
    if (wanted.has(name)) return;
    wanted.add(name);
    for (const imported of chunks.get(name)?.imports ?? []) add(imported);
  };
  for (const [name, chunk] of chunks) if (chunk.isEntry) add(name);
  return gzipSync([...wanted].map((name) => chunks.get(name)?.code ?? "").join("")).length;
}

if (import.meta.main) {
  const bytes = await coreSizeBytes();
  console.log(`core: ${bytes} bytes min+gzip, at most ${LIMIT_BYTES}`);
  process.exitCode = bytes <= LIMIT_BYTES ? 0 : 1;
}
