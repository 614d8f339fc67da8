/**
 * @module
 * A commit in the making: jobs decided one after another against the record that it is built on.
 */
import type { Command } from "../log/decide.ts";
import { decide } from "../log/decide.ts";
import type { Entry, EntryDraft } from "../log/entry.ts";
import { positionalId } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import { evolve } from "../log/evolve.ts";
import type { SessionRecord } from "../log/record.ts";
import { byteLength, encodeValue, freeze } from "../log/values.ts";
import { encodeData } from "../store/codec.ts";
import type { SessionStore } from "../store/store.ts";
import { historyOf } from "./history.ts";
import type { Intent, Job } from "./job.ts";
import { takeRandomBytes } from "./random.ts";

export interface Draft {
  readonly base: SessionRecord | undefined;
  readonly commitId: string;
  /** The record that `entries` lead to. */
  record: SessionRecord | undefined;
  readonly entries: Entry[];
  /** Which job brought the entry with a caller's id. */
  readonly owners: Map<string, Owner>;
  /** The version to commit at where it is not the base's: only to learn what of the draft is in the log already. */
  probe?: number;
}

interface Owner {
  readonly job: Job;
  readonly draft: EntryDraft;
  readonly seq: number;
}

/** What drafts of one session are made with. */
export interface DraftSetting {
  readonly sessionId: string;
  readonly store: SessionStore;
  readonly clock: () => number;
  /** Where entries went whose callers were told of another position, before they were committed. */
  readonly moved: ReadonlyMap<number, number>;
}

export function newDraft(base: SessionRecord | undefined): Draft {
  return {
    base,
    // 12 random bytes: the chance that two commits ever share an id is negligible at any scale (2^96).
    commitId: takeRandomBytes(12).toString("base64url"),
    record: base,
    entries: [],
    owners: new Map(),
  };
}

/**
 * Decides `job` and adds its entries to `target`: at once, or once the command is known that its caller finds in the
 * history. Fails where it is refused; the draft is then as before.
 *
 * @param mayProbe whether the draft may become one that only asks the store what of it is in the log.
 */
export function addToDraft(
  setting: DraftSetting,
  target: Draft,
  job: Job,
  mayProbe: boolean,
): Promise<void> | undefined {
  const { sessionId, store, clock, moved } = setting;
  const { command: wanted, expectedVersion } = job.intent;
  const version = target.base?.version ?? 0;
  const isStale = expectedVersion !== undefined && expectedVersion !== version;
  const isRepeat = mayProbe && (expectedVersion ?? 0) < version && hasOwnIds(wanted);
  if (isStale && !isRepeat) throw staleVersion(setting, version, expectedVersion);
  const nowMs = clock();
  if (target.record) job.intent.guard?.(target.record);
  const add = (command: Command): undefined => {
    const drafts = decide(target.record, command, { nowMs, version: version + 1 });
    // What waited to be saved took place when its caller was told so.
    place(setting, target, job, drafts, job.told?.[0]?.at ?? nowMs);
    // A retry after a success is no conflict: then the log holds its entries, which only the store can tell.
    if (isStale && job.entries.length > 0) target.probe = expectedVersion;
  };
  if (typeof wanted !== "function") return add(wanted);
  const found = { record: present(sessionId, target.record), pending: target.entries, moved };
  return Promise.resolve(wanted(historyOf(store, found))).then(add);
}

/** What is decided gets its place; what took place before is left out. */
function place(
  setting: DraftSetting,
  target: Draft,
  job: Job,
  drafts: readonly EntryDraft[],
  at: number,
): void {
  const items = drafts.map((draft) => itemOf(setting.sessionId, target, job, draft));
  const messages = items.filter(({ draft }) => draft.type === "message");
  // What came with messages, such as their usage, took place with them.
  const isRepeated =
    items.some(({ draft, earlier }) => draft.type === "operation.applied" && earlier !== undefined) ||
    (messages.length > 0 && messages.every(({ earlier }) => earlier !== undefined));

  const ids: string[] = [];
  const fresh: Entry[] = [];
  const owned: [string, Owner][] = [];
  let { record } = target;
  let seq = record?.seq ?? firstPosition(drafts) - 1;
  for (const { draft, id, earlier } of items) {
    const isMessage = draft.type === "message";
    if (isRepeated || earlier !== undefined) {
      if (isMessage && id !== undefined) ids.push(id);
      continue;
    }
    seq += 1;
    const entry: Entry = {
      seq,
      id: id ?? positionalId(seq),
      type: draft.type,
      data: draft.data,
      at,
      ...("text" in draft && draft.text !== undefined && { text: draft.text }),
      ...(target.entries.length + fresh.length === 0 && { commit: target.commitId }),
    };
    checkSize(setting, entry);
    if (isMessage) ids.push(entry.id);
    if (id !== undefined) owned.push([id, { job, draft, seq }]);
    record = evolve(record, entry);
    fresh.push(entry);
  }
  target.entries.push(...fresh);
  for (const [id, owner] of owned) target.owners.set(id, owner);
  target.record = freeze(record);
  const twin = items.find(({ draft, twin: other }) => other && draft.type !== "message")?.twin;
  Object.assign(job, { ids, entries: fresh, twin });
  job.lastSeq = fresh.at(-1)?.seq ?? Math.max(0, ...items.map(({ earlier }) => earlier ?? 0));
}

interface Item {
  readonly draft: EntryDraft;
  /** The caller's id, unless the entry needs another one. */
  readonly id: string | undefined;
  /** Where it is already. */
  readonly earlier: number | undefined;
  /** The job that brings it in the same commit. */
  readonly twin: Job | undefined;
}

function itemOf(sessionId: string, { owners }: Draft, { intent, known }: Job, draft: EntryDraft): Item {
  const { id } = draft;
  const owner = id === undefined ? undefined : owners.get(id);
  const position = id === undefined ? undefined : (known.get(id) ?? owner?.seq);
  if (id === undefined || position === undefined) return { draft, id, earlier: undefined, twin: undefined };
  if (intent.onDuplicate === "renumber") return { draft, id: undefined, earlier: undefined, twin: undefined };
  if (owner && contentOf(owner.draft) !== contentOf(draft)) throw duplicateEntry(sessionId, id);
  return { draft, id, earlier: position, twin: owner?.job };
}

/** Where a new log begins: a fork's goes on from where it was forked. */
function firstPosition(drafts: readonly EntryDraft[]): number {
  const [first] = drafts;
  return first?.type === "session.created" ? (first.data.lineage?.at(-1)?.upTo ?? 0) + 1 : 1;
}

/** What two entries with one id must have in common to be the same. */
export function contentOf(entry: Entry | EntryDraft): string {
  const { type, data } = entry;
  if (typeof data === "object" && data !== null) {
    if (type === "message" && "message" in data) return encodeValue([type, data.message]);
    if (type === "operation.applied" && "digest" in data) return encodeValue([type, data.digest]);
  }
  return encodeValue([type, data ?? null]);
}

function hasOwnIds(command: Intent["command"]): boolean {
  if (typeof command === "function") return false;
  if (command.type === "add-usage") return command.operationId !== undefined;
  return (
    command.type === "append" &&
    (command.operation !== undefined || command.messages.some(({ id }) => id !== undefined))
  );
}

/** Whether a command may be about a session whose time is over. */
export function outlivesExpiry(command: Intent["command"]): boolean {
  return typeof command === "object" && ["create", "delete", "erase-lineage"].includes(command.type);
}

function checkSize({ sessionId, store }: DraftSetting, entry: Entry): void {
  const text = encodeData(entry);
  const { maxEntryBytes } = store.capabilities;
  if (text.length * 3 <= maxEntryBytes) return;
  const bytes = byteLength(text);
  if (bytes <= maxEntryBytes) return;
  throw new HoldfastError(
    "ENTRY_TOO_LARGE",
    `an entry for session ${quote(sessionId)} is ${bytes} bytes and the ${store.name} store takes at most ${maxEntryBytes}; split it, or keep the large part elsewhere and store a reference`,
    { sessionId, store: store.name },
  );
}

export function staleVersion(
  { sessionId, store }: DraftSetting,
  version: number,
  expected: number,
): HoldfastError {
  return new HoldfastError(
    "VERSION_CONFLICT",
    `session ${quote(sessionId)} is at version ${version}, not ${expected}; read it again and decide anew`,
    { sessionId, store: store.name },
  );
}

export function duplicateEntry(sessionId: string, id: string): HoldfastError {
  return new HoldfastError(
    "DUPLICATE_ENTRY",
    `session ${quote(sessionId)} holds an entry with id ${quote(id)} and other content; use another id, or revise the message`,
    { sessionId },
  );
}

export function hasExpired(sessionId: string): HoldfastError {
  return new HoldfastError(
    "SESSION_NOT_FOUND",
    `session ${quote(sessionId)} has expired; create it anew, and call touch in time to keep one`,
    { sessionId },
  );
}

export function missing(sessionId: string): HoldfastError {
  return new HoldfastError(
    "SESSION_NOT_FOUND",
    `session ${quote(sessionId)} does not exist; create it first`,
    { sessionId },
  );
}

function present(sessionId: string, record: SessionRecord | undefined): SessionRecord {
  if (record) return record;
  throw missing(sessionId);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
