/**
 * @module
 * Clauses S: finding messages by their words.
 */
import type { EntryDraft } from "../../../log/entry.ts";
import { snippetOf } from "../../../log/text.ts";
import type { SearchHit, SessionStore, StoreQuery } from "../../store.ts";
import { check, equal, rejects, sameRecord } from "../assert.ts";
import { begin, note, say } from "../build.ts";
import type { ConformanceCase, ConformanceContext } from "../harness.ts";
import { need, search } from "../requirements.ts";
import { queryOf } from "./list.ts";

/** The hits on all pages. */
export async function hitsOf(
  store: SessionStore,
  text: string,
  conditions: Partial<StoreQuery> = {},
): Promise<SearchHit[]> {
  const find = need(store.search, "search()").bind(store);
  const hits: SearchHit[] = [];
  let cursor: string | undefined;
  do {
    const page = await find(text, queryOf({ ...conditions, ...(cursor !== undefined && { cursor }) }));
    hits.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined && hits.length < 10_000);
  return hits;
}

/** The sessions that are found. */
export async function found(
  store: SessionStore,
  text: string,
  conditions: Partial<StoreQuery> = {},
): Promise<string[]> {
  return (await hitsOf(store, text, conditions)).map(({ sessionId }) => sessionId).sort();
}

/** A case over one session a text, named by its key, that checks which of them each query finds. */
function searchCase(
  key: string,
  clause: string,
  title: string,
  texts: Readonly<Record<string, string>>,
  expected: readonly (readonly [string, ...string[]])[],
): ConformanceCase {
  return {
    key,
    clause,
    title,
    requires: search,
    async run({ store, settled }: ConformanceContext) {
      for (const [id, text] of Object.entries(texts)) await begin(store, { id }, say(text));
      await settled(async () => {
        for (const [query, ...ids] of expected)
          equal(await found(store, query), ids.sort(), `search(${JSON.stringify(query)})`);
      });
    },
  };
}

export const searchCases: readonly ConformanceCase[] = [
  searchCase(
    "search/every-word",
    "S1",
    "a message is found where it holds every word, in any order, also short and common ones",
    {
      a: "the quick brown fox",
      b: "the lazy dog",
      c: "to be or not to be",
      d: "flight XK-421 to Rome, gate 7",
      e: "一",
    },
    [
      ["quick", "a"],
      ["fox quick", "a"],
      ["the", "a", "b"],
      ["the dog", "b"],
      ["quick dog"],
      ["to be", "c"],
      ["not", "c"],
      ["421 rome", "d"],
      ["xk-421", "d"],
      ["gate 7", "d"],
      ["missing"],
    ],
  ),
  searchCase(
    "search/prefix",
    "S1",
    "a word also stands for words that begin with it",
    { a: "reservation confirmed", b: "we reserved it", c: "unreserved" },
    [
      ["reserv", "a", "b"],
      ["reservation", "a"],
      ["reserved", "b"],
      ["conf reser", "a"],
    ],
  ),
  searchCase(
    "search/folding",
    "S2",
    "case, accents and width make no difference",
    {
      a: "Crème BRÛLÉE in Zürich",
      b: "creme brulee",
      c: "ＦＵＬＬ width",
      d: "ПРИВЕТ мир",
      e: "e\u0301te\u0301",
    },
    [
      ["CREME", "a", "b"],
      ["brulée", "a", "b"],
      ["zurich", "a"],
      ["full", "c"],
      ["привет", "d"],
      ["été", "e"],
      ["ETE", "e"],
    ],
  ),
  searchCase(
    "search/scripts",
    "S2",
    "text of scripts without spaces is found by its characters",
    { a: "東京タワーへ行きたい", b: "京都へ行きたい", c: "我想去北京", d: "Tokyo tower" },
    [
      ["東京", "a"],
      ["行きたい", "a", "b"],
      ["北京", "c"],
      ["東京 行", "a"],
    ],
  ),
  searchCase(
    "search/hostile",
    "S3",
    "a query is words and never syntax: quotes, operators and wildcards only separate words",
    { a: "alpha beta", b: "alpha", c: "or near not and", d: "100% col:val (x)" },
    [
      ['"alpha beta"', "a"],
      ['alpha"', "a", "b"],
      ["alpha*", "a", "b"],
      ["*alpha", "a", "b"],
      ["alpha OR beta"],
      ["alpha NOT beta"],
      ["alpha AND beta"],
      ["NEAR(alpha beta)"],
      ["near", "c"],
      ["or not", "c"],
      ["^alpha", "a", "b"],
      ["-beta", "a"],
      ["alpha -beta", "a"],
      ["+alpha", "a", "b"],
      ["col:val", "d"],
      ["text:alpha"],
      ["(alpha)", "a", "b"],
      ["(alpha", "a", "b"],
      ["{alpha}", "a", "b"],
      ["alpha\\", "a", "b"],
      ["alpha'; --", "a", "b"],
      ["100%", "d"],
      ["alpha & beta | !x"],
      ["alpha\0beta", "a"],
      ["alpha:*", "a", "b"],
      ["~alpha^2"],
    ],
  ),
  {
    key: "search/no-words",
    clause: "S3",
    title: "a query without a letter or digit is INVALID_ARGUMENT",
    requires: search,
    async run({ store }) {
      await begin(store, {}, say("text"));
      const find = need(store.search, "search()").bind(store);
      for (const text of ["", " ", "\n", "*", '"', "--", "()", "🙂", "\0", "%_"]) {
        await rejects(() => find(text, queryOf()), "INVALID_ARGUMENT", `search(${JSON.stringify(text)})`);
      }
    },
  },
  {
    key: "search/hits",
    clause: "S4",
    title: "a hit names its session, entry, time and record, and shows the text around the word",
    requires: search,
    async run({ store, settled }) {
      const long = `${"before ".repeat(100)}Needle${" after".repeat(100)}`;
      const session = await begin(
        store,
        { id: "a", userId: "u", metadata: { z: 1, a: 2 } },
        say("hello", "m1"),
      );
      const commit = await session.write(note("Needle in no message"), say(long, "m2"), say("no match"));
      await settled(async () => {
        const hits = await hitsOf(store, "needle");
        equal(hits.length, 1, "how many hits there are");
        const [hit] = hits;
        const entry = commit.entries[1];
        check(hit !== undefined && entry !== undefined, "there is no hit");
        equal(
          [hit.sessionId, hit.seq, hit.messageId, hit.at],
          ["a", entry.seq, "m2", entry.at],
          "session, position, id and time of the hit",
        );
        sameRecord(hit.record, session.record, "the record of the hit");
        check(
          hit.snippet.includes("Needle") && hit.snippet.length <= 160,
          `the snippet ${JSON.stringify(hit.snippet)} must show the word in at most 160 characters`,
        );
        equal(hit.snippet, snippetOf(long, ["needle"]), "the snippet");
      });
    },
  },
  {
    key: "search/revised",
    clause: "S4",
    title: "a revision that is found is a hit of the message that it revises",
    requires: search,
    async run({ store, settled }) {
      const session = await begin(store, { id: "a" }, say("first", "m1"), say("second"));
      const revise = (seq: number): EntryDraft => ({
        type: "message.revised",
        data: { seq, message: { role: "user", content: "revised" } },
      });
      await session.write(revise(2));
      await session.write(revise(3));
      await settled(async () => {
        const hits = await hitsOf(store, "revised");
        equal(
          hits.map(({ messageId }) => messageId),
          ["#3", "m1"],
          "the messages that were found",
        );
      });
    },
  },
  {
    key: "search/what-is-text",
    clause: "S5",
    title:
      "messages of every shape, revisions and the text of custom entries are found; other entries are not",
    requires: search,
    async run({ store, settled }) {
      await begin(store, { id: "string" }, say("wombat"));
      await begin(
        store,
        { id: "parts" },
        {
          type: "message",
          data: {
            message: {
              role: "assistant",
              content: [
                { type: "text", text: "a wombat" },
                { type: "image", image: new Uint8Array([1]) },
              ],
            },
          },
        },
      );
      await begin(
        store,
        { id: "tool" },
        {
          type: "message",
          data: {
            message: {
              role: "tool",
              content: [{ type: "tool-result", output: { type: "text", value: "wombat" } }],
            },
          },
        },
      );
      await begin(
        store,
        { id: "custom" },
        { type: "x.document", data: { file: 1 }, text: "the wombat handbook" },
      );
      await begin(
        store,
        { id: "not" },
        note("wombat"),
        { type: "data.patched", data: { patch: { wombat: "wombat" } } },
        { type: "label.set", data: { label: "wombat", automatic: false } },
      );
      const revised = await begin(store, { id: "revised" }, say("koala"));
      await revised.write({
        type: "message.revised",
        data: { seq: 2, message: { role: "user", content: "wombat" } },
      });
      await settled(async () =>
        equal(
          await found(store, "wombat"),
          ["custom", "parts", "revised", "string", "tool"],
          "what is found",
        ),
      );
    },
  },
];
