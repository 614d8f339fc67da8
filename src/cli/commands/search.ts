/**
 * @module
 * `holdfast search`: finds messages by their words.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { SearchHit } from "../../index.ts";
import { foldText, searchTerms } from "../../log/text.ts";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { count, relativeTime, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { knownIds, shortIds } from "../ids.ts";
import { paint } from "../style.ts";

interface SearchOptions {
  readonly user?: string;
  readonly agent?: string;
  readonly limit: number;
  readonly cursor?: string;
}

const DEFAULT_LIMIT = 20;

export function registerSearch(program: Command): void {
  const command = program
    .command("search")
    .argument("<text...>", "words that a message must hold, all of them")
    .summary("find messages by their words")
    .description("Finds the messages that hold every word, newest first. Case and accents do not matter.")
    .option("--user <id>", "only this user's sessions")
    .option("--agent <name>", "only this agent's sessions")
    .addOption(new Option("--limit <n>", "so many at most").argParser(wholeNumber(1)).default(DEFAULT_LIMIT))
    .addOption(new Option("--cursor <cursor>", "the next page, as the page before it named it"));
  examples(command, [
    ["holdfast search refund", "who asked for one"],
    ["holdfast search --user alice gift card", "both words, one user"],
  ]).action(async (words: string[], { user, agent, limit, cursor }: SearchOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const text = words.join(" ");
      const page = await sessions.search(text, {
        limit,
        ...(user !== undefined && { userId: user }),
        ...(agent !== undefined && { agent }),
        ...(cursor !== undefined && { cursor }),
      });
      if (output.json) for (const hit of page.items) output.value(hit);
      else {
        const found = page.items.map(({ sessionId }) => sessionId);
        const ids = shortIds(found, await knownIds(sessions));
        const terms = searchTerms(text);
        for (const hit of page.items) output.line(hitText(hit, ids, terms));
        output.note(page.items.length === 0 ? "nothing found" : count(page.items.length, "message"));
      }
      if (page.cursor !== undefined) {
        output.warn(paint("dim", `there are more: add --cursor ${page.cursor}`), { cursor: page.cursor });
      }
    });
  });
}

function hitText(
  { sessionId, seq, at, snippet, record }: SearchHit,
  ids: ReadonlyMap<string, string>,
  terms: readonly string[],
): string {
  const label = record.label === undefined ? "" : `  ${cleanLine(record.label)}`;
  const head = `${paint("yellow", cleanLine(ids.get(sessionId) ?? sessionId))}${label}  ${paint("dim", `#${seq}  ${relativeTime(at)}`)}`;
  return `${head}\n  ${highlight(cleanLine(snippet), terms)}\n`;
}

/** The snippet with every word that begins with one of the terms set off. */
function highlight(snippet: string, terms: readonly string[]): string {
  return snippet.replace(/[\p{L}\p{N}\p{M}]+/gu, (word) =>
    terms.some((term) => foldText(word).startsWith(term)) ? paint(["bold", "underline"], word) : word,
  );
}
