/**
 * @module
 * One conversation: a handle on the session's writer and history.
 */

import type { Command } from "../log/decide.ts";
import type { Entry } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { conversationOf } from "../log/record.ts";
import { checkId, copyValue } from "../log/values.ts";
import { labelOf } from "./create.ts";
import { checkData } from "./data.ts";
import type { History } from "./history.ts";
import { historyOf } from "./history.ts";
import {
  checkCount,
  checkDuration,
  checkLabel,
  checkUsage,
  digestOf,
  entryId,
  newMessages,
  storedObject,
  storedValue,
} from "./input.ts";
import type { AppendResult, Intent } from "./job.ts";
import { branch, checkpoints, compaction, setting, turns, watching } from "./lazy.ts";
import { findMessage, readContext, readMessages } from "./messages.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { freshHistory, recordOf } from "./runtime.ts";
import type { InTurn } from "./turn.ts";
import { storedAs } from "./typed.ts";
import type { AppendOptions, Checkpoint, Session } from "./types.ts";
import type { Writer } from "./writer.ts";

/** A handle on the session of `writer`. */
export function createSession<M extends object, D extends object>(
  runtime: Runtime,
  writer: Writer,
  scope: Scope,
): Session<M, D> {
  const id = writer.sessionId;
  let closed = false;

  const record = (): SessionRecord<D> => storedAs<SessionRecord<D>>(recordOf(writer));
  /** The caller's to change: what is still kept for saving is copied. */
  const own = (message: object): M => storedAs<M>(Object.isFrozen(message) ? copyValue(message) : message);
  const handle = (other: Writer): Session<M, D> => createSession<M, D>(runtime, other, scope);

  async function submit(intent: Intent): Promise<AppendResult> {
    requireOpen();
    return writer.submit(intent);
  }
  const command = (value: Command): Promise<AppendResult> => submit({ command: value });

  function requireOpen(): void {
    runtime.requireOpen();
    if (!closed) return;
    throw new HoldfastError(
      "SESSION_CLOSED",
      `this handle on session ${JSON.stringify(id)} was closed; open the session again to go on`,
      { sessionId: id },
    );
  }

  /** The history as it is now, with what waits to be saved. */
  async function newest(): Promise<History> {
    requireOpen();
    await writer.refresh();
    return historyOf(runtime.store, writer.snapshot());
  }

  /** A history to build on: what waits is saved first. */
  async function saved(): Promise<History> {
    requireOpen();
    return freshHistory(runtime, writer);
  }

  async function append(
    messages: M | readonly M[],
    options: AppendOptions = {},
    turn?: InTurn,
  ): Promise<AppendResult> {
    const list = newMessages(messages, options.ids);
    const usage = options.usage === undefined ? undefined : checkUsage(options.usage);
    const label = record().label === undefined ? labelOf(runtime, list) : undefined;
    return submit({
      command: {
        type: "append",
        messages: list,
        ...(usage && { usage }),
        ...(label !== undefined && { labelIfNone: label }),
        ...(turn && { turnId: turn.id, ...(turn.closing && { closing: turn.closing }) }),
        ...(options.operationId !== undefined && {
          operation: { id: entryId(options.operationId, "operationId"), digest: digestOf(list, usage) },
        }),
      },
      ...(turn && { guard: turn.guard, now: turn.closing !== undefined }),
      ...(options.expectedVersion !== undefined && {
        expectedVersion: checkCount(options.expectedVersion, "expectedVersion"),
      }),
    });
  }

  /** Data is checked against the newest record, since another writer may have changed what a patch meets. */
  function changeData(
    make: (current: SessionRecord) => { data: Record<string, unknown>; command: Command },
  ): Promise<AppendResult> {
    return submit({
      async command(history) {
        const change = make(history.record);
        await checkData(runtime.schema, change.data, id);
        return change.command;
      },
    });
  }

  async function checkpointAt(history: History, name: string): Promise<Checkpoint> {
    const { checkpointsOf } = await checkpoints();
    const found = (await checkpointsOf(history)).findLast((checkpoint) => checkpoint.name === name);
    if (found) return found;
    throw invalidArgument(`session ${JSON.stringify(id)} has no checkpoint ${JSON.stringify(name)}`, id);
  }

  async function targetOf(history: History, to: string | number | { messageId: string }): Promise<number> {
    if (typeof to === "string") return (await checkpointAt(history, to)).seq;
    if (typeof to === "number") return history.positionNow(checkCount(to, "the position to rewind to"));
    return (await findMessage(history, to.messageId)).seq;
  }

  const session: Session<M, D> = {
    id,
    get record() {
      return record();
    },
    get label() {
      return record().label;
    },
    get status() {
      return record().status;
    },
    get usage() {
      return record().usage;
    },
    get data() {
      return record().data;
    },
    get pending() {
      return writer.pending;
    },
    async refresh() {
      requireOpen();
      await writer.refresh();
      return record();
    },

    append: (messages, options) => append(messages, options),
    async revise(messageId, message) {
      const copy = storedObject(message, "the message");
      const result = await submit({
        command: async (history) => ({
          type: "revise",
          seq: (await findMessage(history, messageId)).seq,
          message: copy,
        }),
      });
      return { ...result, ids: [messageId] };
    },
    async removeMessage(messageId) {
      const result = await submit({
        command: async (history) => ({ type: "remove", seq: (await findMessage(history, messageId)).seq }),
      });
      return { ...result, ids: [messageId] };
    },
    async setMessages(messages) {
      const list = newMessages(messages);
      const label = record().label === undefined ? labelOf(runtime, list) : undefined;
      return submit({
        // A message may return after it was cleared or removed: then it is a new entry, whatever its id.
        onDuplicate: "renumber",
        command: async (history) => (await setting()).setMessagesCommand(history, list, label),
      });
    },
    clearMessages: () => command({ type: "clear" }),

    async messages(range = {}) {
      const found = await readMessages(await newest(), range);
      return found.map(({ message }) => own(message));
    },
    async *stream(range = {}) {
      checkRange(range);
      for await (const found of (await newest()).messages(range))
        yield { ...found, message: own(found.message) };
    },
    async *entries(range = {}) {
      checkRange(range);
      const history = await newest();
      if (range.reverse) {
        let { upTo = history.record.seq } = range;
        for (;;) {
          const page: Entry[] = await collectBack(history, { ...range, upTo });
          yield* page;
          const oldest = page.at(-1);
          if (oldest === undefined || page.length < ENTRIES_PAGE) return;
          upTo = oldest.seq - 1;
        }
      }
      yield* history.forward(range);
    },
    async context({ countTokens, ...options } = {}) {
      const count = countTokens && ((message: object) => countTokens(own(message)));
      const found = await readContext(await newest(), { ...options, ...(count && { countTokens: count }) });
      return found.map(own);
    },
    async compact({ summarize, keepLast = 0 }) {
      const { compactCommand, planCompaction } = await compaction();
      const history = await saved();
      const madeAt = history.record.seq;
      const plan = await planCompaction(history, checkCount(keepLast, "keepLast"));
      if (plan.messages.length === 0) {
        return { version: history.record.version, seq: madeAt, ids: [], duplicate: false };
      }
      const summary: unknown = await summarize(plan.messages.map(own));
      const list: readonly unknown[] = Array.isArray(summary) ? summary : [summary];
      const messages = list.map((message) => storedObject(message, "the summary"));
      return submit({ command: (now) => compactCommand(now, madeAt, plan.upTo, messages) });
    },
    watch({ after, signal = new AbortController().signal } = {}) {
      requireOpen();
      // What this handle knows of when it is called: nothing that comes after is missed.
      const { record: now, pending } = writer.snapshot();
      const known = pending[0] ? pending[0].seq - 1 : now.seq;
      const start = after === undefined ? known : checkCount(after, "after");
      return (async function* () {
        const { watchEntries } = await watching();
        yield* watchEntries(runtime, now, start, signal);
      })();
    },

    async setData(patch, options = {}) {
      const copy = storedObject(patch, "data");
      const route = options.route === undefined ? undefined : checkId(options.route, "route");
      return changeData((current) => ({
        data: { ...current.data, ...copy },
        command: { type: "patch-data", patch: copy, ...(route !== undefined && { route }) },
      }));
    },
    async replaceData(data) {
      const copy = storedObject(data, "data");
      return changeData(() => ({ data: copy, command: { type: "replace-data", data: copy } }));
    },
    clearData: () => command({ type: "clear-data" }),
    async enterRoute(route, step) {
      const title = route.title === undefined ? {} : { title: checkLabel(route.title) };
      return command({
        type: "enter-route",
        route: { id: checkId(route.id, "route"), ...title },
        ...(step && { step: { id: checkId(step.id, "step") } }),
      });
    },
    enterStep: async (step) => command({ type: "enter-step", step: { id: checkId(step.id, "step") } }),
    async completeRoute(routeId) {
      return command({
        type: "complete-route",
        ...(routeId !== undefined && { routeId: checkId(routeId, "route") }),
      });
    },
    setMetadata: async (patch) => command({ type: "patch-metadata", patch: storedObject(patch, "metadata") }),
    rename: async (label) => command({ type: "rename", label: checkLabel(label) }),
    complete: () => command({ type: "set-status", status: "completed" }),
    abandon: () => command({ type: "set-status", status: "abandoned" }),
    reopen: () => command({ type: "set-status", status: "active" }),
    touch: async ({ expiresInMs }) =>
      command({ type: "set-expiry", expiresAt: runtime.clock() + checkDuration(expiresInMs, "expiresInMs") }),
    async setState(slot, value) {
      const name = checkId(slot, "slot");
      return command({
        type: "set-state",
        slot: name,
        ...(value !== undefined && { value: storedValue(value, `state ${JSON.stringify(name)}`) }),
      });
    },
    getState(slot) {
      const { state } = record();
      const value = Object.hasOwn(state, slot) ? state[slot] : undefined;
      return value === undefined ? undefined : copyValue(value);
    },
    async addUsage(usage, options = {}) {
      return command({
        type: "add-usage",
        usage: checkUsage(usage),
        ...(options.operationId !== undefined && {
          operationId: entryId(options.operationId, "operationId"),
        }),
      });
    },

    async turn(run, options = {}) {
      requireOpen();
      const { runTurn } = await turns();
      return runTurn(runtime, writer, append, run, options);
    },
    async abandonTurn() {
      requireOpen();
      await writer.refresh();
      const { turn } = recordOf(writer);
      if (!turn) return false;
      await writer.submit({ command: { type: "interrupt-turn" }, now: true });
      return true;
    },
    async fork(options = {}) {
      const history = await saved();
      const { forkFrom } = await branch();
      return handle(await forkFrom(runtime, history, options, scope));
    },
    async spawn(options = {}) {
      requireOpen();
      const parent = await writer.refresh();
      const { spawnFrom } = await branch();
      return handle(await spawnFrom(runtime, parent, options));
    },
    async checkpoint(name, options = {}) {
      const metadata = options.metadata && storedObject(options.metadata, "metadata");
      const result = await command({
        type: "checkpoint",
        name: checkId(name, "checkpoint name"),
        ...(metadata && { metadata }),
      });
      const { seq } = result;
      let at = record().updatedAt;
      for await (const entry of historyOf(runtime.store, writer.snapshot()).forward({
        after: seq - 1,
        upTo: seq,
      }))
        at = entry.at;
      return { name, seq, at, ...(metadata && { metadata }) };
    },
    async checkpoints() {
      const history = await newest();
      return (await checkpoints()).checkpointsOf(history);
    },
    rewind: async (to) =>
      submit({
        async command(history) {
          const position = await targetOf(history, to);
          const { conversationAt } = await branch();
          const restored =
            position > history.record.seq
              ? conversationOf(history.record)
              : await conversationAt(runtime, history, position);
          return { type: "rewind", to: position, restored };
        },
      }),
    async reset(options = {}) {
      const history = await saved();
      const { successorOf } = await branch();
      const successor = await successorOf(runtime, history, options.preserveHistory === true);
      await writer.submit({ command: { type: "set-status", status: "completed" }, now: true });
      return handle(successor);
    },
    async save() {
      requireOpen();
      return writer.save();
    },
    async close() {
      if (closed) return;
      await writer.save();
      closed = true;
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
  return session;
}

const ENTRIES_PAGE = 500;

function checkRange({ after, upTo }: { after?: number; upTo?: number }): void {
  if (after !== undefined) checkCount(after, "after");
  if (upTo !== undefined) checkCount(upTo, "upTo");
}

async function collectBack(
  history: History,
  range: { after?: number; upTo?: number; types?: readonly string[] },
): Promise<Entry[]> {
  const page: Entry[] = [];
  await history.backward(range, (entry) => {
    page.push(entry);
    return page.length >= ENTRIES_PAGE ? "stop" : undefined;
  });
  return page;
}
