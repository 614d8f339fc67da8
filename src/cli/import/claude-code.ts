/**
 * @module
 * Claude Code transcripts: `~/.claude/projects/<project>/<session>.jsonl`, and those of its sub-agents beside them
 * (`agent-<id>.jsonl`) or below (`<session>/subagents/agent-<id>.jsonl`).
 *
 * What becomes of it:
 * - `user` and `assistant` lines: their `message`, as given. Its id is the line's `uuid`, its time the `timestamp`.
 * - Claude Code writes an answer of several content blocks as several lines with the same `message.id`. They become one
 *   message again, as the API sent it: the blocks in order, the last line's `usage` and `stop_reason`.
 * - A line whose `uuid` was there before is passed over.
 * - Side chains (sub-agents) become sessions of their own, children of the session that started them.
 * - The label is the name that the user gave, else the one that was generated, else the `summary`.
 * - All other lines (system notices, progress, file snapshots) were never part of what the model saw. They are left out
 *   and counted in `metadata.otherLines`.
 *
 * A session in which the user went back and asked again holds both branches, in the order in which they were written.
 *
 * @see https://code.claude.com/docs/en/sub-agents
 */
import { dirname, join } from "node:path";
import { isPlainObject } from "../../log/values.ts";
import { type ClaudeAgents, claudeAgents } from "./claude-agents.ts";
import { type ClaudeConversation, claudeConversation } from "./claude-conversation.ts";
import { type ClaudeTitle, claudeTitle } from "./claude-title.ts";
import { type Counts, newCounts } from "./counts.ts";
import { type Fields, fieldsOf, pick, textOf, timeOf } from "./fields.ts";
import type { JsonLine } from "./lines.ts";
import { isMessage, tooLarge } from "./messages.ts";
import { isPlainName, readSidecar } from "./sidecar.ts";
import { sourceIdOf } from "./source-id.ts";
import type { Found, ImportedSession, Origin } from "./types.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a line is one that Claude Code writes. */
export function isClaudeLine(value: unknown): boolean {
  const line = fieldsOf(value);
  if (line.type === "user" || line.type === "assistant") return isPlainObject(line.message);
  if (line.type === "summary") return typeof line.summary === "string";
  if (line.type === "file-history-snapshot") return true;
  return typeof line.type === "string" && typeof line.sessionId === "string";
}

/** The session of a transcript, then its side chains. */
export async function* readClaudeCode(lines: AsyncIterable<JsonLine>, origin: Origin): AsyncGenerator<Found> {
  const transcript = yield* gather(lines, origin);
  if (!transcript) return yield tooLarge(origin);
  const { main, sideChains } = transcript;
  const sessionId = sessionIdOf(transcript.opening, origin, main === undefined && sideChains.size > 0);
  if (main || sideChains.size === 0) yield mainSession(transcript, sessionId, origin);

  const { fields: notes, problem } = await readSidecar(origin);
  if (problem !== undefined) yield { problem };
  for (const [chain, conversation] of sideChains) {
    const started = transcript.agents.startedWith(conversation.messages[0]?.message);
    const agent = textOf(notes.agentType) ?? started?.agent;
    const label = textOf(notes.description) ?? started?.label;
    yield {
      session: {
        ...sessionOf(conversation, sourceIdOf("claude-code", sessionId, chain)),
        parentSourceId: sourceIdOf("claude-code", sessionId),
        ...(agent !== undefined && { agent }),
        ...(label !== undefined && { label }),
        metadata: { sessionId, ...metadataOf(conversation) },
      },
      parentFiles: parentFiles(origin, sessionId),
    };
  }
}

/** What all lines of a transcript say. `opening` is the first that names its session. */
interface Transcript {
  main?: ClaudeConversation;
  opening: Fields;
  readonly sideChains: Map<string, ClaudeConversation>;
  readonly uuids: Set<string>;
  readonly title: ClaudeTitle;
  readonly agents: ClaudeAgents;
  readonly otherLines: Counts;
}

/** Takes in all lines; `undefined` where they are more than may be held. */
async function* gather(
  lines: AsyncIterable<JsonLine>,
  origin: Origin,
): AsyncGenerator<Found, Transcript | undefined> {
  const transcript: Transcript = {
    opening: {},
    sideChains: new Map(),
    uuids: new Set(),
    title: claudeTitle(),
    agents: claudeAgents(),
    otherLines: newCounts(),
  };
  const { sideChains, uuids, title } = transcript;
  /** The side chain that a line belongs to, by its uuid. */
  const chainOf = new Map<string, string>();
  let bytes = 0;

  for await (const found of lines) {
    if ("problem" in found) {
      yield found;
      continue;
    }
    if (!isPlainObject(found.value)) {
      yield { problem: "the line is not an object; it was left out", line: found.line };
      continue;
    }
    const line: Fields = found.value;
    if (transcript.opening.sessionId === undefined && textOf(line.sessionId)) transcript.opening = line;
    title.note(line);
    if (line.type !== "user" && line.type !== "assistant") {
      if (!title.isTitle(line)) transcript.otherLines.add(line.type);
      continue;
    }
    if (!isMessage(line.message)) {
      const problem = `the ${line.type} line holds no message with a role; it was left out`;
      yield { problem, line: found.line };
      continue;
    }
    const uuid = textOf(line.uuid);
    if (uuid !== undefined && uuids.has(uuid)) continue;
    if (uuid !== undefined) uuids.add(uuid);
    bytes += found.bytes;
    if (bytes > origin.limits.sessionBytes) return undefined;

    const ofAgentFile = origin.stem.startsWith("agent-") && textOf(line.agentId) !== undefined;
    if (line.isSidechain !== true && !ofAgentFile) {
      transcript.main ??= claudeConversation(line);
      transcript.main.add(line, line.message);
      transcript.agents.note(line.message);
      continue;
    }
    const before = chainOf.get(textOf(line.parentUuid) ?? "");
    const chain = textOf(line.agentId) ?? before ?? uuid ?? `line ${found.line}`;
    if (uuid !== undefined) chainOf.set(uuid, chain);
    const conversation = sideChains.get(chain) ?? claudeConversation(line);
    sideChains.set(chain, conversation);
    conversation.add(line, line.message);
  }
  return transcript;
}

function mainSession(transcript: Transcript, sessionId: string, origin: Origin): Found {
  const conversation = transcript.main ?? claudeConversation(transcript.opening);
  const forkedFrom = textOf(fieldsOf(conversation.first.forkedFrom).sessionId);
  const label = transcript.title.label(transcript.uuids);
  return {
    session: {
      ...sessionOf(conversation, sourceIdOf("claude-code", sessionId)),
      ...(forkedFrom !== undefined && { parentSourceId: sourceIdOf("claude-code", forkedFrom) }),
      ...(label !== undefined && { label }),
      metadata: { sessionId, ...metadataOf(conversation), ...transcript.otherLines.asMetadata() },
    },
    parentFiles: parentFiles(origin, forkedFrom),
  };
}

function sessionOf(conversation: ClaudeConversation, sourceId: string): Omit<ImportedSession, "metadata"> {
  const createdAt = timeOf(conversation.first.timestamp) ?? conversation.messages[0]?.at;
  const usage = conversation.usage();
  return {
    sourceId,
    source: "claude-code",
    ...(createdAt !== undefined && { createdAt }),
    ...(usage && { usage }),
    messages: conversation.messages,
  };
}

function metadataOf({ first, models }: ClaudeConversation): Record<string, unknown> {
  return {
    ...pick(first, ["agentId", "cwd", "gitBranch", "version", "slug"]),
    ...(models.length > 0 && { models: [...models] }),
  };
}

/**
 * The session's id. Claude Code names the file by it; an older one copies the lines of the session that it continues, and
 * a sub-agent's file holds the id of its parent.
 */
function sessionIdOf(opening: Fields, { path, stem }: Origin, isAgent: boolean): string {
  const written = textOf(opening.sessionId);
  if (isAgent) return written ?? (/[\\/]([^\\/]+)[\\/]subagents[\\/][^\\/]+$/.exec(path)?.[1] || stem);
  return UUID.test(stem) ? stem : (written ?? stem);
}

function parentFiles({ path }: Origin, sessionId: string | undefined): string[] {
  if (sessionId === undefined || !isPlainName(sessionId)) return [];
  const folder = dirname(path);
  return [join(folder, `${sessionId}.jsonl`), join(folder, "..", "..", `${sessionId}.jsonl`)];
}
