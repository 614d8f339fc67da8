/**
 * @module
 * Sessions that come from others: forks, children, successors.
 */

import type { NewSession } from "../log/decide.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import { lineageAt } from "../log/lineage.ts";
import type { Conversation, SessionRecord } from "../log/record.ts";
import { conversationOf, EMPTY_CONVERSATION, isHeld } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { createLog } from "./create.ts";
import { migrated, needsMigration } from "./data.ts";
import type { History } from "./history.ts";
import { checkCount, checkLabel } from "./input.ts";
import { retention } from "./lazy.ts";
import { findMessage } from "./messages.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { recordOf } from "./runtime.ts";
import type { ForkOptions } from "./types.ts";
import type { Writer } from "./writer.ts";

/** Forks the session that `history` is of. Fails, leaving nothing, where the session is deleted meanwhile. */
export async function forkFrom(
  runtime: Runtime,
  history: History,
  options: ForkOptions,
  scope: Scope,
): Promise<Writer> {
  const parent = history.record;
  const at = await positionIn(history, options.at);
  const label = options.label === undefined ? parent.label : checkLabel(options.label);
  const userId = scope.userId ?? options.userId ?? parent.userId;
  const id = options.id === undefined ? runtime.generateId() : checkId(options.id, "session id");
  const writer = await createHeir(runtime, parent, at, {
    id,
    metadata: parent.metadata,
    dataVersion: parent.dataVersion,
    base: await conversationAt(runtime, history, at),
    ...inherited(runtime, parent),
    ...(userId !== undefined && { userId: checkId(userId, "user id") }),
    ...(label !== undefined && { label }),
  });
  runtime.events.emit("forked", { sessionId: id, record: recordOf(writer), parentId: parent.id });
  return writer;
}

/** Creates a session that inherits the history of `parent` up to `at`. */
async function createHeir(
  runtime: Runtime,
  parent: SessionRecord,
  at: number,
  session: Omit<NewSession, "namespace" | "kind">,
): Promise<Writer> {
  const { store } = runtime;
  const lineage = lineageAt(parent, at);
  const own = { kind: "fork", parentId: parent.id, lineage } as const;
  const writer = await createLog(runtime, { ...session, ...own });
  // A delete looks for forks after it has marked the session. Marked by now: it may have missed this one.
  const sources = lineage.filter((part) => !part.erased && part.id !== parent.id);
  const [now, ...found] = await store.find([parent.id, ...sources.map((part) => part.id)]);
  const isWhole = !found.includes(undefined);
  if (isWhole && now && now.status !== "deleted") return writer;
  const { collect, isKeptFor } = await retention();
  // One that was deleted before is there to stay only where it was kept for others.
  const isGone =
    now === undefined ||
    (now.status === "deleted" &&
      (parent.status !== "deleted" || !(await isKeptFor(runtime, parent.id, session.id))));
  if (isWhole && !isGone) return writer;
  await store.remove(session.id);
  // It may have been kept for this one.
  await collect(runtime, parent.id);
  const what = `session ${JSON.stringify(parent.id)}`;
  throw new HoldfastError(
    isGone ? "SESSION_DELETED" : "VERSION_CONFLICT",
    isGone
      ? `${what} was deleted while it was forked; there is no fork`
      : `a part of what ${what} inherits was erased while it was forked; there is no fork, try again`,
    { sessionId: parent.id, store: store.name, retryable: !isGone },
  );
}

async function positionIn(history: History, at: ForkOptions["at"]): Promise<number> {
  const { id, seq } = history.record;
  if (at === undefined) return seq;
  const position =
    typeof at === "object" ? (await findMessage(history, at.messageId)).seq : checkCount(at, "at", 1);
  if (position <= seq) return position;
  throw invalidArgument(
    `session ${JSON.stringify(id)} has no position ${position}; its newest is ${seq}`,
    id,
  );
}

/** The conversation as it was at a position, with its data in the shape that the session's data has now. */
export async function conversationAt(runtime: Runtime, history: History, seq: number): Promise<Conversation> {
  const past = await history.recordAt(seq);
  const { dataVersion, id } = history.record;
  const canMigrate = runtime.migrateData !== undefined && runtime.dataVersion === dataVersion;
  if (!needsMigration(past.dataVersion, dataVersion, canMigrate, id)) return conversationOf(past);
  const data = await migrated(runtime, past.data, past.dataVersion, id);
  return { ...conversationOf(past), data, dataVersion };
}

/** A child session: its parent's user, no messages, a log of its own. What holds its parent holds it. */
export async function spawnFrom(
  runtime: Runtime,
  parent: SessionRecord,
  options: { label?: string; agent?: string; id?: string },
): Promise<Writer> {
  const { id = runtime.generateId(), label, agent } = options;
  const { expiresAt } = parent;
  const hold = isHeld(parent, runtime.clock()) ? parent.hold : undefined;
  const { expiresAt: ends, ...own } = inherited(runtime, parent);
  const end = hold ? expiresAt : ends;
  const writer = await createLog(runtime, {
    id: checkId(id, "session id"),
    kind: "child",
    parentId: parent.id,
    dataVersion: runtime.dataVersion,
    ...own,
    ...(hold && { hold }),
    ...(end !== undefined && { expiresAt: end }),
    ...(agent !== undefined && { agent: checkId(agent, "agent") }),
    ...(label !== undefined && { label: checkLabel(label) }),
  });
  await (await retention()).holdWithParent(runtime, recordOf(writer));
  return writer;
}

/** A session that takes another's place: same user, agent and metadata, nothing collected. */
export function successorOf(
  runtime: Runtime,
  { record }: History,
  preserveHistory: boolean,
): Promise<Writer> {
  const { label, messageCount, lastMessageAt, compactedUpTo, revisedUpTo, metadata } = record;
  const session = {
    id: runtime.generateId(),
    dataVersion: runtime.dataVersion,
    metadata,
    ...inherited(runtime, record),
  };
  if (!preserveHistory) return createLog(runtime, { ...session, kind: "session" });
  return createHeir(runtime, record, record.seq, {
    ...session,
    ...(label !== undefined && { label }),
    base: {
      ...EMPTY_CONVERSATION,
      messageCount,
      ...(lastMessageAt !== undefined && { lastMessageAt }),
      ...(compactedUpTo !== undefined && { compactedUpTo }),
      ...(revisedUpTo !== undefined && { revisedUpTo }),
    },
  });
}

/** A hold is not inherited, so what it moved to later is: the time that the session would expire at without it. */
function inherited(
  { clock }: Runtime,
  { userId, agent, expiresAt, hold }: SessionRecord,
): Pick<NewSession, "userId" | "agent" | "expiresAt"> {
  const ends = hold ? hold.expiresAt : expiresAt;
  return {
    ...(userId !== undefined && { userId }),
    ...(agent !== undefined && { agent }),
    ...(ends !== undefined && ends > clock() && { expiresAt: ends }),
  };
}
