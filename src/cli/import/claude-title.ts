/**
 * @module
 * What a Claude Code session is called.
 */
import { type Fields, textOf } from "./fields.ts";

export type ClaudeTitle = ReturnType<typeof claudeTitle>;

/** Gathers the names that the lines of a transcript give. */
export function claudeTitle() {
  let given: string | undefined;
  let generated: string | undefined;
  const summaries: { readonly summary: string; readonly leaf: string | undefined }[] = [];
  return {
    isTitle: (line: Fields): boolean =>
      line.type === "summary" || line.type === "custom-title" || line.type === "ai-title",
    note(line: Fields): void {
      if (line.type === "custom-title") given = textOf(line.customTitle) ?? given;
      if (line.type === "ai-title") generated = textOf(line.aiTitle) ?? generated;
      const summary = line.type === "summary" ? textOf(line.summary) : undefined;
      if (summary !== undefined) summaries.push({ summary, leaf: textOf(line.leafUuid) });
    },
    /**
     * The user's name for it, else the generated one, else the newest summary: first of those that end in a line of this
     * transcript, as a transcript may also hold summaries of the sessions that it continues.
     */
    label(uuids: ReadonlySet<string>): string | undefined {
      const own = summaries.findLast(({ leaf }) => leaf !== undefined && uuids.has(leaf)) ?? summaries.at(-1);
      return given ?? generated ?? own?.summary;
    },
  };
}
