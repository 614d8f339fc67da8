/**
 * @module
 * Codex CLI rollouts: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`.
 *
 * Three shapes have been written: today's lines `{ timestamp, type, payload }`; before September 2025 the bare items, with
 * a header line `{ id, timestamp, instructions }`; and first of all one JSON document `{ session, items }`.
 *
 * What becomes of it:
 * - `response_item`: a message, see `codex-items.ts`.
 * - `compacted`: the summary that the model went on with, as a user message with `raw.type` `compacted`. What it replaced
 *   is there already.
 * - `session_meta`, `turn_context`: id, parent, agent and metadata. The system prompt in them is left out.
 * - `event_msg`: usage (the newest `token_count`) and the name of the thread. All others repeat for the screen what the
 *   items say; they are left out and counted in `metadata.otherLines`.
 *
 * @see https://github.com/openai/codex/blob/main/codex-rs/protocol/src/protocol.rs
 */
import type { Usage } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";
import { codexMessage } from "./codex-items.ts";
import { newCounts } from "./counts.ts";
import { type Fields, fieldsOf, idOf, listOf, pick, textOf, timeOf } from "./fields.ts";
import type { JsonLine } from "./lines.ts";
import { messageIds, tooLarge } from "./messages.ts";
import { sourceIdOf } from "./source-id.ts";
import type { DocumentReader, Found, ImportedMessage, ImportedSession, Origin } from "./types.ts";
import { openaiUsage } from "./usage.ts";

const WRAPPERS = new Set(["session_meta", "response_item", "event_msg", "turn_context", "compacted"]);
const BARE_ITEMS = new Set([
  "reasoning",
  "function_call",
  "function_call_output",
  "custom_tool_call",
  "custom_tool_call_output",
  "local_shell_call",
  "web_search_call",
]);
const ID_IN_NAME = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a line is one that Codex writes. */
export function isCodexLine(value: unknown): boolean {
  const line = fieldsOf(value);
  if (typeof line.type !== "string") return isBareHeader(line) || line.record_type === "state";
  if (isPlainObject(line.payload)) return WRAPPERS.has(line.type);
  if (line.type === "message") {
    return listOf(line.content).some((part) => /^(input|output)_/.test(textOf(fieldsOf(part).type) ?? ""));
  }
  return BARE_ITEMS.has(line.type);
}

/** The document that the first versions of Codex wrote. */
export const codexDocument: DocumentReader = {
  format: "codex",
  matches: (document) => isPlainObject(fieldsOf(document).session) && Array.isArray(fieldsOf(document).items),
  *read(document, origin) {
    const { session, items } = fieldsOf(document);
    const rollout = newRollout(origin);
    rollout.header(fieldsOf(session));
    for (const [index, item] of listOf(items).entries()) {
      if (!rollout.item(fieldsOf(item), undefined))
        yield { problem: `item ${index + 1} is no part of a conversation; it was left out` };
    }
    yield { session: rollout.session() };
  },
};

/** The session of a rollout. */
export async function* readCodex(lines: AsyncIterable<JsonLine>, origin: Origin): AsyncGenerator<Found> {
  const rollout = newRollout(origin);
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
    bytes += found.bytes;
    if (bytes > origin.limits.sessionBytes) return yield tooLarge(origin);
    if (!rollout.line(found.value)) {
      yield { problem: "the line is no part of a Codex rollout; it was left out", line: found.line };
    }
  }
  yield { session: rollout.session() };
}

function newRollout(origin: Origin) {
  const newId = messageIds();
  const messages: ImportedMessage[] = [];
  const otherLines = newCounts();
  let meta: Fields | undefined;
  let model: string | undefined;
  let label: string | undefined;
  let usage: Partial<Usage> | undefined;

  const count = (type: unknown): true => {
    otherLines.add(type);
    return true;
  };
  const item = (value: Fields, at: number | undefined): boolean => {
    const message = codexMessage(value);
    if (!message) return textOf(value.type) !== undefined && value.type !== "message" && count(value.type);
    const id = newId(value.id);
    messages.push({ ...(id !== undefined && { id }), message, ...(at !== undefined && { at }) });
    return true;
  };
  const event = (payload: Fields): boolean => {
    if (payload.type === "thread_name_updated") label = textOf(payload.thread_name) ?? label;
    if (payload.type === "token_count") {
      usage = openaiUsage(fieldsOf(fieldsOf(payload.info).total_token_usage)) ?? usage;
    }
    return count("event_msg");
  };

  return {
    item,
    /** The rollout of a fork or a sub-agent repeats the header of its parent after its own. */
    header(fields: Fields): void {
      meta ??= fields;
    },
    /** Takes one line in; `false` where it is none of a rollout's. */
    line(value: Fields): boolean {
      const at = timeOf(value.timestamp);
      if (!isPlainObject(value.payload)) {
        if (isBareHeader(value)) {
          meta ??= value;
          return true;
        }
        if (value.record_type !== undefined) return count(value.record_type);
        return item(value, at);
      }
      const { payload } = value;
      switch (value.type) {
        case "session_meta":
          meta ??= payload;
          return true;
        case "response_item":
          return item(payload, at);
        case "turn_context":
          model = textOf(payload.model) ?? model;
          return count("turn_context");
        case "event_msg":
          return event(payload);
        case "compacted": {
          const summary = textOf(payload.message);
          if (summary === undefined) return count("compacted");
          const message = { role: "user", content: summary, raw: { type: "compacted" } };
          messages.push({ message, ...(at !== undefined && { at }) });
          return true;
        }
        default:
          return typeof value.type === "string" && count(value.type);
      }
    },
    session(): ImportedSession {
      const fields = meta ?? {};
      const git = fieldsOf(fields.git);
      const id = idOf(fields.id) ?? ID_IN_NAME.exec(origin.stem)?.[0] ?? origin.stem;
      const spawned = fieldsOf(fieldsOf(fieldsOf(fields.source).subagent).thread_spawn);
      const parentId =
        idOf(spawned.parent_thread_id) ?? idOf(fields.parent_thread_id) ?? idOf(fields.forked_from_id);
      const agent =
        idOf(fields.agent_role) ??
        idOf(spawned.agent_role) ??
        idOf(fields.agent_nickname) ??
        idOf(spawned.agent_nickname);
      const createdAt = timeOf(fields.timestamp) ?? messages[0]?.at;
      return {
        sourceId: sourceIdOf("codex", id),
        source: "codex",
        ...(parentId !== undefined && parentId !== id && { parentSourceId: sourceIdOf("codex", parentId) }),
        ...(label !== undefined && { label }),
        ...(agent !== undefined && { agent }),
        ...(createdAt !== undefined && { createdAt }),
        metadata: {
          sessionId: id,
          ...pick(fields, ["cwd", "originator", "cli_version", "model_provider"]),
          ...(typeof fields.source === "string" && { startedBy: fields.source }),
          ...(model !== undefined && { model }),
          ...pick(git, ["branch", "commit_hash", "repository_url"]),
          ...otherLines.asMetadata(),
        },
        ...(usage && { usage }),
        messages,
      };
    },
  };
}

function isBareHeader(line: Fields): boolean {
  return (
    typeof line.id === "string" &&
    typeof line.timestamp === "string" &&
    line.type === undefined &&
    line.role === undefined &&
    !Array.isArray(line.messages)
  );
}
