import fc from "fast-check";
import { expect, test } from "vitest";
import { evolveAll } from "../../src/log/evolve.ts";
import type { SessionRecord, SessionStatus } from "../../src/log/record.ts";
import { commitOf, creation } from "../../src/store/conformance/build.ts";
import { matches } from "../../src/store/query.ts";
import type { Page, StoreQuery } from "../../src/store/store.ts";
import { pageOf, recordIndex } from "../../src/stores/record-index.ts";

const base = evolveAll(undefined, commitOf(undefined, [creation({ id: "a" })], 1).entries);
if (!base) throw new Error("no record");
const template: SessionRecord = base;

const statuses: readonly SessionStatus[] = ["active", "completed", "abandoned", "deleted"];
const small = fc.nat({ max: 3 });
const change = fc.record({
  id: fc.nat({ max: 12 }).map((id) => `s${id}`),
  user: fc.option(small),
  parent: fc.option(fc.nat({ max: 12 })),
  status: fc.constantFrom(...statuses),
  created: fc.nat({ max: 5 }),
  updated: fc.nat({ max: 8 }),
  expires: fc.option(fc.nat({ max: 5 })),
  isDelete: fc.boolean(),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

const anyQuery = fc.record(
  {
    order: fc.constantFrom<StoreQuery["order"]>("updated", "created"),
    limit: fc.integer({ min: 1, max: 6 }),
    userId: small.map((user) => `u${user}`),
    status: fc.constantFrom(...statuses),
    parentId: fc.nat({ max: 12 }).map((id) => `s${id}`),
    liveAt: fc.nat({ max: 5 }),
    updatedAfter: fc.nat({ max: 8 }),
  },
  { requiredKeys: ["order", "limit"] },
);

function recordOf({ id, user, parent, status, created, updated, expires }: Change): SessionRecord {
  return {
    ...template,
    id,
    status,
    createdAt: created,
    updatedAt: updated,
    ...(user !== null && { userId: `u${user}` }),
    ...(parent !== null && { parentId: `s${parent}` }),
    ...(expires !== null && { expiresAt: expires }),
  };
}

test("pages are those of a plain sort and filter, after any changes", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60 }),
      fc.array(anyQuery, { minLength: 1, maxLength: 8 }),
      (changes, queries) => {
        const index = recordIndex<SessionRecord>();
        const model = new Map<string, SessionRecord>();
        for (const each of changes) {
          if (each.isDelete) {
            index.delete(each.id);
            model.delete(each.id);
          } else {
            const record = recordOf(each);
            index.set(record);
            model.set(record.id, record);
          }
        }
        expect(index.size).toBe(model.size);
        for (const query of queries) {
          const time = (record: SessionRecord): number =>
            query.order === "created" ? record.createdAt : record.updatedAt;
          const expected = [...model.values()]
            .filter((record) => matches(record, query))
            .sort((a, b) => time(b) - time(a) || (a.id < b.id ? 1 : -1));
          const found: SessionRecord[] = [];
          for (let cursor: string | undefined; ; ) {
            const page: Page<SessionRecord> = pageOf(
              index,
              { ...query, ...(cursor !== undefined && { cursor }) },
              "",
              (record) => record,
            );
            found.push(...page.items);
            if (page.cursor === undefined) break;
            expect(page.items).toHaveLength(query.limit);
            cursor = page.cursor;
          }
          expect(found).toEqual(expected);
        }
      },
    ),
  );
});

test("a page is a plain object: its cursor survives a spread and a clone", () => {
  const index = recordIndex<SessionRecord>();
  for (const id of ["a", "b"]) index.set({ ...template, id });
  const page = pageOf(index, { order: "updated", limit: 1 }, "", (record) => record);
  expect(Object.keys(page)).toEqual(["items", "cursor"]);
  expect({ ...page }.cursor).toBe(page.cursor);
  expect(structuredClone(page).cursor).toBe(page.cursor);
});
