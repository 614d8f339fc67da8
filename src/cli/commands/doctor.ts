/**
 * @module
 * `holdfast doctor`: checks a store, and says how to repair what is wrong.
 */
import type { Command } from "commander";
import { createSessions } from "../../index.ts";
import { cleanLine } from "../clean.ts";
import { openStore, outputOf, storeUrl } from "../context.ts";
import { CliError } from "../failure.ts";
import { count } from "../format.ts";
import type { Finding } from "../health.ts";
import { checkStore } from "../health.ts";
import { examples } from "../help.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { paint } from "../style.ts";

interface DoctorOptions {
  readonly repair?: boolean;
  readonly namespace?: string;
}

export function registerDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .summary("check a store")
    .description(
      "Reads the whole store and checks it: that it answers, its schema, and of each session that its log has no gap, that its record is what the log leads to, and that what it inherits is there. Writes nothing, unless --repair is given.",
    )
    .option("--repair", "do what is safe: remove what has expired");
  examples(command, [
    ["holdfast doctor", "is everything as it should be?"],
    ["holdfast doctor --json | jq 'select(.level == \"error\")'", "only what is wrong"],
  ]).action(async (_options: object, self: Command) => {
    const { repair = false, namespace = "" } = self.optsWithGlobals<DoctorOptions>();
    const output = outputOf(self);
    const store = await openStore(storeUrl(self), "existing");
    const progress = createProgress(output, "check");
    const findings: Finding[] = [];
    try {
      const view = store.namespace(namespace);
      const report = await checkStore(view, {
        onFinding: (finding) => {
          findings.push(finding);
          progress.above(() => print(output, finding));
        },
        onProgress: progress.update,
      });
      progress.stop();
      if (repair && findings.some(({ repairable }) => repairable)) {
        const { removed } = await createSessions({ store: view }).prune();
        if (output.json) output.value({ repaired: { removed } });
        else output.line(`${paint("green", "repaired")} ${count(removed.length, "expired session")} removed`);
      }
      if (output.json)
        output.value({
          summary: { ...report, errors: errorsIn(findings), notes: findings.length - errorsIn(findings) },
        });
      else {
        const checked = `${count(report.sessions, "session")}, ${count(report.entries, "entry", "entries")}`;
        output.line(
          `${errorsIn(findings) === 0 ? paint("green", "sound") : paint("red", "not sound")}: ${checked} checked`,
        );
      }
    } finally {
      progress.stop();
      await store.close();
    }
    if (errorsIn(findings) > 0) {
      throw new CliError(
        "CHECK_FAILED",
        `${count(errorsIn(findings), "thing")} found wrong; each line above says what to do`,
      );
    }
  });
}

function errorsIn(findings: readonly Finding[]): number {
  return findings.filter(({ level }) => level === "error").length;
}

function print(output: Output, finding: Finding): void {
  if (output.json) {
    output.value(finding);
    return;
  }
  const { level, sessionId, message, remedy } = finding;
  const about = sessionId === undefined ? "" : `${cleanLine(sessionId)}: `;
  output.line(
    `${paint(level === "error" ? "red" : "yellow", level.padEnd(5))} ${about}${cleanLine(message)}`,
  );
  output.line(paint("dim", `      ${remedy}`));
}
