/**
 * @module
 * An agent as a tool of another. Each call runs in a child session of the caller's: a log of its own, found from its
 * parent, and by the call after a crash.
 */
import { createHash } from "node:crypto";
import { jsonSchema } from "ai";
import { HoldfastError } from "../log/errors.ts";
import { NO_USAGE } from "../log/record.ts";
import { storedAs } from "../session/typed.ts";
import type { Message, Session, Sessions } from "../session/types.ts";
import { promptMessages, textOf } from "./messages.ts";
import type { RunRequest } from "./run.ts";
import { withEffects } from "./tools.ts";
import type { Agent, AgentResult, AgentTools, ToolRun } from "./types.ts";

/** Runs an agent in a session of its caller's, which is one of `sessions`. */
type Perform<D extends object> = (
  session: Session<Message, D>,
  sessions: Sessions<Message, D>,
  occasion: RunRequest<D>["occasion"],
  options: RunRequest<D>["options"],
) => Promise<AgentResult<D>>;

const PROMPT = jsonSchema<{ prompt: string }>({
  type: "object",
  properties: {
    prompt: { type: "string", description: "What it is to do, with all that it needs to know." },
  },
  required: ["prompt"],
  additionalProperties: false,
});

/**
 * The tool. What the child spent is added to its parent's usage with its result, once; where the child fails or is
 * aborted, with the error. Before and after each call the parent gets a checkpoint.
 */
export function subAgentTool<D extends object>(
  agent: Agent<D>,
  description: string,
  perform: Perform<D>,
): AgentTools[string] {
  const { name } = agent;

  function execute(input: { prompt: string }, run: ToolRun) {
    const paid: { child?: Session } = {};
    return withEffects(work(input, run, paid), {
      // Given up, it has cost what it has cost by then.
      get usage() {
        return paid.child?.usage ?? NO_USAGE;
      },
    });
  }

  async function work({ prompt }: { prompt: string }, run: ToolRun, paid: { child?: Session }) {
    const { session: parent, sessions, toolCallId, abortSignal: signal } = run;
    const options = signal ? { signal } : {};
    if (!parent || !sessions) {
      const { text, usage } = await agent.run(prompt, options);
      return withEffects({ text }, { usage });
    }
    const id = childId(name, parent.id, toolCallId);
    const [child] = await Promise.all([
      openChild(parent, sessions, id, name),
      parent.checkpoint(`before ${name} ${toolCallId}`),
    ]);
    paid.child = child;
    const spent = () => ({ usage: child.usage });
    try {
      const text = await answerOf(child, sessions, prompt, options);
      return withEffects(
        { text, sessionId: id },
        {
          ...spent(),
          changes: (session) => [
            session.checkpoint(`after ${name} ${toolCallId}`, { metadata: { childId: id } }),
          ],
        },
      );
    } catch (error) {
      throw withEffects(error instanceof Error ? error : new Error(String(error)), spent());
    }
  }

  /** Runs the child, goes on with what a crash left of it, or finds what it answered before one. */
  async function answerOf(
    child: Session,
    sessions: Sessions,
    prompt: string,
    options: { readonly signal?: AbortSignal },
  ): Promise<string> {
    const [last] = await child.messages({ last: 1 });
    if (!child.record.turn && last?.role === "assistant") return textOf(last);
    const occasion: RunRequest<D>["occasion"] = child.record.turn
      ? { kind: "resume" }
      : { kind: "prompt", messages: promptMessages(prompt) };
    const { text, approvals } = await perform(
      storedAs<Session<Message, D>>(child),
      storedAs<Sessions<Message, D>>(sessions),
      occasion,
      options,
    );
    if (approvals.length === 0) return text;
    const waits = approvals.map(({ toolName }) => toolName).join(", ");
    throw new Error(`${name} waits for approval of ${waits} in its session ${child.id}`);
  }

  return {
    description,
    inputSchema: PROMPT,
    // Its own log says what it has done already.
    idempotent: true,
    execute,
  };
}

async function openChild(parent: Session, sessions: Sessions, id: string, agent: string): Promise<Session> {
  try {
    return await parent.spawn({
      id,
      agent,
      label: `${agent} for ${parent.label ?? parent.id}`.slice(0, 200),
    });
  } catch (error) {
    if (!HoldfastError.is(error, "SESSION_EXISTS")) throw error;
    return sessions.open(id);
  }
}

/** The same for the same call, so that a call that is run again after a crash finds its child. */
function childId(agent: string, parentId: string, toolCallId: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([parentId, toolCallId]))
    .digest("base64url");
  return `${agent}-${hash.slice(0, 22)}`;
}
