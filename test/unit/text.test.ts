import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  foldText,
  holdsTerms,
  labelFrom,
  messageText,
  searchTerms,
  searchText,
  snippetOf,
} from "../../src/log/text.ts";
import { anyText } from "../support/arbitraries.ts";
import { entryOf } from "../support/build-log.ts";
import { refusalOf } from "../support/errors.ts";

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
function graphemesOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const FAMILY = "👨‍👩‍👧‍👦";
const FLAG = "🇨🇭";
/** Pieces of which text is made that must not be cut: clusters, words, spaces, and what joins them. */
const pieces = fc.constantFrom(
  ...[
    "a",
    "word",
    "well-known",
    " ",
    "  ",
    "\n",
    "\t",
    "\0",
    "\u0085",
    "…",
    ",",
    "é",
    "e\u0301\u0302",
    FAMILY,
    FLAG,
  ],
  ...[
    "🇨",
    "👍🏽",
    "❤️",
    "한국어",
    "日本語",
    "我们",
    "ไทย",
    "कषि",
    "क्षि",
    "\u0600",
    "\u0D4E",
    "\u200D",
    "\u20E3",
    "\uFE0F",
    "x".repeat(60),
  ],
);
const words = fc.array(fc.oneof({ weight: 4, arbitrary: pieces }, anyText), { maxLength: 60, size: "max" });

describe("labelFrom", () => {
  test.each([
    ["Hello world", "Hello world"],
    ["  Hello \n\t world  ", "Hello world"],
    ["Hello\0\u0007\u0085world\u00A0!", "Hello world !"],
    ["a", "a"],
    ["x".repeat(50), "x".repeat(50)],
    ["x".repeat(51), "x".repeat(50)],
    [`${"x".repeat(45)} word`, `${"x".repeat(45)} word`],
    [`${"x".repeat(45)} words`, "x".repeat(45)],
    [
      "How do I make sourdough bread rise properly in a cold kitchen?",
      "How do I make sourdough bread rise properly in a",
    ],
    // The 50th character is the last of a word, and then the first of one.
    [`${"ab ".repeat(16)}ab cd`, `${"ab ".repeat(16)}ab`],
    [`${"ab ".repeat(16)}a b cd`, `${"ab ".repeat(16)}a`],
    // Hyphens and dots don't end a word that spaces surround.
    [
      "Please compare these two state-of-the-art well-known-solutions",
      "Please compare these two state-of-the-art",
    ],
    ["What is behind this link: https://example.com/a/very/long/path", "What is behind this link:"],
    [
      "Please compare these two state-of-the-art well-known-solutions 日本",
      "Please compare these two state-of-the-art",
    ],
    // Where there is but one word, it is cut at a boundary within, or else anywhere.
    [
      "https://example.com/one/two/three/four/five/six/seven",
      "https://example.com/one/two/three/four/five/six/",
    ],
    [FAMILY.repeat(50), FAMILY.repeat(50)],
    [FAMILY.repeat(51), FAMILY.repeat(50)],
    [FLAG.repeat(51), FLAG.repeat(50)],
    ["e\u0301".repeat(51), "e\u0301".repeat(50)],
    ["한".repeat(51), "한".repeat(50)],
    [`${"あ".repeat(49)}`, "あ".repeat(49)],
    // Half of a surrogate pair is no text.
    ["a\uD800b", "a\uFFFDb"],
  ])("%j gives %j", (text, label) => {
    expect(labelFrom(text)).toBe(label);
  });

  test("nothing gives none", () => {
    for (const text of ["", " ", "\n\t", "\0", "\u00A0\u0085", " ".repeat(10_000)]) {
      expect(labelFrom(text)).toBeUndefined();
    }
  });

  test("text of scripts without spaces is cut between words", () => {
    const text = "我们今天去北京看长城然后回家吃饭".repeat(5);
    const label = labelFrom(text) ?? "";
    expect(text.startsWith(label)).toBe(true);
    expect(graphemesOf(label).length).toBeGreaterThan(44);
    expect(graphemesOf(label).length).toBeLessThanOrEqual(50);
    // A space early on does not make the label end there.
    const spaced = labelFrom(`请 ${text}`) ?? "";
    expect(graphemesOf(spaced).length).toBeGreaterThan(44);
    const thai = labelFrom("สวัสดีครับวันนี้อากาศดีมากเลยอยากไปเที่ยวทะเลกับเพื่อนๆในช่วงวันหยุดยาวที่จะถึงนี้") ?? "";
    expect(graphemesOf(thai).length).toBeGreaterThan(40);
  });

  test("is one line of at most 50 characters as people count them, none cut in half, the whole text where it fits", () => {
    fc.assert(
      fc.property(words, (parts) => {
        const text = parts.join("");
        const line = text
          .replace(/[\s\p{Cc}]+/gu, " ")
          .trim()
          .toWellFormed();
        const label = labelFrom(text);
        const all = graphemesOf(line);
        if (all.length <= 50) {
          expect(label).toBe(line === "" ? undefined : line);
          return;
        }
        if (label === undefined) throw new Error("no label");
        const own = graphemesOf(label);
        expect(own.length).toBeGreaterThan(0);
        expect(own.length).toBeLessThanOrEqual(50);
        // A space can belong to the character before it; at the end it is left out even so.
        expect(all.slice(0, own.length).join("").trimEnd()).toBe(label);
        expect(label).not.toMatch(/^\s|\s$|[\n\r\t\0]/);
      }),
      { numRuns: 2000 },
    );
  });

  test("words that spaces separate are whole", () => {
    const latin = fc.array(fc.stringMatching(/^[a-zé'.-]{1,20}$/), {
      minLength: 1,
      maxLength: 30,
      size: "max",
    });
    fc.assert(
      fc.property(latin, (list) => {
        const label = labelFrom(list.join(" ")) ?? "";
        const count = label.split(" ").length;
        expect(list.slice(0, count).join(" ")).toBe(label);
        // One more would not have fitted.
        const more = list.slice(0, count + 1).join(" ");
        if (count < list.length) expect(graphemesOf(more).length).toBeGreaterThan(50);
      }),
    );
  });

  test("one character under a million accents does not make it endless, nor slow", () => {
    const start = performance.now();
    expect(labelFrom(`a${"\u0301".repeat(1_000_000)}`)).toBeUndefined();
    expect(labelFrom(`ok a${"\u0301".repeat(1_000_000)}`)).toBe("ok");
    expect(labelFrom("我们今天去北京".repeat(200_000))?.length).toBeLessThanOrEqual(50);
    expect(labelFrom(`b${"\u0301".repeat(1999)}`)).toHaveLength(2000);
    expect(labelFrom(`b${"\u0301".repeat(2000)}`)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("messageText", () => {
  test.each<[string, unknown, string]>([
    ["OpenAI", { role: "user", content: "hi" }, "hi"],
    [
      "OpenAI parts",
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "image_url", image_url: { url: "data:x" } },
          { type: "text", text: "b" },
        ],
      },
      "a\nb",
    ],
    [
      "OpenAI calls",
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }],
      },
      "",
    ],
    ["OpenAI result", { role: "tool", tool_call_id: "1", content: "found" }, "found"],
    [
      "OpenAI response item",
      {
        type: "message",
        content: [
          { type: "input_text", text: "in" },
          { type: "output_text", text: "out" },
        ],
      },
      "in\nout",
    ],
    [
      "Anthropic",
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "image", source: { type: "base64", data: "xx" } },
        ],
      },
      "a",
    ],
    [
      "Anthropic result",
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "text", text: "found" }] }],
      },
      "found",
    ],
    [
      "Anthropic result in words",
      { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: "found" }] },
      "found",
    ],
    [
      "Anthropic call and thinking",
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm" },
          { type: "tool_use", id: "1", name: "f", input: { text: "no" } },
        ],
      },
      "",
    ],
    [
      "AI SDK",
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "a" },
          { type: "tool-call", toolCallId: "1", toolName: "f", input: { text: "no" } },
        ],
      },
      "a",
    ],
    [
      "AI SDK result",
      {
        role: "tool",
        content: [
          { type: "tool-result", toolCallId: "1", toolName: "f", output: { type: "text", value: "found" } },
        ],
      },
      "found",
    ],
    [
      "AI SDK result of parts",
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            output: {
              type: "content",
              value: [
                { type: "text", text: "a" },
                { type: "media", data: "xx" },
              ],
            },
          },
        ],
      },
      "a",
    ],
    [
      "AI SDK result of JSON",
      { role: "tool", content: [{ type: "tool-result", output: { type: "json", value: { n: 1 } } }] },
      "",
    ],
    [
      "AI SDK UI",
      {
        id: "1",
        role: "user",
        parts: [{ type: "step-start" }, { type: "text", text: "a" }, { type: "file", url: "x" }],
      },
      "a",
    ],
    ["Codex", { type: "agent_message", text: "hi" }, "hi"],
    ["parts in words", { content: ["a", "", 5, null, "b"] }, "a\nb"],
    ["nothing", {}, ""],
    ["no object", "hi", ""],
    ["nothing at all", undefined, ""],
    ["an inherited text", { content: [Object.create({ text: "x" })] }, ""],
  ])("%s", (_shape, message, text) => {
    expect(messageText(message)).toBe(text);
  });

  test("is what search finds a message by, and its revisions", () => {
    const message = { content: "hi" };
    expect(searchText(entryOf("message", { message }, 1))).toBe("hi");
    expect(searchText(entryOf("message.revised", { seq: 1, message }, 2))).toBe("hi");
    expect(searchText(entryOf("message", { message: { content: "" } }, 1))).toBeUndefined();
    expect(searchText(entryOf("history.compacted", { message }, 1))).toBeUndefined();
    expect(searchText(entryOf("x.note", { message }, 1))).toBeUndefined();
    expect(searchText(entryOf("x.note", { message }, 1, { text: "words" }))).toBe("words");
    expect(searchText(entryOf("message", { message }, 1, { text: "words" }))).toBe("words");
  });
});

describe("folding", () => {
  test.each([
    ["Hello, World!", "hello world"],
    ["  a--b__c  ", "a b c"],
    ["Café CAFÉ cafe\u0301", "cafe cafe cafe"],
    ["Ærøskøbing Ångström", "ærøskøbing angstrom"],
    ["Straße STRASSE ẞ", "strasse strasse ss"],
    ["ΟΔΟΣ οδός Οδοσ", "οδοσ οδοσ οδοσ"],
    ["İstanbul ıI iI", "istanbul ii ii"],
    ["ｆｕｌｌ　ｗｉｄｔｈ ﬁn ①", "full width fin 1"],
    ["日本語 text 中", "日 本 語 text 中"],
    ["がカｶﾞ", "か カ カ"],
    ["ไทย", "ไ ท ย"],
    ["3.14 v2", "3 14 v2"],
    ["😀 \0 \uD800", ""],
    ["don't", "don t"],
  ])("%j folds to %j", (text, folded) => {
    expect(foldText(text)).toBe(folded.normalize("NFKD"));
  });

  test("twice is as once, and case makes no difference", () => {
    const latin = fc.string({ unit: fc.constantFrom(..."aäßéİıσςΣΩжЖñ 日x-") });
    fc.assert(
      fc.property(fc.oneof(anyText, latin), (text) => {
        const folded = foldText(text);
        expect(foldText(folded)).toBe(folded);
        expect(folded).not.toMatch(/^ | $| {2}|[\p{M}\p{P}\p{S}\p{Cc}]/u);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(latin, (text) => {
        expect(foldText(text.toUpperCase())).toBe(foldText(text));
        expect(foldText(text.normalize("NFD"))).toBe(foldText(text.normalize("NFC")));
      }),
    );
  });

  test("the words of a search are its words, each once", () => {
    expect(searchTerms("Two  words, TWO")).toEqual(["two", "words"]);
    expect(searchTerms("日本日")).toEqual(["日", "本"]);
    for (const text of ["", "  ", "?!", "😀"]) {
      expect(refusalOf(() => searchTerms(text))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: "the text to search for holds no letter or digit",
      });
    }
    for (const text of [undefined, null, 5, ["a"]]) {
      expect(refusalOf(() => searchTerms(text))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: "the text to search for must be a string",
      });
    }
  });

  test.each([
    ["The Café is open", "cafe", true],
    ["The Café is open", "CAF", true],
    ["The Café is open", "afe", false],
    ["The Café is open", "open cafe", true],
    ["The Café is open", "cafe closed", false],
    ["我在日本", "日本", true],
    ["我在日本", "中", false],
    ["Straße", "strasse", true],
    ["", "a", false],
  ])("%j holds %j: %s", (text, search, holds) => {
    expect(holdsTerms(text, searchTerms(search))).toBe(holds);
  });

  test("text holds each of its words, and each beginning of one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-zé]{1,8}$/), { minLength: 1 }),
        fc.nat(),
        fc.nat(),
        (list, n, m) => {
          const word = list[n % list.length] ?? "";
          const part = word.slice(0, 1 + (m % word.length));
          expect(holdsTerms(list.join(" "), searchTerms(part))).toBe(true);
          expect(holdsTerms(list.join(" "), searchTerms(list.toReversed().join(", ").toUpperCase()))).toBe(
            true,
          );
        },
      ),
    );
  });
});

describe("snippetOf", () => {
  test("is the text where that is short", () => {
    expect(snippetOf("  Hello\n world ", ["world"])).toBe("Hello world");
    expect(snippetOf("x".repeat(158), ["x"])).toBe("x".repeat(158));
    expect(snippetOf("", ["x"])).toBe("");
  });

  test("shows the first word that was found, with what comes before and after it", () => {
    const text = `${"before ".repeat(100)}Needle ${"after ".repeat(100)}needle`;
    const snippet = snippetOf(text, ["missing", "needle"]);
    expect(snippet).toMatch(/^….*Needle after .*…$/);
    expect(snippet).toHaveLength(160);
    expect(snippet.indexOf("Needle")).toBe(61);
  });

  test("begins with the text where the word is near its beginning, and where there is none", () => {
    const text = `some words and a needle ${"after ".repeat(100)}`;
    for (const terms of [["needle"], ["missing"], []]) {
      expect(snippetOf(text, terms)).toBe(`${text.slice(0, 158)}…`);
    }
    expect(snippetOf(`${"x".repeat(60)} ${"y ".repeat(100)}`, ["y"]).startsWith("…xxx")).toBe(true);
    expect(snippetOf(`${"x".repeat(59)} ${"y ".repeat(100)}`, ["y"]).startsWith("xxx")).toBe(true);
  });

  test("ends with the text where the word is near its end", () => {
    expect(snippetOf(`${"before ".repeat(100)}needle`, ["needle"])).toMatch(/^….*before needle$/);
  });

  test("finds words as search finds them: folded, and not within others", () => {
    const far = "word ".repeat(100);
    expect(snippetOf(`${far}Le CAFÉ noir`, ["cafe"])).toContain("CAFÉ");
    expect(snippetOf(`${far}die STRASSE`, searchTerms("straße"))).toContain("STRASSE");
    expect(snippetOf(`concatenate ${far} Cat`, ["cat"])).toContain("Cat");
    expect(snippetOf(`${far}我在日本`, ["本"])).toContain("日本");
    expect(snippetOf(`${far}使用React框架`, ["react"])).toContain("React");
  });

  test("is one line of at most 160 characters, without half of a pair, and shows the word", () => {
    fc.assert(
      fc.property(words, fc.nat(), (parts, n) => {
        const text = parts.join("");
        const all = foldText(text).split(" ").filter(Boolean);
        const term = all[n % Math.max(1, all.length)] ?? "none";
        const snippet = snippetOf(text, [term]);
        expect(snippet.length).toBeLessThanOrEqual(160);
        expect(snippet.isWellFormed()).toBe(true);
        expect(snippet).not.toMatch(/[\n\r\t\0]/);
      }),
      { numRuns: 500 },
    );
    const smile = `x${"😀".repeat(300)}`;
    expect(snippetOf(smile, [])).toBe(`x${"😀".repeat(78)}…`);
    expect(snippetOf(`${"😀".repeat(300)} needle ${"😀".repeat(300)}`, ["needle"])).toMatch(
      /^…(😀)+ needle (😀)+…$/u,
    );
  });
});
