/**
 * @module
 * Entries and records as they come from the inner store, opened and checked.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { evolveAll } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import { freeze } from "../../log/values.ts";
import { callerId, decodeEntry, decodeRecord, encodeRecord } from "../../store/codec.ts";
import type { SessionStore } from "../../store/store.ts";
import { keyIdOf, openText } from "./cipher.ts";
import type { DataKey, DataKeys, Wanted } from "./data-keys.ts";
import { refused } from "./data-keys.ts";
import { differingField, envelopeOf, outerType, recordEnvelopes } from "./shadow.ts";

export interface Opening {
  entries(sessionId: string, entries: readonly Entry[]): Promise<Entry[]>;
  /** Records in their places. One that the inner store folded anew is folded anew here too. */
  records(records: readonly (SessionRecord | undefined)[]): Promise<(SessionRecord | undefined)[]>;
  /** The id of the data key of a session; its record may be a while old. */
  keyIdOf(record: SessionRecord): string;
}

/** Entries that are read at a time where a record is folded anew. */
const PAGE = 500;
/** A record is found anew at most this often, where its log went on or away meanwhile. */
const ATTEMPTS = 5;

/** What the ciphertext of an entry is bound to, as a JSON array. */
export function entryBinding({ binding }: DataKey, entry: Entry): string {
  const { seq, type, at, commit } = entry;
  const id = callerId(entry);
  return `${binding},"entry",${seq},${at},${JSON.stringify(type)},${id === undefined ? null : JSON.stringify(id)},${commit === undefined ? null : JSON.stringify(commit)}]`;
}

/** What the ciphertext of a record is bound to; its fields are compared with those inside. */
export function recordBinding({ binding }: DataKey): string {
  return `${binding},"record"]`;
}

/** What of an entry is sealed: its data, and before it the text for search where it has one. */
export function sealedTextOf(entry: Entry, data: string): string {
  return entry.text === undefined ? data : `T${JSON.stringify(entry.text)}\n${data}`;
}

/** What of a record is sealed: all of it, but for the id, which it is bound to. */
export function sealedRecordOf(record: SessionRecord): string {
  const text = encodeRecord(record);
  const head = idHead(record.id);
  return text.startsWith(head) ? `R${text.slice(head.length)}` : text;
}

function recordText(plain: string, id: string): string {
  return plain.startsWith("R") ? `${idHead(id)}${plain.slice(1)}` : plain;
}

function idHead(id: string): string {
  return `{"id":${JSON.stringify(id)},`;
}

export function createOpening(store: SessionStore, keys: DataKeys): Opening {
  function openEntry(entry: Entry, envelope: string, key: DataKey, what: string): Entry {
    const type = outerType(entry.type);
    const plain = open(key, envelope, (owner) => entryBinding(owner, { ...entry, type: typed(type) }), what);
    const end = plain.startsWith("T") ? plain.indexOf("\n") : -1;
    const row = {
      seq: entry.seq,
      id: callerId(entry) ?? null,
      type,
      at: entry.at,
      commit: entry.commit ?? null,
      data: end < 0 ? plain : plain.slice(end + 1),
      text: end < 0 ? null : String(JSON.parse(plain.slice(1, end))),
    };
    return decodeEntry(row, key.sessionId, store.name);
  }

  async function openEntries(sessionId: string, entries: readonly Entry[]): Promise<Entry[]> {
    const whats = entries.map(({ seq }) => `entry ${seq} of session ${JSON.stringify(sessionId)}`);
    const envelopes = entries.map((entry, at) => sealedIn(envelopeOf(entry), whats[at] ?? "", sessionId));
    const wanted = envelopes.map((envelope, at) => wantedBy(envelope, whats[at] ?? "", sessionId));
    const known = await keysFor(wanted);
    return entries.map((entry, at) => {
      const { keyId, what } = wanted[at] ?? { keyId: "", what: "" };
      const key = known.get(keyId);
      if (!key) throw refused(what, sessionId, "its data key was destroyed meanwhile");
      return openEntry(entry, envelopes[at] ?? "", key, what);
    });
  }

  /** Without waiting where all are remembered, which nearly all are. */
  function keysFor(wanted: readonly Wanted[]): Map<string, DataKey> | Promise<Map<string, DataKey>> {
    const known = new Map<string, DataKey>();
    for (const { keyId, sessionId } of wanted) {
      if (known.has(keyId)) continue;
      const key = keys.peek(keyId, sessionId);
      if (!key) return keys.load(wanted);
      known.set(keyId, key);
    }
    return known;
  }

  async function openRecords(
    records: readonly (SessionRecord | undefined)[],
  ): Promise<(SessionRecord | undefined)[]> {
    const wanted = records.flatMap((record) => {
      const envelope = record && recordEnvelopes(record).whole;
      return record && envelope !== undefined ? wantedBy(envelope, whatOf(record), record.id) : [];
    });
    const known = await keysFor(wanted);
    const opened: (SessionRecord | undefined)[] = [];
    for (const inner of records) opened.push(inner && (await openRecord(inner, known)));
    return opened;
  }

  async function openRecord(
    inner: SessionRecord,
    known: Map<string, DataKey>,
  ): Promise<SessionRecord | undefined> {
    let current: SessionRecord | undefined = inner;
    for (let attempt = 0; current && attempt < ATTEMPTS; attempt += 1) {
      const sealed = await sealedRecord(current, known);
      if (sealed?.seq === current.seq) return checked(current, sealed, sealed.version);
      if (sealed && sealed.seq > current.seq) throw changed(current, "seq");
      const healed = await healedRecord(current, sealed);
      if (healed?.seq === current.seq) return checked(current, healed, current.version);
      [current] = await store.find([inner.id]);
    }
    if (!current) return undefined;
    throw changed(current, "seq");
  }

  async function sealedRecord(
    inner: SessionRecord,
    known: Map<string, DataKey>,
  ): Promise<SessionRecord | undefined> {
    const { whole, first } = recordEnvelopes(inner);
    if (whole === undefined) {
      sealedIn(first, whatOf(inner), inner.id);
      return undefined;
    }
    const wanted = wantedBy(whole, whatOf(inner), inner.id);
    const key = known.get(wanted.keyId) ?? (await keys.load([wanted])).get(wanted.keyId);
    if (!key) throw refused(whatOf(inner), inner.id, "its data key was destroyed meanwhile");
    const plain = open(key, whole, recordBinding, whatOf(inner));
    return decodeRecord(recordText(plain, inner.id), inner.id, store.name);
  }

  /** The record as the entries past `base` make it, up to where the inner one is. */
  async function healedRecord(
    inner: SessionRecord,
    base: SessionRecord | undefined,
  ): Promise<SessionRecord | undefined> {
    let record = base;
    let after = base?.seq ?? 0;
    for (;;) {
      const page = await store.read(inner.id, { after, upTo: inner.seq, limit: PAGE });
      record = evolveAll(record, await openEntries(inner.id, page));
      after = page.at(-1)?.seq ?? after;
      if (page.length < PAGE) return record;
    }
  }

  /** The version is what commits are compared with: that of the inner store where it is the one who folded. */
  function checked(inner: SessionRecord, record: SessionRecord, version: number): SessionRecord {
    const field = differingField(inner, record) ?? (inner.version === version ? undefined : "version");
    if (field !== undefined) throw changed(inner, field);
    return record.version === version ? record : freeze({ ...record, version });
  }

  function changed(inner: SessionRecord, field: string): HoldfastError {
    return refused(
      whatOf(inner),
      inner.id,
      `its ${field} is not what was sealed, so what is stored was changed`,
    );
  }

  return {
    entries: openEntries,
    records: openRecords,
    keyIdOf(record) {
      const { whole, first } = recordEnvelopes(record);
      const envelope = sealedIn(whole ?? first, whatOf(record), record.id);
      return wantedBy(envelope, whatOf(record), record.id).keyId;
    },
  };
}

/**
 * That none of a stretch of a log is missing.
 *
 * @throws STORE_CORRUPT
 */
export function checkDense(entries: readonly Entry[], sessionId: string, store: string): void {
  const at = entries.findIndex(
    ({ seq }, index) => index > 0 && Math.abs(seq - (entries[index - 1]?.seq ?? 0)) !== 1,
  );
  if (at < 0) return;
  throw new HoldfastError(
    "STORE_CORRUPT",
    `the log of session ${JSON.stringify(sessionId)} in the ${store} store lacks entries beside ${entries[at]?.seq}, so another program removed them; nothing was changed, restore a backup`,
    { sessionId, store },
  );
}

function whatOf({ id, seq }: SessionRecord): string {
  return `the record of session ${JSON.stringify(id)} at ${seq}`;
}

function sealedIn(envelope: string | undefined, what: string, sessionId: string): string {
  if (envelope !== undefined) return envelope;
  throw refused(
    what,
    sessionId,
    "it was never encrypted, or what is stored was changed; export and import copies sessions that were written without encryption",
  );
}

function wantedBy(envelope: string, what: string, sessionId: string): Wanted {
  const found = keyIdOf(envelope);
  if ("why" in found) throw refused(what, sessionId, found.why);
  return { keyId: found.id, sessionId, what };
}

function open(key: DataKey, envelope: string, bindingOf: (key: DataKey) => string, what: string): string {
  try {
    return openText(key, envelope, bindingOf(key));
  } catch (error) {
    if (HoldfastError.is(error)) throw error;
    const why = `it is not what was sealed in this place (${messageOf(error)}): it was moved, cut off or changed`;
    throw refused(what, key.sessionId, why, error);
  }
}

function typed(type: string): Entry["type"] {
  return isType(type) ? type : "x.";
}

function isType(type: string): type is Entry["type"] {
  return type !== "";
}
