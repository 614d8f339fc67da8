/**
 * @module
 * One writer per session and process, shared by all handles on it, for as long as anybody holds one.
 */
import type { SessionRecord } from "../log/record.ts";
import type { Writer } from "./writer.ts";

export interface Writers {
  /** The writer of the session that `record` is of. */
  of(record: SessionRecord): Writer;
  /** A writer for one change, which commits at once whatever the sessions' auto-save says. */
  direct(sessionId: string, record: SessionRecord | undefined): Writer;
  /** Tells the writer that is in use for a session, where there is one, of a newer record. */
  observe(record: SessionRecord): void;
  /** Saves what waits in the writer that is in use for a session, where there is one. */
  save(sessionId: string): Promise<void>;
  /** Keeps a writer alive while something of it is in flight or unsaved, also when no handle is left. */
  hold(writer: Writer, isBusy: boolean): void;
  /** Every writer that is in use. */
  all(): Writer[];
}

/**
 * @param make makes a writer; `autoSave` undefined: as the sessions have it.
 */
export function createWriters(
  make: (sessionId: string, record: SessionRecord | undefined, autoSave?: boolean) => Writer,
): Writers {
  const known = new Map<string, WeakRef<Writer>>();
  const busy = new Set<Writer>();
  // Handles need not be closed: a writer that nobody holds is collected, and its name with it.
  const collected = new FinalizationRegistry<string>((id) => {
    if (known.get(id)?.deref() === undefined) known.delete(id);
  });

  return {
    of(record) {
      const existing = known.get(record.id)?.deref();
      if (existing?.observe(record)) return existing;
      const writer = make(record.id, record);
      known.set(record.id, new WeakRef(writer));
      collected.register(writer, record.id);
      return writer;
    },
    direct: (sessionId, record) => make(sessionId, record, true),
    observe: (record) => void known.get(record.id)?.deref()?.observe(record),
    save: async (sessionId) => void (await known.get(sessionId)?.deref()?.save()),
    hold(writer, isBusy) {
      if (isBusy) busy.add(writer);
      else busy.delete(writer);
    },
    all: () => [
      ...new Set([...busy, ...[...known.values()].flatMap((reference) => reference.deref() ?? [])]),
    ],
  };
}
