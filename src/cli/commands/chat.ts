/**
 * @module
 * `holdfast chat`: a conversation in the terminal that outlives it.
 */
import type { Command } from "commander";
import { loadPackage } from "../chat/optional-package.ts";
import { withStore } from "../context.ts";
import { usageError } from "../failure.ts";
import { examples } from "../help.ts";

export interface ChatOptions {
  readonly session?: string;
  readonly new?: boolean;
  readonly model?: string;
  readonly baseUrl?: string;
  readonly apiKeyEnv: string;
  readonly user?: string;
  readonly system?: string;
}

export function registerChat(program: Command): void {
  const command = program
    .command("chat")
    .summary("talk to a model; the conversation outlives the terminal")
    .description(
      "A conversation with a model, kept in the store as it goes. Without --model it is a small offline model that answers from the history that it is sent. Where stdin is no terminal, each line is a prompt.",
    )
    .option("--session <id>", "go on with this session: its id, or its beginning")
    .option("--new", "with --session: make it, by just that id, where there is none")
    .option("--model <name>", "the model; without --base-url an id of the AI SDK's gateway")
    .option("--base-url <url>", "where the model is served, by OpenAI's protocol")
    .option("--api-key-env <variable>", "the environment variable that holds the key", "OPENAI_API_KEY")
    .option("--user <id>", "whose session it is")
    .option("--system <text>", "the system prompt; it is sent and never stored");
  examples(command, [
    ["holdfast chat", "try it: offline, no key"],
    ["holdfast chat --session 019a3f", "go on where you left"],
    ["holdfast chat --base-url http://localhost:11434/v1 --model llama3.2", "a model of your own"],
    ["holdfast chat --base-url https://api.openai.com/v1 --model gpt-5", "the key is $OPENAI_API_KEY"],
    ['echo "My name is Alice." | holdfast chat --session alice --new', "from a script"],
  ]).action(async (options: ChatOptions, self: Command) => {
    if (options.new && options.session === undefined)
      throw usageError("--new goes with --session ID; without --session the session is new anyway");
    const { runChat } = await loadPackage("ai", "`holdfast chat`", () => import("../chat/run-chat.ts"));
    const mustExist = options.session !== undefined && !options.new;
    await withStore(self, mustExist ? "existing" : "create", (context) => runChat(context, options));
  });
}
