/**
 * @module
 * The demo's last part, where transcripts are at hand: real conversations are imported and searched.
 */

import { createSessions, createStore } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import { messageText } from "../../log/text.ts";
import { cleanLine } from "../clean.ts";
import { foreignImporter } from "../foreign.ts";
import { readTranscripts } from "../import/index.ts";
import type { Stage } from "./stage.ts";

/** Looked for in the transcripts: a word that customers of an airline and programmers use. */
const WORD = "because";

export async function importAndSearch(stage: Stage, url: string, folder: string): Promise<void> {
  stage.scene(`Real transcripts, from ${folder}`);
  const sessions = createSessions<StoredObject>({ store: createStore(url) });
  try {
    const importer = foreignImporter(sessions, false);
    let imported = 0;
    let messages = 0;
    let holding = 0;
    const problems: string[] = [];
    for await (const event of readTranscripts(folder)) {
      if (event.type === "problem") problems.push(`${event.file}: ${event.message}`);
      if (event.type !== "session") continue;
      const { added } = await importer.add(event.session);
      imported += 1;
      messages += added;
      holding += event.session.messages.filter(({ message }) =>
        new RegExp(`\\b${WORD}`, "i").test(messageText(message)),
      ).length;
    }
    stage.tell(`${imported} conversations, ${messages.toLocaleString("en-US")} messages`);
    stage.check("every transcript could be read", problems.length === 0 && imported > 0, () => problems);
    let again = 0;
    for await (const event of readTranscripts(folder)) {
      if (event.type === "session") again += (await importer.add(event.session)).added;
    }
    stage.check("importing them again adds nothing", again === 0, () => again);
    const first = await sessions.search(WORD, { limit: 3 });
    let found = 0;
    let cursor: string | undefined;
    do {
      const page = await sessions.search(WORD, { limit: 1000, ...(cursor !== undefined && { cursor }) });
      found += page.items.length;
      cursor = page.cursor;
    } while (cursor !== undefined);
    for (const { sessionId, seq, snippet } of first.items)
      stage.tell(`${cleanLine(sessionId)} #${seq}  ${cleanLine(snippet)}`);
    stage.check(
      `a search for "${WORD}" finds the ${holding.toLocaleString("en-US")} messages that a plain scan finds`,
      found === holding,
      () => [found, holding],
    );
  } finally {
    await sessions.close();
  }
}
