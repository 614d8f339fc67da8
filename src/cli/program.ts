/**
 * @module
 * The program: its global options, its commands, and how it ends.
 */
import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { registerCommands } from "./commands/index.ts";
import { EXIT } from "./failure.ts";
import { EXIT_CODES } from "./help.ts";
import { endWhenUnread, printFailure } from "./output.ts";
import { DEFAULT_STORE } from "./store-place.ts";

function createProgram(): Command {
  const program = new Command("holdfast")
    .description("Keeps, shows, forks, moves and checks the sessions of AI agents.")
    .version(packageJson.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .option(
      "--store <url>",
      `which store: sqlite:FILE or file:FOLDER (default: $HOLDFAST_STORE, else ${DEFAULT_STORE})`,
    )
    .option("--namespace <name>", "a namespace of the store (default: its root)")
    .option("--json", "print one line of JSON a result, and errors as JSON")
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    // What is wrong is printed in one place, by `printFailure`.
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .addHelpText("after", EXIT_CODES);
  registerCommands(program);
  return program;
}

/** Runs the command that `argv` names, and sets the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  endWhenUnread();
  try {
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    // No command at all: its help has been printed on stderr.
    if (error instanceof CommanderError && error.code === "commander.help") process.exitCode = EXIT.usage;
    else process.exitCode = printFailure(error, argv.includes("--json"));
  }
}
