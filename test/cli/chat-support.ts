/** What the tests of `holdfast chat` share. */
import type { Sessions } from "../../src/index.ts";
import type { OpenAiServer } from "../agent/openai-server.ts";
import { inWords } from "../agent/support.ts";

/** An answer that takes its time. */
export const LONG =
  "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";

/** The messages of a session, in words. */
export async function wordsIn(sessions: Sessions, id: string): Promise<string[]> {
  return (await (await sessions.open(id)).messages()).map(inWords);
}

/** The only session of the store, or the newest. */
export async function newestId(sessions: Sessions): Promise<string> {
  const [record] = (await sessions.list()).items;
  if (!record) throw new Error("the store has no session");
  return record.id;
}

/** The options that name the server's model. */
export function served(server: OpenAiServer): string[] {
  return ["--base-url", server.baseUrl, "--model", "test-model"];
}
