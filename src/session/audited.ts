/**
 * @module
 * Puts the audit around sessions, handles and turns, as `audit-table.ts` says what each method is.
 */
import { randomUUID } from "node:crypto";
import { HoldfastError, messageOf } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { answerOf } from "./audit-answer.ts";
import type { AuditEvent, AuditSink } from "./audit-event.ts";
import type { Kind } from "./audit-table.ts";
import { AUDITED } from "./audit-table.ts";

export interface Auditing {
  readonly sink: AuditSink;
  readonly required: boolean;
  readonly clock: () => number;
  readonly failed: (error: unknown, event: AuditEvent) => void;
  /** Looks for a session of anybody, to tell what is denied from what is not there. */
  readonly find: (id: string) => Promise<SessionRecord | undefined>;
  readonly who: Pick<AuditEvent, "actor" | "userId" | "namespace">;
}

/** `sessions`, audited. */
export function audited<T extends object>(sessions: T, auditing: Auditing): T {
  // Calls begin in the order that they were made in, however long the sink takes for each.
  return wrap(sessions, "sessions", {}, { ...auditing, order: { last: Promise.resolve() } });
}

type Ordered = Auditing & { readonly order: { last: Promise<unknown> } };
type Subject = Pick<AuditEvent, "sessionId" | "namespace">;

function wrap<T extends object>(
  target: T,
  name: keyof typeof AUDITED,
  subject: Subject,
  auditing: Ordered,
): T {
  const kinds = new Map<string | symbol, Kind>(Object.entries(AUDITED[name]));
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key);
      // Also ends of blocks are closings, which may save.
      const method = name === "session" && key === Symbol.asyncDispose ? "close" : key;
      const kind = kinds.get(method) ?? "quiet";
      if (typeof value !== "function" || kind === "quiet") return value;
      return (...args: unknown[]) => {
        const [first] = args;
        const id = kind.startsWith("named") && typeof first === "string" ? { sessionId: first } : {};
        const about = { action: `${name}.${String(method)}`, ...subject, ...id };
        const run = (): unknown =>
          Reflect.apply(value, object, kind === "long" ? inTurn(args, subject, auditing) : args);
        return kind.endsWith("stream") ? stream(run(), about, auditing) : call(run, about, kind, auditing);
      };
    },
  });
}

/** The arguments of `turn`, with the turn that its function gets audited. */
function inTurn([work, ...rest]: unknown[], subject: Subject, auditing: Ordered): unknown[] {
  if (typeof work !== "function") return [work, ...rest];
  const run = (turn: object): unknown =>
    Reflect.apply(work, undefined, [wrap(turn, "turn", subject, auditing)]);
  return [run, ...rest];
}

type About = Pick<AuditEvent, "action" | "sessionId" | "namespace">;

interface Operation {
  /** Calls `work` once it may begin, after all that was asked for before it; resolves as soon as it was called. */
  begin<T>(work: () => T): Promise<{ readonly result: T }>;
  end(outcome: AuditEvent["outcome"], more?: Partial<AuditEvent>): Promise<void>;
}

function operation(about: About, isTold: boolean, auditing: Ordered): Operation {
  const { sink, required, clock, failed, who, order } = auditing;
  const base = { at: clock(), operation: randomUUID(), ...who, ...about };
  const tell = async (event: AuditEvent): Promise<void> => sink(Object.freeze(event));
  const begun: AuditEvent = { ...base, outcome: "begun" };
  const told = required || isTold ? tell(begun) : Promise.resolve();
  const isReady = told.catch(required ? refuse(about) : (error: unknown) => failed(error, begun));
  return {
    begin(work) {
      const called = Promise.all([order.last, isReady]).then(() => ({ result: work() }));
      order.last = Promise.allSettled([called]);
      return called;
    },
    async end(outcome, more) {
      const event = { ...base, ...more, outcome };
      await tell(event).catch((error: unknown) => failed(error, event));
    },
  };
}

function refuse({ action, sessionId }: About): (error: unknown) => never {
  return (error) => {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `${action} was not done: the audit trail could not be written (${messageOf(error)}); try again`,
      { sessionId, cause: error },
    );
  };
}

async function call(run: () => unknown, about: About, kind: Kind, auditing: Ordered): Promise<unknown> {
  const { begin, end } = operation(about, kind === "long", auditing);
  const called = await begin(() => begun(run));
  let result: unknown;
  try {
    result = await called.result;
  } catch (error) {
    const sessionId = about.sessionId ?? (HoldfastError.is(error) ? error.sessionId : undefined);
    await end(await failureOf(error, about, auditing), sessionId === undefined ? {} : { sessionId });
    throw error;
  }
  const answer = answerOf(result);
  const isKept = answer.isNothing && (await isAnothers(about, auditing));
  await end(isKept ? "denied" : "ok", relatedTo(about, answer.told));
  // The value of a turn is its caller's.
  if (kind === "long" || !answer.isSession || typeof result !== "object" || result === null) return result;
  const { sessionId, namespace } = answer.told;
  const subject = {
    ...(sessionId !== undefined && { sessionId }),
    ...(namespace !== undefined && { namespace }),
  };
  return wrap(result, "session", subject, auditing);
}

/** What throws at once fails as what fails later does. */
async function begun(run: () => unknown): Promise<unknown> {
  return run();
}

/** Where another session came of one, both are named. */
function relatedTo({ sessionId }: About, told: Partial<AuditEvent>): Partial<AuditEvent> {
  if (sessionId === undefined || told.sessionId === undefined || told.sessionId === sessionId) return told;
  return { ...told, sessionId, sessionIds: [told.sessionId] };
}

async function* stream(items: unknown, about: About, auditing: Ordered): AsyncGenerator<unknown> {
  const { begin, end } = operation(about, true, auditing);
  await begin(() => undefined);
  let count = 0;
  let outcome: AuditEvent["outcome"] = "ok";
  try {
    for await (const item of isIterable(items) ? items : []) {
      count += 1;
      yield item;
    }
  } catch (error) {
    outcome = await failureOf(error, about, auditing);
    throw error;
  } finally {
    // Also where its reader has seen enough.
    await end(outcome, { count });
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

async function failureOf(error: unknown, about: About, auditing: Ordered): Promise<AuditEvent["outcome"]> {
  if (!HoldfastError.is(error)) return "ERROR";
  const mayBeKept = error.code === "SESSION_NOT_FOUND" || error.code === "SESSION_EXISTS";
  const sessionId = about.sessionId ?? error.sessionId;
  const named = { ...about, ...(sessionId !== undefined && { sessionId }) };
  return mayBeKept && (await isAnothers(named, auditing)) ? "denied" : error.code;
}

/** Whether the session is there, and the user whose sessions alone are to be seen is not its user. */
async function isAnothers({ sessionId }: About, { who, find }: Ordered): Promise<boolean> {
  if (who.userId === undefined || sessionId === undefined) return false;
  try {
    const record = await find(sessionId);
    return record !== undefined && record.userId !== who.userId;
  } catch (error) {
    // It can't be known; what the user was told stands in the trail as it is.
    if (HoldfastError.is(error)) return false;
    throw error;
  }
}
