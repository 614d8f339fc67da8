/**
 * @module
 * One conversation with an agent: runs that need not name their session.
 */
import type { ModelMessage } from "ai";
import { invalidArgument } from "../log/errors.ts";
import type { Message, Session } from "../session/types.ts";
import type { Channel } from "./events.ts";
import { channel, eventsOf } from "./events.ts";
import { promptMessages } from "./messages.ts";
import type { Agent, AgentEvent, AgentResult, Chat, ChatRunOptions } from "./types.ts";

export type RunPrompt<D extends object> = (
  messages: readonly ModelMessage[],
  options: ChatRunOptions<D>,
  /** Called once the prompt is committed. */
  onStarted?: () => void,
) => Promise<AgentResult<D>>;

interface Sent<D extends object> {
  readonly events: Channel<AgentEvent<D>>;
  /** Resolves once the turn is over, with its failure where it failed. */
  readonly over: Promise<{ readonly error?: unknown }>;
  isReceived: boolean;
}

export function createChat<D extends object>(
  agent: Agent<D>,
  session: Session<Message, D>,
  defaults: ChatRunOptions<D> & { readonly userId?: string | undefined },
  runPrompt: RunPrompt<D>,
): Chat<D> {
  let sent: Sent<D> | undefined;
  const { data, metadata, ...kept } = defaults;

  const chat: Chat<D> = {
    session,
    run: async (prompt, options) => runPrompt(promptMessages(prompt), { ...kept, ...options }),
    stream: (prompt, options = {}) =>
      eventsOf((push, left) =>
        chat.run(prompt, {
          ...options,
          signal: options.signal ? AbortSignal.any([options.signal, left]) : left,
          onEvent(event) {
            options.onEvent?.(event);
            push(event);
          },
        }),
      ),
    async send(prompt, options = {}) {
      const messages = promptMessages(prompt);
      const events = channel<AgentEvent<D>>();
      const started = Promise.withResolvers<void>();
      const running = runPrompt(
        messages,
        {
          ...kept,
          ...options,
          onEvent(event) {
            options.onEvent?.(event);
            events.push(event);
          },
        },
        started.resolve,
      );
      // Whoever receives gets the failure; before the start it is the sender's.
      const over = running.then(
        () => {
          events.end();
          return {};
        },
        (error: unknown) => {
          events.fail(error);
          started.reject(error);
          return { error };
        },
      );
      await started.promise;
      sent = { events, over, isReceived: false };
    },
    receive() {
      if (!sent || sent.isReceived)
        throw invalidArgument(
          `nothing was sent to session ${JSON.stringify(session.id)}; call send first`,
          session.id,
        );
      sent.isReceived = true;
      return sent.events.items;
    },
    resume: (options) => agent.resume(session.id, { ...kept, ...options }),
    approve: (answer, options) => agent.approve(session.id, answer, { ...kept, ...options }),
    async close() {
      const end = await sent?.over;
      await session.close();
      // A failure that nobody received is not for nobody.
      if (end && "error" in end && !sent?.isReceived) throw end.error;
    },
  };
  return chat;
}
