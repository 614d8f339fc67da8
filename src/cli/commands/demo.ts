/**
 * @module
 * `holdfast demo`: a conversation that survives being killed.
 */
import type { Command } from "commander";
import { Option } from "commander";
import { outputOf } from "../context.ts";
import { usageError } from "../failure.ts";
import { examples } from "../help.ts";

interface DemoOptions {
  readonly transcripts?: string;
}

interface WorkerOptions {
  readonly store?: string;
  readonly session: string;
  readonly owner: string;
}

export function registerDemo(program: Command): void {
  const command = program
    .command("demo")
    .summary("see a conversation survive a SIGKILL, in seconds")
    .description(
      "Runs an agent in a process of its own, kills it in the middle of a turn, resumes it in another, forks the conversation, and checks each thing that it claims. No network, no key: the model is a small offline one that answers only from the history that it is sent.",
    )
    .addOption(
      new Option("--transcripts <folder>", "also import these transcripts and search them").env(
        "HOLDFAST_TRANSCRIPTS",
      ),
    );
  examples(command, [["holdfast demo", "takes a few seconds"]]).action(
    async (options: DemoOptions, self: Command) => {
      const { runDemo } = await import("../demo/demo.ts");
      await runDemo(outputOf(self), options.transcripts);
    },
  );

  program
    .command("demo-worker", { hidden: true })
    .requiredOption("--session <id>")
    .requiredOption("--owner <name>")
    .action(async (_options: object, self: Command) => {
      const { store, session, owner } = self.optsWithGlobals<WorkerOptions>();
      if (store === undefined) throw usageError("this command is for `holdfast demo` only");
      const { runWorker } = await import("../demo/worker.ts");
      await runWorker(store, session, owner);
    });
}
