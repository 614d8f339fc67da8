/**
 * @module
 * The session that a chat is on: turns of it, and going from one session to another.
 */
import type { Agent, AgentEvent, AgentResult, PendingApproval, Prompt } from "../../agent/index.ts";
import type { Session, SessionRecord } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import { encodeValue } from "../../log/values.ts";
import { cleanLine } from "../clean.ts";
import type { AnySessions, StoreContext } from "../context.ts";
import { failureOf, usageError } from "../failure.ts";
import { count, dateTime } from "../format.ts";
import { newestMessages } from "../newest-messages.ts";
import { paint, paintError } from "../style.ts";
import { transcriptPrinter } from "../transcript-text.ts";
import type { ModelServer } from "./choose-model.ts";
import type { LineInput } from "./line-input.ts";
import { turnFailure } from "./model-failure.ts";
import type { ChatFailure, ChatView } from "./view.ts";

export interface ChatSetting extends Pick<StoreContext, "output" | "store"> {
  /** The user's only, where one is named. */
  readonly sessions: AnySessions;
  readonly userId: string | undefined;
  readonly agent: Agent;
  readonly server: ModelServer;
  readonly input: LineInput;
  readonly view: ChatView;
}

export interface Conversation extends ChatSetting {
  /** Of a session that may not be there yet: it is made with its first message. */
  readonly id: string;
  /** Whether nothing has failed so far. */
  readonly isWell: boolean;
  /** Goes to a session that is there: tells how it stands, and goes on with what was left open in it. */
  enter(record: SessionRecord): Promise<void>;
  /** Goes to a session that is just made, or will be with its first message. */
  goTo(id: string): void;
  /** Says it and shows the answer. What goes wrong is shown; the chat goes on. */
  say(prompt: Prompt): Promise<void>;
  /** Shows what went wrong. */
  complain(error: unknown): void;
  /** @throws INVALID_ARGUMENT where nothing was said in it yet. */
  session(): Promise<Session<StoredObject>>;
}

type Work = (options: {
  readonly userId?: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: AgentEvent) => void;
}) => Promise<AgentResult>;

const SHOWN_ON_RESUME = 10;

export function createConversation(setting: ChatSetting, firstId: string): Conversation {
  const { output, sessions, agent, server, input, view, userId } = setting;
  let id = firstId;
  let isWell = true;

  const fail = (failure: ChatFailure): void => {
    isWell = false;
    view.failed(failure);
  };

  /** A turn, or what goes on with one. Answers with what it came to, unless it failed or was stopped. */
  async function turn(work: Work): Promise<AgentResult | undefined> {
    let hasText = false;
    const onEvent = (event: AgentEvent): void => {
      if (event.type === "step") hasText = false;
      if (event.type === "text") hasText = true;
      view.event(event);
    };
    return input.during(async (signal) => {
      try {
        return await work({ ...(userId !== undefined && { userId }), signal, onEvent });
      } catch (error) {
        if (signal.aborted) view.stopped(hasText);
        else fail(turnFailure(error, server, hasText));
        return undefined;
      }
    });
  }

  /** Asks for each call that waits, and goes on with the turn, which may ask again. */
  async function settle(first: readonly PendingApproval[]): Promise<void> {
    let waiting = first;
    while (waiting[0]) {
      const [{ toolCallId, toolName, input: given }] = [waiting[0]];
      const isApproved = await approves(`${cleanLine(toolName)} ${cleanLine(encodeValue(given))}`);
      if (isApproved === undefined) {
        output.note(
          paintError("dim", "the call waits on; /open asks again, and what you say goes on without it"),
        );
        return;
      }
      const result = await turn((options) =>
        agent.approve(id, { toolCallId, approved: isApproved }, options),
      );
      waiting = result?.approvals ?? [];
    }
  }

  /** `undefined`: whoever was asked did not say. */
  async function approves(call: string): Promise<boolean | undefined> {
    for (;;) {
      const question = `${paintError("yellow", `run ${call}?`)} [y/n] `;
      if (!input.isTerminal) output.note(question.trimEnd());
      const answer = await input.next(question);
      if (answer === undefined) return undefined;
      if (/^y(es)?$/i.test(answer.trim())) return true;
      if (/^no?$/i.test(answer.trim())) return false;
    }
  }

  async function showNewest(record: SessionRecord): Promise<void> {
    const session = await sessions.open(record.id);
    const shown = await newestMessages(session, SHOWN_ON_RESUME);
    const earlier = record.messageCount - shown.length;
    if (earlier > 0) output.line(paint("dim", `… ${count(earlier, "earlier message")}; /history shows them`));
    const printer = transcriptPrinter();
    for (const { at, message } of shown) output.line(`${printer.lines({ at, message }).join("\n")}\n`);
  }

  async function goOn({ turn: open }: SessionRecord): Promise<void> {
    if (!open) return;
    const waiting = await agent.approvals(id, userId === undefined ? {} : { userId });
    if (waiting.length > 0) return settle(waiting);
    if (isBusy(open.until)) return tellBusy(open);
    output.note(paintError("yellow", "the last turn was interrupted; going on with it"));
    const result = await turn((options) => agent.resume(id, options));
    await settle(result?.approvals ?? []);
  }

  function tellBusy({ owner, until }: NonNullable<SessionRecord["turn"]>): void {
    output.note(
      paintError(
        "yellow",
        `${cleanLine(owner)} is in a turn of this session, until ${dateTime(until)} unless it goes on; what you say waits for it`,
      ),
    );
  }

  return {
    ...setting,
    get id() {
      return id;
    },
    get isWell() {
      return isWell;
    },
    goTo(newId) {
      id = newId;
    },
    async enter(record) {
      const { messageCount } = record;
      ({ id } = record);
      if (output.json) output.value({ type: "session", sessionId: id, isNew: false, messageCount });
      else if (input.isTerminal) await showNewest(record);
      await goOn(record);
    },
    async say(prompt) {
      const open = (await sessions.find(id))?.turn;
      if (open && isBusy(open.until)) tellBusy(open);
      const result = await turn((options) => agent.run(prompt, { ...options, sessionId: id }));
      await settle(result?.approvals ?? []);
    },
    complain: (error) => fail(failureOf(error)),
    async session() {
      if (await sessions.find(id)) return sessions.open(id);
      throw usageError("nothing was said in this session yet: it begins with your first message");
    },
  };
}

function isBusy(until: number): boolean {
  return until > Date.now();
}
