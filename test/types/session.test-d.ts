/** What the compiler knows of sessions without being told. */
import { type } from "arktype";
import * as v from "valibot";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type {
  Entry,
  ErasedPart,
  EraseReport,
  Hold,
  HoldReport,
  Message,
  Page,
  SearchHit,
  Session,
  SessionRecord,
  SessionStore,
  StoredMessage,
} from "../../src/index.ts";
import {
  createSessions,
  createStore,
  fileStore,
  HoldfastError,
  isKnown,
  memoryStore,
} from "../../src/index.ts";
import { auditedSessions } from "../../src/session/audit.ts";
import { startSweeper } from "../../src/session/sweeper.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

describe("the data's type comes from its schema, at the call site", () => {
  test("zod", () => {
    const sessions = createSessions({ data: z.object({ from: z.string(), seats: z.number() }) });
    expectTypeOf(sessions.create)
      .returns.resolves.toHaveProperty("data")
      .toEqualTypeOf<Readonly<Partial<{ from: string; seats: number }>>>();
    expectTypeOf(sessions.find).returns.resolves.toEqualTypeOf<
      SessionRecord<{ from: string; seats: number }> | undefined
    >();
  });

  test("valibot", async () => {
    const session = await createSessions({ data: v.object({ from: v.string() }) }).create();
    expectTypeOf(session.data.from).toEqualTypeOf<string | undefined>();
  });

  test("arktype", async () => {
    const session = await createSessions({ data: type({ from: "string" }) }).create();
    expectTypeOf(session.data.from).toEqualTypeOf<string | undefined>();
  });

  test("data that does not fit is refused", async () => {
    const session = await createSessions({ data: z.object({ seats: z.number() }) }).create();
    // @ts-expect-error seats is a number
    void session.setData({ seats: "two" });
    // @ts-expect-error there is no such key
    void session.setData({ seat: 2 });
    // @ts-expect-error data is read-only
    session.data.seats = 3;
  });

  test("without a schema data is a dictionary", async () => {
    const session = await createSessions().create();
    expectTypeOf(session).toEqualTypeOf<Session<Message, Record<string, unknown>>>();
    expectTypeOf(session.data["anything"]).toEqualTypeOf<unknown>();
  });
});

describe("messages", () => {
  interface TextPart {
    type: "text";
    text: string;
  }
  interface CallPart {
    type: "tool-call";
    toolCallId: string;
    toolName: string;
    input: unknown;
  }
  type ModelMessage =
    | { role: "system"; content: string; providerOptions?: Record<string, unknown> }
    | { role: "user"; content: string | TextPart[] }
    | { role: "assistant"; content: string | (TextPart | CallPart)[] };

  test("messages of the shape of the AI SDK fit the default", async () => {
    const session = await createSessions().create();
    expectTypeOf<ModelMessage>().toExtend<Message>();
    void session.append([] as ModelMessage[]);
    void session.append({ role: "user", content: [{ type: "text", text: "hi" }] });
  });

  test("messages that are interfaces fit too, and so do their parts", async () => {
    interface UserMessage {
      role: "user";
      content: string | TextPart[];
      providerOptions?: Record<string, Record<string, unknown>>;
    }
    interface ToolMessage {
      role: "tool";
      content: { type: "tool-result"; toolCallId: string; toolName: string; output: unknown }[];
    }
    expectTypeOf<UserMessage>().toExtend<Message>();
    expectTypeOf<ToolMessage>().toExtend<Message>();
    const session = await createSessions().create();
    const message: UserMessage | ToolMessage = { role: "user", content: "hi" };
    void session.append([message]);
    void session.setMessages([message]);
    void session.revise("m", message);
    void session.compact({ summarize: async (messages) => messages.slice(0, 1) });
  });

  test("what is no message is refused", async () => {
    const session = await createSessions().create();
    // @ts-expect-error there is no such role
    void session.append({ role: "robot", content: "hi" });
    // @ts-expect-error content is missing
    void session.append({ role: "user" });
  });

  test("another type of message goes in and comes back", async () => {
    const session = await createSessions<ModelMessage>().create();
    expectTypeOf(session.messages).returns.resolves.toEqualTypeOf<ModelMessage[]>();
    expectTypeOf(session.context).returns.resolves.toEqualTypeOf<ModelMessage[]>();
    expectTypeOf(session.stream()).toEqualTypeOf<AsyncIterable<StoredMessage<ModelMessage>>>();
    expectTypeOf(session.fork).returns.resolves.toEqualTypeOf<
      Session<ModelMessage, Record<string, unknown>>
    >();
  });
});

test("what a user's view, a fork and an import hold is typed as the sessions are", async () => {
  const sessions = createSessions({ data: z.object({ seats: z.number() }) });
  type Trip = Session<Message, { seats: number }>;
  expectTypeOf(sessions.forUser("u").open).returns.resolves.toEqualTypeOf<Trip>();
  expectTypeOf(sessions.fork).returns.resolves.toEqualTypeOf<Trip>();
  expectTypeOf(sessions.import).returns.resolves.toEqualTypeOf<Trip>();
  expectTypeOf(sessions.latest).returns.resolves.toEqualTypeOf<Trip | undefined>();
  // @ts-expect-error seats is a number
  void sessions.create({ data: { seats: "two" } });
  const migrating = { data: z.object({ seats: z.number() }), dataVersion: 2 };
  void createSessions({ ...migrating, migrateData: () => ({ seats: 1 }) });
  // @ts-expect-error what is migrated must fit
  void createSessions({ ...migrating, migrateData: () => ({ seats: "one" }) });
});

test("results are typed", async () => {
  const sessions = createSessions({ store: memoryStore() });
  const session = await sessions.create();
  expectTypeOf(await session.turn(async (turn) => turn.id)).toEqualTypeOf<string>();
  expectTypeOf(await sessions.search("x")).toEqualTypeOf<Page<SearchHit>>();
  expectTypeOf(await sessions.list()).toEqualTypeOf<Page<SessionRecord<Record<string, unknown>>>>();
  // @ts-expect-error a deleted session is deleted by delete()
  void sessions.setStatus("s", "deleted");
});

test("every store is a store, and a store that is being opened will do", () => {
  expectTypeOf(memoryStore()).toExtend<SessionStore>();
  expectTypeOf(fileStore("x")).toExtend<SessionStore>();
  expectTypeOf(sqliteStore({ path: "x" })).toExtend<SessionStore>();
  void createSessions({ store: createStore("memory:") });
  // @ts-expect-error a path or a database, not both
  void sqliteStore({});
});

test("an entry's data is known by its type", () => {
  const entry = {} as Entry;
  if (isKnown(entry) && entry.type === "label.set") expectTypeOf(entry.data.label).toEqualTypeOf<string>();
});

test("an error is known by its code", () => {
  const error: unknown = undefined;
  if (HoldfastError.is(error)) expectTypeOf(error.retryable).toEqualTypeOf<boolean>();
});

describe("retention and audit", () => {
  test("reports say what they hold", async () => {
    const sessions = createSessions();
    expectTypeOf(sessions.erase).returns.resolves.toEqualTypeOf<EraseReport>();
    expectTypeOf<EraseReport["removed"][number]>().toEqualTypeOf<ErasedPart>();
    expectTypeOf<ErasedPart["what"]>().toEqualTypeOf<
      "entries" | "records" | "indexes" | "blobs" | "journal" | "keys" | "replica" | "vault"
    >();
    expectTypeOf(sessions.hold).returns.resolves.toEqualTypeOf<HoldReport>();
    expectTypeOf<SessionRecord["hold"]>().toEqualTypeOf<Hold | undefined>();
    // @ts-expect-error a hold has a reason
    void sessions.hold("s", {});
    // @ts-expect-error nobody prunes what is deleted
    void sessions.prune({ status: "deleted" });
    // @ts-expect-error bounds are the sweeper's own
    void startSweeper(sessions, { rules: [{ limit: 1 }] });
  });

  test("audited sessions are sessions, with their messages and data", async () => {
    const plain = createSessions({ data: z.object({ seats: z.number() }) });
    const sessions = auditedSessions(plain, { sink: () => undefined });
    expectTypeOf(sessions).toExtend<typeof plain>();
    expectTypeOf(sessions.as("carol").forUser("alice").as).toBeFunction();
    expectTypeOf(sessions.forUser("alice").open).returns.resolves.toEqualTypeOf<
      Session<Message, { seats: number }>
    >();
    // @ts-expect-error a sink takes events
    void auditedSessions(plain, { sink: (event: string) => event });
  });
});
