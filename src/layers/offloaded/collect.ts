/**
 * @module
 * Garbage collection: finds what crashes, expiries and commits that never took place left behind. Safe to run at any time,
 * beside writers and other collections, and to repeat.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { SessionStore } from "../../store/store.ts";
import type { BlobStore } from "./blob-store.ts";
import { inParallel } from "./in-parallel.ts";
import type { Holding, Ledger } from "./ledger.ts";
import { copyOf, holdingOf, nameOfCopy } from "./ledger.ts";
import type { Releaser } from "./release.ts";

export interface CollectOptions {
  /** At most so many blobs are deleted. Default: as many as there are. */
  readonly limit?: number;
  /** Looks, and changes nothing. Default `false`. */
  readonly dryRun?: boolean;
}

export interface BlobCollection {
  /** Deleted; with `dryRun`, what would be, as far as one look tells. */
  readonly blobs: number;
  readonly bytes: number;
  /** References that held nothing any more. */
  readonly references: number;
  readonly dryRun: boolean;
}

const CHECKS_AT_ONCE = 8;
const PAGE = 1000;

/** What a collection works with, all of one namespace. */
export interface CollectorSetting {
  /** Below the layer: its entries and records hold references as they are. */
  readonly store: SessionStore;
  readonly ledger: Ledger;
  readonly releaser: Releaser;
  readonly blobs: BlobStore;
  readonly clock: () => number;
  readonly graceMs: number;
  readonly isWhole: () => boolean;
  /** Whether `value` refers to the copy. */
  refersTo(value: unknown, copy: Pick<Holding, "hash" | "copy">): boolean;
}

export async function collectFrom(
  setting: CollectorSetting,
  { limit = Number.POSITIVE_INFINITY, dryRun = false }: CollectOptions,
): Promise<BlobCollection> {
  const { store, ledger, releaser, blobs, clock, graceMs, isWhole } = setting;
  if (!isWhole()) {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      "blobs are not collected while an outage is bridged: other nodes may refer to them; try again when it is over",
      { store: store.name },
    );
  }
  const oldEnough = { updatedBefore: clock() - graceMs };
  const report = { blobs: 0, bytes: 0, references: 0, dryRun };

  const release = async (references: readonly SessionRecord[]): Promise<void> => {
    report.references += references.length;
    const wanted = dryRun ? await wouldRelease(setting, references) : undefined;
    const { blobs: count, bytes } = wanted ?? (await releaser.release(references));
    report.blobs += count;
    report.bytes += bytes;
  };
  /** So many at a time that the limit is kept. */
  const releaseAll = async (references: readonly SessionRecord[]): Promise<void> => {
    for (let from = 0; from < references.length && report.blobs < limit; ) {
      const count = Math.min(PAGE, limit - report.blobs);
      await release(references.slice(from, from + count));
      from += count;
    }
  };

  // What others began to take away, and did not finish.
  for await (const page of ledger.references({ status: "deleted" })) await releaseAll(page);
  for await (const page of ledger.references(oldEnough)) {
    if (report.blobs >= limit) return report;
    await releaseAll(await overIn(setting, page, dryRun));
  }
  // A crash at its very moment can leave a copy to be shared that nobody holds.
  for await (const page of ledger.allPointers(oldEnough)) {
    if (dryRun || report.blobs >= limit) break;
    await inParallel(CHECKS_AT_ONCE, page, async (pointer) => {
      const one = { hash: pointer.id, copy: copyOf(pointer) };
      if (report.blobs >= limit || (await ledger.isHeld(nameOfCopy(one)))) return;
      if ((await releaser.releaseCopy(one)) !== "deleted") return;
      report.blobs += 1;
      report.bytes += Number(pointer.metadata.bytes);
    });
  }
  if (!dryRun) await blobs.tidy?.(clock() - graceMs);
  return report;
}

/**
 * Those of `references` whose session is gone, or does not name the copy. Confirms those that the log names, which stays so;
 * what only the record names is looked at again.
 */
async function overIn(
  setting: CollectorSetting,
  references: readonly SessionRecord[],
  dryRun: boolean,
): Promise<SessionRecord[]> {
  const { store, ledger } = setting;
  const ids = [...new Set(references.map(({ userId = "" }) => userId))];
  const found = new Map((await store.find(ids)).flatMap((record) => (record ? [[record.id, record]] : [])));
  const over: SessionRecord[] = [];
  const confirmed: SessionRecord[] = [];
  await inParallel(CHECKS_AT_ONCE, references, async (reference) => {
    const holding = holdingOf(reference);
    const record = found.get(holding.sessionId);
    if (record?.createdAt !== holding.life) over.push(reference);
    else if (reference.status === "active") {
      if (await isInLog(setting, record.id, holding)) confirmed.push(reference);
      else if (!(await isInRecord(setting, record.id, holding))) over.push(reference);
    }
  });
  // So that nobody has to look through the log for them again.
  if (!dryRun) await ledger.set(confirmed, "completed");
  return over;
}

async function isInLog(
  { store, refersTo }: CollectorSetting,
  sessionId: string,
  holding: Holding,
): Promise<boolean> {
  for (let after = 0; ; ) {
    const entries = await store.read(sessionId, { after, limit: PAGE });
    if (entries.some(({ data }) => refersTo(data, holding))) return true;
    const last = entries.at(-1);
    if (!last || entries.length < PAGE) return false;
    after = last.seq;
  }
}

async function isInRecord(
  { store, refersTo }: CollectorSetting,
  sessionId: string,
  holding: Holding,
): Promise<boolean> {
  const [newest] = await store.find([sessionId]);
  return newest !== undefined && refersTo(newest, holding);
}

/** What a release would delete. */
async function wouldRelease(
  { ledger }: CollectorSetting,
  references: readonly SessionRecord[],
): Promise<{ blobs: number; bytes: number }> {
  const over = new Set(references.map(({ id }) => id));
  const copies = new Map(references.map((reference) => [String(reference.parentId), holdingOf(reference)]));
  let [blobs, bytes] = [0, 0];
  for (const [name, holding] of copies) {
    let isHeld = false;
    for await (const page of ledger.references({ parentId: name }))
      isHeld ||= page.some(({ id }) => !over.has(id));
    if (isHeld) continue;
    blobs += 1;
    bytes += holding.bytes;
  }
  return { blobs, bytes };
}
