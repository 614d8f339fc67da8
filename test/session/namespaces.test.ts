/** Tenants: sessions over namespaces of one store. */
import { expect } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import { onStores, user } from "./support.ts";

onStores(
  "the same id in two namespaces is two sessions, and each record says where it is",
  async ({ store }) => {
    const tenants = [
      store,
      store.namespace("acme"),
      store.namespace("acme").namespace("eu"),
      store.namespace("acme/eu"),
    ];
    const all = tenants.map((tenant) => createSessions({ store: tenant }));
    for (const [index, sessions] of all.entries()) {
      const session = await sessions.create({ id: "s" });
      await session.append(user(`tenant ${index}`));
    }
    for (const [index, sessions] of all.entries()) {
      expect(await (await sessions.open("s")).messages()).toEqual([user(`tenant ${index}`)]);
      expect((await sessions.list()).items).toHaveLength(1);
    }
    const names = await Promise.all(all.map(async (sessions) => (await sessions.find("s"))?.namespace));
    expect(names).toEqual(["", "acme", "acme/eu", "acme%2Feu"]);
  },
);

onStores("forks, children and imports are in the namespace of their sessions", async ({ store }) => {
  const sessions = createSessions({ store: store.namespace("acme") });
  const session = await sessions.create();
  const lines: string[] = [];
  for await (const line of sessions.export(session.id)) lines.push(line);
  const made = [
    await session.fork(),
    await session.spawn(),
    await session.reset(),
    await sessions.import(lines, { id: "in" }),
  ];
  expect(made.map(({ record }) => record.namespace)).toEqual(["acme", "acme", "acme", "acme"]);

  const elsewhere = createSessions({ store: store.namespace("other") });
  expect((await elsewhere.import(lines, { id: "in" })).record.namespace).toBe("other");
});
