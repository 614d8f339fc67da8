/**
 * @module
 * Folders for the tests of the file store, and its files as the tests look at them.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { commitOf, creation, say } from "../../src/store/conformance/build.ts";
import type { Commit, CommitOutcome, SessionStore } from "../../src/store/store.ts";
import type { FileStoreOptions } from "../../src/stores/file.ts";
import { fileStore } from "../../src/stores/file.ts";

/** An empty folder that is removed when the test is over. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed when the test is over. */
export function open(directory: string, options: Omit<FileStoreOptions, "directory"> = {}): SessionStore {
  const store = fileStore({ directory, ...options });
  onTestFinished(() => store.close());
  return store;
}

export async function commit(store: SessionStore, one: Commit): Promise<CommitOutcome> {
  const [outcome] = await store.commit([one]);
  if (!outcome) throw new Error("no outcome");
  return outcome;
}

/** Writes a session of `messages` messages, each a commit; answers with its last commit. */
export async function fill(
  store: SessionStore,
  id: string,
  messages: number,
  text = "text",
): Promise<Commit> {
  let last = commitOf(undefined, [creation({ id })]);
  const commits = [last];
  for (let index = 0; index < messages; index += 1) {
    last = commitOf(last.record, [say(`${text} ${index}`)]);
    commits.push(last);
  }
  for (let at = 0; at < commits.length; at += 200) await store.commit(commits.slice(at, at + 200));
  return last;
}

/** The texts of all messages of a session. */
export async function textsOf(store: SessionStore, id: string): Promise<string[]> {
  const entries = await store.read(id, { after: 0, limit: 1_000_000, types: ["message"] });
  return entries.map(({ data }) => JSON.parse(JSON.stringify(data)).message.content);
}

/** The paths of all files in a folder and below. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
