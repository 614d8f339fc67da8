import { describe, expect, test } from "vitest";
import { jsonLines, start, temporaryStore } from "./run.ts";

describe("tail", () => {
  test.each(["sqlite", "file"] as const)(
    "shows what another process writes, and Ctrl-C ends it: %s",
    async (kind) => {
      const { url, sessions } = await temporaryStore(kind);
      const session = await sessions.create({ id: "live", messages: [{ role: "user", content: "before" }] });
      const tail = start(["--store", url, "tail", "live"]);
      await tail.until(() => tail.stdout().includes("before") && tail.stderr().includes("following"));
      await session.append({ role: "assistant", content: "written meanwhile" });
      await session.rename("Renamed");
      await tail.until(
        () => tail.stdout().includes("written meanwhile") && tail.stdout().includes("Renamed"),
      );
      tail.child.kill("SIGINT");
      const { code } = await tail.ended;
      expect(code).toBe(0);
      expect(tail.stdout().match(/written meanwhile/g)).toHaveLength(1);
    },
  );

  test("--json prints entries, --last 0 only new ones", async () => {
    const { url, sessions } = await temporaryStore();
    const session = await sessions.create({ id: "live", messages: [{ role: "user", content: "old" }] });
    const tail = start(["--store", url, "--json", "tail", "live", "--last", "0"]);
    // Written again and again until the first arrives, since it can't be seen from outside when it begins to follow.
    const writing = setInterval(() => void session.append({ role: "user", content: "new" }), 200);
    await tail.until(() => tail.stdout().includes("\n"));
    clearInterval(writing);
    tail.child.kill("SIGTERM");
    await tail.ended;
    const entries = jsonLines(tail.stdout());
    expect(entries.every(({ type }) => type === "message")).toBe(true);
    expect(tail.stdout()).not.toContain('"old"');
  });

  test("ends with an error when the session is deleted", async () => {
    const { url, sessions } = await temporaryStore();
    await sessions.create({ id: "live" });
    const tail = start(["--store", url, "tail", "live"]);
    await tail.until(() => tail.stderr().includes("following"));
    await sessions.delete("live");
    const { code, stderr } = await tail.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("error SESSION_DELETED");
  });
});
