import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nextMessage } from "../../src/cli/demo/next-message.ts";
import { createStage } from "../../src/cli/demo/stage.ts";
import { createOutput } from "../../src/cli/output.ts";
import type { Message } from "../../src/index.ts";
import { holdfast, jsonLines, temporaryFolder } from "./run.ts";

const transcripts = process.env.HOLDFAST_TRANSCRIPTS;

describe("demo", () => {
  test("passes in under 10 seconds, and what it leaves can be looked at", async () => {
    const folder = await temporaryFolder();
    const { code, stdout, stderr } = await holdfast(["demo"], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const claim of [
      "worker-1 is dead, by SIGKILL",
      "it is the same turn that it ends",
      "it knows what the dead process was told",
      "nothing was copied: the fork's own log is 1 entry",
      "just one of them was told that a turn is in progress",
    ]) {
      expect(stdout).toContain(`✓ ${claim}`);
    }
    expect(stdout).toMatch(/└─ alice-in-oslo .* fork at #\d+/);
    const [, seconds] = /checks passed in ([\d.]+) s/.exec(stdout) ?? [];
    expect(Number(seconds)).toBeLessThan(10);

    const next = [...stdout.matchAll(/npm run -s holdfast -- (--store .*)/g)].map(([, args = ""]) =>
      args.split(" "),
    );
    expect(next.length).toBeGreaterThan(3);
    const results = await Promise.all(next.map((args) => holdfast(args, { cwd: folder })));
    for (const result of results) {
      expect(result.code).toBe(0);
      expect(result.stdout).not.toBe("");
    }
    expect(await readdir(join(folder, ".holdfast"))).toHaveLength(1);
  });

  test("a claim that does not hold ends it with a clear line", () => {
    const stage = createStage(createOutput(true));
    expect(() => stage.check("all is well", false, () => ({ left: 3 }))).toThrow(
      'the demo claims that all is well, and that is not so; found: {"left":3}',
    );
    expect(stage.passed).toBe(0);
  });

  test.skipIf(!transcripts)(
    "imports and searches real transcripts (skipped: HOLDFAST_TRANSCRIPTS is not set)",
    async () => {
      const folder = await temporaryFolder();
      const env = { HOLDFAST_TRANSCRIPTS: transcripts ?? "" };
      const { code, stdout } = await holdfast(["demo", "--json"], { cwd: folder, env });
      expect(code).toBe(0);
      const checks = jsonLines(stdout).map(({ check }) => check);
      expect(checks).toContain("importing them again adds nothing");
    },
  );
});

describe("its model", () => {
  const user = (content: string): Message => ({ role: "user", content });

  test("knows nothing but the messages that it is sent", () => {
    const told = [user("My name is Alice.")];
    expect(nextMessage([...told, user("What is my name?")]).content).toBe("Your name is Alice.");
    expect(nextMessage([user("What is my name?")]).content).toBe("You have not told me your name.");
    expect(nextMessage([...told, user("Call me Bob."), user("What is my name?")]).content).toBe(
      "Your name is Bob.",
    );
  });

  test("calls a tool, again where it was interrupted, and answers from its result", () => {
    const asked = [user("I live in Lisbon. How is the weather?")];
    const call = nextMessage(asked);
    expect(call.content).toMatchObject([
      { type: "tool-call", toolCallId: "call-1", input: { city: "Lisbon" } },
    ]);
    const result = (output: object): Message => ({
      role: "tool",
      content: [{ type: "tool-result", toolCallId: "call-1", toolName: "get_weather", output }],
    });
    const interrupted = nextMessage([...asked, call, result({ type: "error-text", value: "interrupted" })]);
    expect(interrupted.content).toMatchObject([{ toolCallId: "call-2", input: { city: "Lisbon" } }]);
    expect(nextMessage([...asked, call, result({ type: "text", value: "24 °C" })]).content).toBe(
      "Lisbon: 24 °C.",
    );
  });
});
