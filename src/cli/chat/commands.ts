/**
 * @module
 * What may be typed in place of a prompt: commands, with a slash.
 */
import type { Prompt } from "../../agent/index.ts";
import { createSessionId } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import { storedAs } from "../../session/typed.ts";
import { cleanLine } from "../clean.ts";
import { showTree } from "../commands/tree.ts";
import { usageError } from "../failure.ts";
import { count, relativeTime } from "../format.ts";
import { knownIds, resolveRecord, shortIds } from "../ids.ts";
import { newestMessages } from "../newest-messages.ts";
import type { Output } from "../output.ts";
import { paint } from "../style.ts";
import { table, truncate } from "../table.ts";
import { messageLine, transcriptPrinter } from "../transcript-text.ts";
import type { Conversation } from "./conversation.ts";
import { nearest } from "./nearest.ts";
import { rewindExchanges } from "./rewind-exchanges.ts";

interface ChatCommand {
  readonly usage: string;
  readonly about: string;
  run(chat: Conversation, argument: string): Promise<void>;
}

const MOST_SESSIONS = 20;
const QUOTE_WIDTH = 60;

const COMMANDS: ReadonlyMap<string, ChatCommand> = new Map([
  ["fork", { usage: "/fork [label]", about: "go on in a fork; this session stays as it is", run: fork }],
  ["rewind", { usage: "/rewind [n]", about: "take back the last n exchanges (1)", run: rewind }],
  ["retry", { usage: "/retry", about: "take the last exchange back and say the same again", run: retry }],
  ["tree", { usage: "/tree", about: "this session with its forks", run: tree }],
  ["label", { usage: "/label TEXT", about: "name this session", run: label }],
  ["history", { usage: "/history [n]", about: "the conversation, or its newest n messages", run: history }],
  ["sessions", { usage: "/sessions", about: "the newest sessions", run: list }],
  ["open", { usage: "/open ID", about: "go to another session, by its id or its beginning", run: open }],
  ["new", { usage: "/new", about: "begin a new session", run: begin }],
  ["help", { usage: "/help", about: "this list", run: help }],
  ["quit", { usage: "/quit", about: "leave, as Ctrl-D does", run: async () => undefined }],
]);

/**
 * Runs the command that `line` is.
 *
 * @returns whether to leave.
 * @throws INVALID_ARGUMENT where there is no such command, and whatever the command fails with.
 */
export async function runChatCommand(chat: Conversation, line: string): Promise<"leave" | "stay"> {
  const [, name = "", argument = ""] = /^\/(\S*)\s*([\s\S]*)$/.exec(line.trim()) ?? [];
  const command = COMMANDS.get(name);
  if (!command) {
    const meant = nearest(name, [...COMMANDS.keys()]);
    throw usageError(
      `there is no command /${cleanLine(name)}; did you mean /${meant}? /help lists them all (// begins a message with a slash)`,
    );
  }
  await command.run(chat, argument.trim());
  return name === "quit" ? "leave" : "stay";
}

async function fork(chat: Conversation, label: string): Promise<void> {
  const parent = await chat.session();
  const made = await parent.fork(label === "" ? {} : { label });
  const { messageCount } = made.record;
  chat.goTo(made.id);
  report(chat.output, { type: "forked", from: parent.id, sessionId: made.id, messageCount }, [
    `forked ${paint("yellow", cleanLine(parent.id))}`,
    `now in ${paint("yellow", cleanLine(made.id))}, which inherits ${count(messageCount, "message")}`,
  ]);
}

async function rewind(chat: Conversation, argument: string): Promise<void> {
  const wanted = amountIn(argument, "/rewind") ?? 1;
  const session = await chat.session();
  const rewound = await rewindExchanges(session, wanted);
  if (!rewound) throw usageError("there is nothing to take back: you have said nothing in this session");
  const { exchanges, prompt } = rewound;
  const { messageCount } = session.record;
  const said = truncate(messageLine(prompt), QUOTE_WIDTH);
  report(chat.output, { type: "rewound", exchanges, messageCount }, [
    `took back ${count(exchanges, "exchange")}, from “${said}” on; ${count(messageCount, "message")} left`,
  ]);
}

async function retry(chat: Conversation): Promise<void> {
  const rewound = await rewindExchanges(await chat.session(), 1);
  if (!rewound) throw usageError("there is nothing to ask again: you have said nothing in this session");
  await chat.say(promptIn(rewound.prompt));
}

/** What the user said; the agent checks it as it does any prompt. */
function promptIn({ content }: StoredObject): Prompt {
  return typeof content === "string" ? content : storedAs<Prompt>([{ role: "user", content }]);
}

async function tree(chat: Conversation): Promise<void> {
  const { record } = await chat.session();
  const { output } = chat;
  await showTree({ ...output, value: (node) => output.value({ type: "tree", node }) }, chat.store, record);
}

async function label(chat: Conversation, text: string): Promise<void> {
  if (text === "") throw usageError("/label needs a text: /label Flight to Lisbon");
  const session = await chat.session();
  await session.rename(text);
  report(chat.output, { type: "labelled", label: text }, [`this session is now “${cleanLine(text)}”`]);
}

async function history(chat: Conversation, argument: string): Promise<void> {
  const { output } = chat;
  const wanted = amountIn(argument, "/history");
  const session = await chat.session();
  const printer = transcriptPrinter();
  for await (const message of wanted === undefined
    ? session.stream()
    : await newestMessages(session, wanted)) {
    if (output.json) output.value({ type: "message", ...message });
    else output.line(`${printer.lines({ at: message.at, message: message.message }).join("\n")}\n`);
    await output.drained();
  }
}

async function list(chat: Conversation): Promise<void> {
  const { items } = await chat.sessions.list({ limit: MOST_SESSIONS });
  if (chat.output.json) {
    for (const record of items) chat.output.value({ type: "listed", record });
    return;
  }
  const ids = shortIds(
    items.map(({ id }) => id),
    await knownIds(chat.sessions),
  );
  const rows = items.map((record) => [
    record.id === chat.id ? "*" : "",
    cleanLine(ids.get(record.id) ?? record.id),
    cleanLine(record.label ?? ""),
    String(record.messageCount),
    relativeTime(record.updatedAt),
  ]);
  const columns = [
    { title: "" },
    { title: "ID" },
    { title: "LABEL", shrinks: true },
    { title: "MESSAGES", align: "right" as const },
    { title: "UPDATED" },
  ];
  const lines = table(columns, rows, (text, column) =>
    column < 2 ? paint("yellow", text) : column === 4 ? paint("dim", text) : text,
  );
  for (const line of items.length === 0 ? ["no sessions yet"] : lines) chat.output.line(line);
}

async function open(chat: Conversation, given: string): Promise<void> {
  if (given === "")
    throw usageError("/open needs the id of a session, or its beginning; /sessions lists them");
  const record = await resolveRecord(chat.sessions, given);
  const name = record.label === undefined ? "" : `  ${cleanLine(record.label)}`;
  chat.output.note(`now in ${paint("yellow", cleanLine(record.id))}${name}`);
  await chat.enter(record);
}

async function begin(chat: Conversation): Promise<void> {
  chat.goTo(createSessionId());
  report(chat.output, { type: "session", sessionId: chat.id, isNew: true, messageCount: 0 }, [
    `now in ${paint("yellow", chat.id)}, which is new`,
  ]);
}

async function help(chat: Conversation): Promise<void> {
  const width = Math.max(...[...COMMANDS.values()].map(({ usage }) => usage.length));
  const commands = [...COMMANDS.values()].map(({ usage, about }) => ({ usage, about }));
  const keys = [
    "Ctrl-C stops an answer; what had come is kept. At the prompt, twice, it leaves.",
    "A \\ at the end of a line goes on in the next. // begins a message with a slash.",
  ];
  report(chat.output, { type: "help", commands }, [
    ...commands.map(({ usage, about }) => `${usage.padEnd(width)}  ${paint("dim", about)}`),
    ...keys,
  ]);
}

function report(output: Output, event: object, lines: readonly string[]): void {
  if (output.json) output.value(event);
  else for (const line of lines) output.line(line);
}

function amountIn(argument: string, command: string): number | undefined {
  if (argument === "") return undefined;
  const amount = Number(argument);
  if (/^\d+$/.test(argument) && Number.isSafeInteger(amount) && amount > 0) return amount;
  throw usageError(`${command} takes a whole number of at least 1, not ${JSON.stringify(argument)}`);
}
