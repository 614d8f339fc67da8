/**
 * @module
 * The chat from its first line to its last.
 */
import type { Agent } from "../../agent/index.ts";
import { createAgent } from "../../agent/index.ts";
import type { Message, SessionRecord, Sessions } from "../../index.ts";
import { createSessionId } from "../../index.ts";
import { checkId } from "../../log/values.ts";
import { storedAs } from "../../session/typed.ts";
import { cleanLine } from "../clean.ts";
import type { ChatOptions } from "../commands/chat.ts";
import type { AnySessions, StoreContext } from "../context.ts";
import { EXIT } from "../failure.ts";
import { resolveRecord } from "../ids.ts";
import { howToRun } from "../self.ts";
import { DEFAULT_STORE } from "../store-place.ts";
import { paintError } from "../style.ts";
import type { ChatModel } from "./choose-model.ts";
import { chooseModel } from "./choose-model.ts";
import { runChatCommand } from "./commands.ts";
import type { Conversation } from "./conversation.ts";
import { createConversation } from "./conversation.ts";
import { lineInput } from "./line-input.ts";
import { chatTools } from "./tools.ts";
import { chatView } from "./view.ts";

const AGENT = "chat";
/** Short: after a crash, nobody waits long for the lease of the process that died. */
const LEASE_MS = 15_000;
const TURN_WAIT_MS = 20_000;
/** Whoever waits for an answer would rather be told; /retry is theirs. */
const MAX_RETRIES = 1;
const PROMPT = "> ";
const NEXT_LINE_PROMPT = "… ";

/** Talks until the input ends or whoever types leaves. Exit code 1 where a turn of piped input failed. */
export async function runChat(context: StoreContext, options: ChatOptions): Promise<void> {
  // Its warnings would come in the middle of an answer.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const { output, store } = context;
  const userId = options.user;
  const sessions = userId === undefined ? context.sessions : context.sessions.forUser(userId);
  const { id, record } = await sessionFor(sessions, options);
  const input = lineInput();
  try {
    const model = await chooseModel(options, input.isTerminal);
    const chat = createConversation(
      {
        output,
        store,
        sessions,
        userId,
        agent: chatAgent(context.sessions, model, options.system),
        server: model.server,
        input,
        view: chatView(output, input.isTerminal),
      },
      id,
    );
    greet(chat, model, context.url, record);
    if (record) await chat.enter(record);
    else if (output.json) output.value({ type: "session", sessionId: id, isNew: true, messageCount: 0 });
    await converse(chat);
    if (input.isTerminal) output.note(paintError("dim", `come back: ${comeBack(context.url, chat.id)}`));
    if (!chat.isWell && !input.isTerminal) process.exitCode ??= EXIT.failure;
  } finally {
    input.close();
  }
}

function chatAgent(sessions: AnySessions, { model }: ChatModel, system: string | undefined): Agent {
  return createAgent({
    name: AGENT,
    model,
    tools: chatTools,
    // Where a session holds messages of another shape, the agent says so before it sends them.
    sessions: storedAs<Sessions<Message>>(sessions),
    leaseMs: LEASE_MS,
    turnWaitMs: TURN_WAIT_MS,
    settings: { maxRetries: MAX_RETRIES },
    ...(system !== undefined && { instructions: system }),
  });
}

/** The session to go on with, or the id of one to be made. */
async function sessionFor(
  sessions: AnySessions,
  options: ChatOptions,
): Promise<{ readonly id: string; readonly record?: SessionRecord }> {
  const { session: given, new: isNew } = options;
  if (given === undefined) return { id: createSessionId() };
  const record = isNew
    ? await sessions.find(checkId(given, "id of a session"))
    : await resolveRecord(sessions, given);
  return { id: record?.id ?? given, ...(record && { record }) };
}

function greet(
  { output, input, id }: Conversation,
  { about, isOffline }: ChatModel,
  url: string,
  record: SessionRecord | undefined,
): void {
  const name = record?.label === undefined ? "" : `  ${cleanLine(record.label)}`;
  const messages = record ? `, ${record.messageCount} messages so far` : "";
  output.note(`${paintError("bold", "holdfast chat")}  ${about}`);
  output.note(`session ${paintError("yellow", cleanLine(id))}${name}${paintError("dim", messages)}`);
  output.note(paintError("dim", `come back: ${comeBack(url, id)}`));
  if (!input.isTerminal) return;
  const tools = isOffline ? ", `use get_time` has this model use a tool" : "";
  output.note(paintError("dim", `/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves${tools}`));
  output.note("");
}

async function converse(chat: Conversation): Promise<void> {
  for (;;) {
    const line = await nextPrompt(chat);
    if (line === undefined) return;
    if (line.trim() === "") continue;
    if (!line.startsWith("/") || line.startsWith("//")) {
      await said(chat, line.replace(/^\/\//, "/"));
      continue;
    }
    try {
      if ((await runChatCommand(chat, line)) === "leave") return;
    } catch (error) {
      chat.complain(error);
    }
  }
}

/** A failure outside the turn, such as of a store that can't be read, ends the exchange and not the chat. */
async function said(chat: Conversation, text: string): Promise<void> {
  try {
    await chat.say(text);
  } catch (error) {
    chat.complain(error);
  }
  if (chat.input.isTerminal) chat.output.note("");
}

/** What is typed, a line that ends with a backslash together with the next. */
async function nextPrompt({ input }: Conversation): Promise<string | undefined> {
  let text = "";
  for (let prompt = PROMPT; ; prompt = NEXT_LINE_PROMPT) {
    const line = await input.next(paintError(["bold", "cyan"], prompt));
    if (line === undefined || !input.isTerminal || !line.endsWith("\\"))
      return line === undefined ? undefined : text + line;
    text += `${line.slice(0, -1)}\n`;
  }
}

/** The command that goes on with this session. */
function comeBack(url: string, id: string): string {
  const isDefault = url === DEFAULT_STORE || url === process.env.HOLDFAST_STORE;
  // The URL of a server may hold a password.
  const store = isDefault ? "" : `--store ${/^(sqlite|file):/.test(url) ? quoted(url) : "…"} `;
  return `${howToRun()} ${store}chat --session ${quoted(cleanLine(id))}`;
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
