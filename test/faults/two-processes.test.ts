/** Two processes, 50 appends each, one session: all stored, each process's own in order, no error. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import { openIn } from "../session/open-in.ts";

const worker = join(import.meta.dirname, "writer-worker.ts");

for (const kind of ["file", "sqlite"] as const) {
  test(`two processes append 50 messages each to one session at once [${kind}]`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-two-"));
    try {
      const sessions = createSessions({ store: openIn(kind, folder, "full") });
      const session = await sessions.create({ id: "shared" });
      await Promise.all(
        ["a", "b"].map((name) =>
          promisify(execFile)(process.execPath, [
            "--disable-warning=ExperimentalWarning",
            worker,
            kind,
            folder,
            "shared",
            name,
            "50",
          ]),
        ),
      );
      const contents = (await session.messages()).map(({ content }) => String(content));
      expect(contents).toHaveLength(100);
      for (const name of ["a", "b"]) {
        expect(contents.filter((text) => text.startsWith(name))).toEqual(
          Array.from({ length: 50 }, (_, index) => `${name} ${index}`),
        );
      }
      expect((await session.refresh()).messageCount).toBe(100);
      await sessions.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
