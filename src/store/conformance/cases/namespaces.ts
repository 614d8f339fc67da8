/**
 * @module
 * Clauses N: ids and namespaces are opaque, exact, and never meet.
 */
import type { SessionStore } from "../../store.ts";
import { equal, rejects, sameEntries, sameRecord } from "../assert.ts";
import type { TestSession } from "../build.ts";
import { begin, outcomeOf, say } from "../build.ts";
import type { ConformanceCase, ConformanceContext } from "../harness.ts";
import { need, search } from "../requirements.ts";
import { isConflict } from "./commit.ts";
import { idsOf, queryOf } from "./list.ts";

/** Names that engines are known to trip over. */
const HOSTILE_NAMES = [
  "a",
  "A",
  "á",
  "a\u0301",
  "b",
  "a:b",
  "a/b",
  "a\\b",
  "a.b",
  "a|b",
  "a\0b",
  "a b",
  "a ",
  " a",
  "a\n",
  "ab",
  "a::b",
  "a//b",
  "a%2Fb",
  "a%3Ab",
  "a%",
  "%",
  "%00",
  "%25",
  "_",
  "*",
  "?",
  "[a]",
  "{x}",
  "{a}",
  "$x",
  ".",
  "..",
  "...",
  "../a",
  "a/../b",
  "../../etc/passwd",
  "/",
  "/etc/passwd",
  "\\",
  "~",
  "-",
  "--",
  "'",
  "''",
  '"',
  "`",
  "'; --",
  "'; DROP TABLE holdfast_entries; --",
  "\\'; --",
  "CON",
  "nul",
  "nul.jsonl",
  "a.jsonl",
  "a.lock",
  "holdfast_sessions",
  "__proto__",
  "constructor",
  "toString",
  "0",
  "1",
  "01",
  "-1",
  "1e3",
  "null",
  "undefined",
  "true",
  "日本",
  "🙂",
  "🙃",
  "ß",
  "ss",
  "SS",
  "İ",
  "i",
  "ﬁ",
  "fi",
  "\u0000",
  "\u0001",
  "\u007f",
  "\u200b",
  "\ufeff",
  "\u{10ffff}",
  "x".repeat(512),
  `${"x".repeat(511)}y`,
  "é".repeat(256),
  "%".repeat(512),
  "..".repeat(256),
] as const;

interface Tenant {
  readonly view: SessionStore;
  readonly session: TestSession;
  readonly what: string;
}

/** Each tenant sees its own sessions and nobody else's. */
async function areApart(tenants: readonly Tenant[], { settled }: ConformanceContext): Promise<void> {
  for (const { view, session, what } of tenants) {
    sameRecord((await view.find([session.id]))[0], session.record, `the record of ${what}`);
    sameEntries(await view.read(session.id, { after: 0, limit: 10 }), session.entries, `the log of ${what}`);
  }
  await settled(async () => {
    for (const { view, session, what } of tenants) {
      equal(await idsOf(view), [session.id], `the list of ${what}`);
      equal(await idsOf(view, { userId: "u" }), [session.id], `the filtered list of ${what}`);
    }
  });
}

export const namespaceCases: readonly ConformanceCase[] = [
  {
    key: "namespaces/hostile-ids",
    clause: "N1",
    title: "ids of any Unicode are opaque: each names its own session and no other",
    async run({ store, second, settled }) {
      const sessions: TestSession[] = [];
      for (const id of HOSTILE_NAMES) sessions.push(await begin(store, { id }, say(`text of ${id}`, id)));
      const reader = await second();
      const records = await reader.find(HOSTILE_NAMES);
      for (const [index, session] of sessions.entries()) {
        const what = JSON.stringify(session.id.slice(0, 40));
        sameRecord(records[index], session.record, `the record of ${what}`);
        sameEntries(
          await reader.read(session.id, { after: 0, limit: 10 }),
          session.entries,
          `the log of ${what}`,
        );
      }
      await settled(async () => equal((await idsOf(reader)).sort(), [...HOSTILE_NAMES].sort(), "the list"));
      const [odd, even] = [
        sessions.filter((_, index) => index % 2),
        sessions.filter((_, index) => index % 2 === 0),
      ];
      for (const { id } of odd)
        equal(await reader.remove(id), true, `whether ${JSON.stringify(id.slice(0, 40))} was removed`);
      equal(
        await store.find(odd.map(({ id }) => id)),
        odd.map(() => undefined),
        "the removed ones",
      );
      for (const session of even)
        sameRecord((await store.find([session.id]))[0], session.record, "one that stays");
      await settled(async () =>
        equal((await idsOf(store)).sort(), even.map(({ id }) => id).sort(), "the list of what stays"),
      );
    },
  },
  {
    key: "namespaces/hostile-names",
    clause: "N2",
    title: "namespaces of any name have keys of their own: the same id in each is another session",
    async run(context) {
      const { store, second } = context;
      const tenants: Tenant[] = [
        {
          view: store,
          session: await begin(store, { id: "same", userId: "u" }, say("at the root", "m")),
          what: "the store itself",
        },
      ];
      const other = await second();
      for (const name of HOSTILE_NAMES) {
        const session = await begin(
          store.namespace(name),
          { id: "same", userId: "u" },
          say(`in ${name}`, "m"),
        );
        tenants.push({
          view: other.namespace(name),
          session,
          what: `namespace ${JSON.stringify(name.slice(0, 40))}`,
        });
      }
      await areApart(tenants, context);
    },
  },
  {
    key: "namespaces/pairs",
    clause: "N2",
    title: "a namespace and an id never add up to another pair",
    async run(context) {
      const { store } = context;
      const pairs = [
        ["a", "b:c"],
        ["a:b", "c"],
        ["a", "b/c"],
        ["a/b", "c"],
        ["a", "b\0c"],
        ["a\0b", "c"],
        ["a", "b|c"],
        ["a|b", "c"],
        ["a", "bc"],
        ["ab", "c"],
        ["a", ":b"],
        ["a:", "b"],
        ["1", "2:a"],
        ["1:2", "a"],
        ["1:a", "1:b"],
        ["a", "../b/c"],
        ["b", "c"],
        ["b", "../a/c"],
      ] as const;
      const sessions: Tenant[] = [];
      for (const [name, id] of pairs) {
        const view = store.namespace(name);
        sessions.push({
          view,
          session: await begin(view, { id, label: `${name} ${id}` }, say(`${name} ${id}`)),
          what: `${JSON.stringify(id)} in ${JSON.stringify(name)}`,
        });
      }
      for (const { view, session, what } of sessions) {
        sameRecord((await view.find([session.id]))[0], session.record, `the record of ${what}`);
        sameEntries(
          await view.read(session.id, { after: 0, limit: 10 }),
          session.entries,
          `the log of ${what}`,
        );
      }
      for (const [name] of pairs) {
        const own = pairs.filter(([other]) => other === name).map(([, id]) => id);
        await context.settled(async () =>
          equal(
            (await idsOf(store.namespace(name))).sort(),
            own.sort(),
            `the list of ${JSON.stringify(name)}`,
          ),
        );
      }
      equal(
        await store.find(
          pairs.flatMap(([name, id]) => [id, `${name}:${id}`, `${name}/${id}`, `${name}${id}`]),
        ),
        pairs.flatMap(() => [undefined, undefined, undefined, undefined]),
        "what the store itself finds",
      );
    },
  },
  {
    key: "namespaces/nested",
    clause: "N3",
    title: "a namespace within a namespace is another one than any single name",
    async run(context) {
      const { store, second } = context;
      const at = (root: SessionStore, path: readonly string[]): SessionStore =>
        path.reduce((view, name) => view.namespace(name), root);
      const paths = [
        ["a"],
        ["b"],
        ["a", "b"],
        ["b", "a"],
        ["a", "a"],
        ["a:b"],
        ["a/b"],
        ["a\0b"],
        ["ab"],
        ["a,b"],
        ['["a","b"]'],
        ["1:a1:b"],
        ["a%2Fb"],
        ["a", "b", "c"],
        ["a", "b:c"],
        ["a:b", "c"],
        ["a/b", "c"],
        ["a", "b/c"],
        ["a", "..", "b"],
        ["a", "../b"],
        [".."],
        ["..", ".."],
        ["a", "."],
      ];
      const tenants: Tenant[] = [];
      const other = await second();
      for (const path of paths) {
        const session = await begin(at(store, path), { id: "same", userId: "u" }, say(path.join(" > "), "m"));
        tenants.push({ view: at(other, path), session, what: `namespace ${JSON.stringify(path)}` });
      }
      await areApart(tenants, context);
      equal(await idsOf(store), [], "the list of the store itself");
    },
  },
  {
    key: "namespaces/empty-name",
    clause: "N4",
    title: 'the namespace "" is the view itself',
    async run({ store }) {
      const session = await begin(store, { id: "a" });
      sameRecord((await store.namespace("").find(["a"]))[0], session.record, 'the record through ""');
      const inner = store.namespace("inner");
      const within = await begin(inner, { id: "b" });
      sameRecord(
        (await inner.namespace("").find(["b"]))[0],
        within.record,
        'the record through "" of a namespace',
      );
      equal(
        await inner.namespace("").find(["a"]),
        [undefined],
        'what "" of a namespace finds of the store around it',
      );
    },
  },
  {
    key: "namespaces/bad-names",
    clause: "N5",
    title: "a name that no id could be is INVALID_ARGUMENT",
    async run({ store }) {
      for (const name of ["x".repeat(513), "é".repeat(257), "\ud800", "a\udc00b"]) {
        const call = async (): Promise<unknown> => store.namespace(name).find(["a"]);
        await rejects(call, "INVALID_ARGUMENT", `the namespace ${JSON.stringify(name.slice(0, 20))}`);
      }
    },
  },
  {
    key: "namespaces/writes",
    clause: "N2",
    title: "commit, duplicate ids and remove in one namespace do not touch another",
    async run({ store, second }) {
      const [left, right] = [store.namespace("left"), (await second()).namespace("right")];
      const one = await begin(left, { id: "same" }, say("left", "m1"));
      isConflict(
        await outcomeOf(right, one.next(say("lost"))),
        undefined,
        "a commit on a session of another namespace",
      );
      const two = await begin(right, { id: "same" }, say("right", "m1"));
      await two.write(say("right too", "m2"));
      await one.write(say("left too", "m2"));
      equal(await right.remove("same"), true, "whether the right one was removed");
      equal(await right.remove("same"), false, "removing it again");
      equal(await store.remove("same"), false, "removing it through the store around them");
      sameRecord((await left.find(["same"]))[0], one.record, "the left record");
      sameEntries(await left.read("same", { after: 0, limit: 10 }), one.entries, "the left log");
    },
  },
  {
    key: "namespaces/search",
    clause: "N2",
    title: "search finds nothing of another namespace, and takes no cursor of one",
    requires: search,
    async run({ store, settled }) {
      const views = [
        store,
        store.namespace("a"),
        store.namespace("a:b"),
        store.namespace("a").namespace("b"),
        store.namespace("%"),
      ];
      for (const [index, view] of views.entries()) {
        await begin(view, { id: `s${index}` }, say("common words here"));
        await begin(view, { id: `t${index}` }, say("common words there"));
      }
      await settled(async () => {
        for (const [index, view] of views.entries()) {
          const find = need(view.search, "search()").bind(view);
          const { items } = await find("common", queryOf());
          equal(
            items.map(({ sessionId }) => sessionId).sort(),
            [`s${index}`, `t${index}`],
            `the hits in view ${index}`,
          );
          const { cursor } = await find("common", queryOf({ limit: 1 }));
          const foreign = need(views[(index + 1) % views.length]?.search, "search()").bind(
            views[(index + 1) % views.length],
          );
          const query = queryOf({ limit: 1, cursor: need(cursor, "the cursor of the first of two pages") });
          await rejects(
            () => foreign("common", query),
            "INVALID_ARGUMENT",
            "a search cursor of another namespace",
          );
        }
      });
    },
  },
];
