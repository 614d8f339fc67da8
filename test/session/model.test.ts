/**
 * Random changes to a tree of sessions, through two connections, against lists in memory.
 */
import fc from "fast-check";
import { expect } from "vitest";
import type { Session, Sessions } from "../../src/session/types.ts";
import type { Given, StoreKind } from "./support.ts";
import { collect, onStores, user } from "./support.ts";

interface ModelMessage {
  readonly id: string;
  /** The session whose log it is in, and after it, whoever revised it: its text is the last one's. */
  readonly texts: readonly (readonly [by: string, text: string])[];
}

interface State {
  readonly messages: readonly ModelMessage[];
  readonly data: Readonly<Record<string, number>>;
}

/** What a session was at each position at which that is known. */
interface Model {
  readonly id: string;
  readonly states: Map<number, State>;
  readonly checkpoints: { readonly name: string; readonly seq: number }[];
}

const message = (id: string, by: string, text: string): ModelMessage => ({ id, texts: [[by, text]] });
const textOf = ({ texts }: ModelMessage): string => texts.at(-1)?.[1] ?? "";

const EMPTY: State = { messages: [], data: {} };
/** What is done, and three numbers to choose by. */
const step = fc.tuple(
  fc.constantFrom(
    "append",
    "append",
    "append with ids",
    "append twice",
    "revise",
    "remove",
    "clear",
    "rewind",
    "rewind",
    "setMessages",
    "setData",
    "checkpoint",
    "rewind to checkpoint",
    "fork",
    "delete",
    "erase",
    "both at once",
  ),
  fc.nat(1000),
  fc.nat(1000),
);

const RUNS: Readonly<Record<StoreKind, number>> = { memory: 80, file: 12, sqlite: 12 };

onStores("random changes to a tree of sessions read as they should", async (given) => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      run += 1;
      await play(given, `run-${run}`, steps);
    }),
    { numRuns: RUNS[given.kind] },
  );
});

async function play(
  given: Given,
  prefix: string,
  steps: readonly (readonly [string, number, number])[],
): Promise<void> {
  const sides: Sessions[] = [given.sessions(), given.elsewhere()];
  const root: Model = { id: prefix, states: new Map([[1, EMPTY]]), checkpoints: [] };
  await sides[0]?.create({ id: prefix, label: "l" });
  const models = [root];
  const handles = new Map<string, Session>();
  const open = async (model: Model, side: number): Promise<Session> => {
    const key = `${side} ${model.id}`;
    const handle = handles.get(key) ?? (await (sides[side % 2] ?? given.sessions()).open(model.id));
    handles.set(key, handle);
    return handle;
  };
  let made = 0;
  for (const [index, [action, a, b]] of steps.entries()) {
    const model = models[a % Math.max(1, models.length)];
    if (!model) break;
    const session = await open(model, b % 2);
    const seqs = [...model.states.keys()].sort((x, y) => x - y);
    const top = seqs.at(-1) ?? 0;
    const now = model.states.get(top) ?? EMPTY;
    const target = now.messages[b % Math.max(1, now.messages.length)];
    const set = (seq: number, state: State): void => void model.states.set(seq, state);
    switch (action) {
      case "append":
      case "append with ids":
      case "append twice": {
        const texts = Array.from({ length: 1 + (a % 3) }, (_, part) => `${index}.${part}`);
        const ids = texts.map((text) => `id ${text} of ${model.id}`);
        const options = action === "append" ? {} : { ids };
        const result = await session.append(texts.map(user), options);
        let state = now;
        for (const [part, text] of texts.entries()) {
          const seq = result.seq - texts.length + 1 + part;
          state = {
            ...state,
            messages: [...state.messages, message(result.ids[part] ?? "", model.id, text)],
          };
          set(seq, state);
        }
        if (action === "append twice") {
          const again = await (await open(model, (b + 1) % 2)).append(texts.map(user), options);
          expect(again).toMatchObject({ ids, duplicate: true });
        }
        break;
      }
      case "revise": {
        if (!target) break;
        const { seq } = await session.revise(target.id, user(`revised ${index}`));
        // Of two with one id, one inherited, the newest is meant.
        const at = now.messages.findLastIndex(({ id }) => id === target.id);
        const { id, texts } = now.messages[at] ?? target;
        set(seq, {
          ...now,
          messages: now.messages.with(at, { id, texts: [...texts, [model.id, `revised ${index}`]] }),
        });
        break;
      }
      case "remove": {
        if (!target) break;
        const { seq } = await session.removeMessage(target.id);
        const at = now.messages.findLastIndex(({ id }) => id === target.id);
        set(seq, { ...now, messages: now.messages.toSpliced(at, 1) });
        break;
      }
      case "clear": {
        const { seq } = await session.clearMessages();
        set(seq, { ...now, messages: [] });
        break;
      }
      case "rewind": {
        const to = seqs[b % seqs.length] ?? 0;
        const { seq } = await session.rewind(to);
        set(seq, model.states.get(to) ?? EMPTY);
        drop(model, to, top);
        break;
      }
      case "rewind to checkpoint": {
        const checkpoint = model.checkpoints.at(-1);
        if (!checkpoint) break;
        const { seq } = await session.rewind(checkpoint.name);
        set(seq, model.states.get(checkpoint.seq) ?? EMPTY);
        drop(model, checkpoint.seq, top);
        break;
      }
      case "setMessages": {
        const kept = now.messages.filter((_message, position) => (a >> (position % 8)) % 2 === 0).map(textOf);
        const texts =
          b % 3 === 0 ? [`first ${index}`, ...kept] : b % 3 === 1 ? [...kept, `last ${index}`] : kept;
        await session.setMessages(texts.map(user));
        const found = await collect(session.stream());
        expect(found.map(({ message }) => message.content)).toEqual(texts);
        const messages = found.map(({ id }, position) => {
          const text = texts[position] ?? "";
          const old = now.messages.findLast((one) => one.id === id);
          if (!old) return message(id, model.id, text);
          return textOf(old) === text ? old : { id, texts: [...old.texts, [model.id, text] as const] };
        });
        set(session.record.seq, { ...now, messages });
        break;
      }
      case "setData": {
        const { seq } = await session.setData({ [`k${a % 3}`]: index });
        set(seq, { ...now, data: { ...now.data, [`k${a % 3}`]: index } });
        break;
      }
      case "checkpoint": {
        const { seq, name } = await session.checkpoint(`c${a % 2}`);
        set(seq, now);
        model.checkpoints.push({ name, seq });
        break;
      }
      case "fork": {
        made += 1;
        const at = seqs[b % seqs.length] ?? top;
        const fork = await session.fork({ id: `${prefix}/${made}`, ...(b % 3 > 0 && { at }) });
        const end = b % 3 > 0 ? at : top;
        const states = new Map([...model.states].filter(([seq]) => seq <= end));
        states.set(fork.record.seq, states.get(end) ?? EMPTY);
        // What a rewind past the end took away is there in the fork.
        models.push({ id: fork.id, states, checkpoints: checkpointsAt(model, end) });
        break;
      }
      case "delete": {
        if (models.length < 2) break;
        expect(await sides[b % 2]?.delete(model.id)).toBe(true);
        models.splice(models.indexOf(model), 1);
        break;
      }
      case "erase": {
        if (models.length < 2) break;
        await sides[b % 2]?.erase(model.id);
        models.splice(models.indexOf(model), 1);
        for (const other of models) await forget(other, model.id, await open(other, 0));
        break;
      }
      case "both at once": {
        const [left, right] = [await open(model, 0), await open(model, 1)];
        const results = await Promise.all([
          left.append(user(`left ${index}`)),
          right.append(user(`right ${index}`)),
        ]);
        const texts = ["left", "right"].map((side, part) => ({
          seq: results[part]?.seq ?? 0,
          text: `${side} ${index}`,
        }));
        let state = now;
        for (const { seq, text } of texts.sort((x, y) => x.seq - y.seq)) {
          state = { ...state, messages: [...state.messages, message(`#${seq}`, model.id, text)] };
          set(seq, state);
        }
        break;
      }
    }
  }
  for (const model of models) await expectModel(model, await open(model, 0), await open(model, 1));
}

/** What an heir still is once a session was erased; of the places before, only the newest is sure. */
async function forget(model: Model, erased: string, session: Session): Promise<void> {
  const top = Math.max(...model.states.keys());
  const { messages, data } = model.states.get(top) ?? EMPTY;
  const { seq } = await session.refresh();
  if (seq === top) return;
  const left = messages
    .filter(({ texts }) => texts[0]?.[0] !== erased)
    .map(({ id, texts }) => ({ id, texts: texts.filter(([by]) => by !== erased) }));
  model.states.clear();
  model.states.set(seq, { messages: left, data });
  model.checkpoints.length = 0;
}

/** The checkpoints that a rewind from `top` to `to` takes back. */
function drop(model: Model, to: number, top: number): void {
  if (to === top) return;
  const kept = model.checkpoints.filter(({ seq }) => seq <= to);
  model.checkpoints.splice(0, model.checkpoints.length, ...kept);
}

/** Which checkpoints a fork sees is only sure where nothing was taken back; then they are those before its end. */
function checkpointsAt(model: Model, end: number): Model["checkpoints"] {
  return model.checkpoints.filter(({ seq }) => seq <= end);
}

async function expectModel(model: Model, here: Session, there: Session): Promise<void> {
  const top = Math.max(...model.states.keys());
  const { messages, data } = model.states.get(top) ?? EMPTY;
  const texts = messages.map(textOf);
  for (const session of [here, there]) {
    const found = await collect(session.stream());
    expect(found.map(({ id, message }) => ({ id, text: message.content }))).toEqual(
      messages.map((one) => ({ id: one.id, text: textOf(one) })),
    );
    expect((await session.messages()).map(({ content }) => content)).toEqual(texts);
    expect((await session.messages({ last: 2 })).map(({ content }) => content)).toEqual(texts.slice(-2));
    expect((await session.context()).map(({ content }) => content)).toEqual(texts);
    expect(session.record).toMatchObject({ messageCount: messages.length, seq: top });
    expect(session.data).toEqual(data);
    const seqs = (await collect(session.entries())).map(({ seq }) => seq);
    if (session.record.lineage.every(({ erased }) => !erased)) {
      expect(seqs).toEqual(Array.from({ length: top }, (_, index) => index + 1));
    }
  }
}
