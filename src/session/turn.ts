/**
 * @module
 * Turns: one exchange under a lease, so that two workers never answer at once and a crash can be told from work.
 */
import { randomUUID } from "node:crypto";
import type { NewMessage } from "../log/decide.ts";
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { labelOf } from "./create.ts";
import { checkDuration, newMessages } from "./input.ts";
import type { AppendResult, Intent } from "./job.ts";
import type { Runtime } from "./runtime.ts";
import type { AppendOptions, Turn, TurnOptions } from "./types.ts";
import type { Writer } from "./writer.ts";

/** Renewed at a third of its time, a lease outlives one renewal that fails and one that is late. */
const RENEWALS_PER_LEASE = 3;
/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How a turn's messages are appended. */
export interface InTurn {
  readonly id: string;
  readonly guard: NonNullable<Intent["guard"]>;
  readonly closing?: "end" | "park";
}

type Append<M> = (
  messages: M | readonly M[],
  options?: AppendOptions,
  turn?: InTurn,
) => Promise<AppendResult>;

/** The turns that run in this process: none of them was left by a crash. */
const running = new Set<string>();

/** Runs `run` as a turn of the writer's session; see `Session.turn`. */
export async function runTurn<M, T>(
  runtime: Runtime,
  writer: Writer,
  append: Append<M>,
  run: (turn: Turn<M>) => Promise<T>,
  options: TurnOptions<M>,
): Promise<T> {
  const { sessionId } = writer;
  const messages = newMessages(options.messages ?? []);
  const leaseMs = options.leaseMs === undefined ? runtime.leaseMs : checkDuration(options.leaseMs, "leaseMs");
  const owner = options.owner === undefined ? runtime.owner : checkId(options.owner, "owner");
  options.signal?.throwIfAborted();
  await writer.refresh();
  const fresh = randomUUID();
  let resumed: string | undefined;
  const unclaim = (): void => {
    if (resumed !== undefined) running.delete(resumed);
    resumed = undefined;
  };
  await commitNow(writer, {
    command({ record: { turn } }) {
      unclaim();
      // Claimed as it is decided: another handle's attempt may go into the same commit.
      if (options.resume && turn && !running.has(turn.id)) {
        resumed = turn.id;
        running.add(resumed);
      }
      return resumed === undefined
        ? {
            type: "start-turn",
            turnId: fresh,
            owner,
            leaseMs,
            messages,
            ...labelFor(runtime, writer, messages),
          }
        : { type: "resume-turn", owner, leaseMs };
    },
  }).catch((error: unknown) => {
    unclaim();
    throw error;
  });
  const id = resumed ?? fresh;
  running.add(id);

  /** A turn that is resumed keeps its id, so the owner tells whose it is now. */
  const guard = ({ turn }: SessionRecord): void => {
    if (turn?.id === id && turn.owner !== owner) throw takenOver(sessionId, id, turn.owner);
  };
  const isLost = (error: unknown): boolean =>
    HoldfastError.is(error, "TURN_IN_PROGRESS") ||
    HoldfastError.is(error, "SESSION_DELETED") ||
    HoldfastError.is(error, "SESSION_NOT_FOUND");
  const report = (operation: string, error: unknown): void =>
    runtime.events.emit("error", { sessionId, operation, error }, writer.record?.userId);
  const end = (outcome: "completed" | "failed" | "aborted", reason?: string): Promise<void> => {
    clearInterval(renewal);
    const command = {
      type: "end-turn",
      turnId: id,
      outcome,
      ...(reason !== undefined && { reason }),
    } as const;
    return commitNow(writer, { command, guard });
  };

  let isOver = false;
  /** The last append of a turn, after which there is nothing to renew and nothing to end. */
  const finish = async (
    closing: "end" | "park",
    last: M | readonly M[] = [],
    appendOptions?: AppendOptions,
  ): Promise<AppendResult> => {
    const result = await append(last, appendOptions, { id, guard, closing });
    isOver = true;
    clearInterval(renewal);
    return result;
  };

  const lost = new AbortController();
  const renewal = setInterval(
    () => {
      commitNow(writer, { command: { type: "extend-turn", turnId: id, owner, leaseMs }, guard }).catch(
        (error: unknown) => {
          if (!isLost(error)) report("renewing the lease of a turn", error);
          else if (running.has(id)) lost.abort(error);
        },
      );
    },
    Math.min(leaseMs / RENEWALS_PER_LEASE, MAX_TIMER_MS),
  );
  // The work keeps the process alive, not its lease.
  renewal.unref();

  const turn: Turn<M> = {
    id,
    owner,
    resumed: resumed !== undefined,
    signal: options.signal ? AbortSignal.any([options.signal, lost.signal]) : lost.signal,
    append: (more, appendOptions) => append(more, appendOptions, { id, guard }),
    end: (last, appendOptions) => finish("end", last, appendOptions),
    park: (last, appendOptions) => finish("park", last, appendOptions),
  };
  try {
    const result = await run(turn);
    if (!isOver) await end("completed");
    return result;
  } catch (error) {
    if (!isOver && writer.record?.turn?.id === id) {
      // The kind of failure only: its message may hold what is not for the log.
      const reason = HoldfastError.is(error) ? error.code : error instanceof Error ? error.name : "unknown";
      // The caller gets the error of its own work; that the turn stays open until its lease runs out is told here.
      await end(options.signal?.aborted ? "aborted" : "failed", reason).catch((closing: unknown) => {
        if (!isLost(closing)) report("ending a failed turn", closing);
      });
    }
    throw error;
  } finally {
    clearInterval(renewal);
    running.delete(id);
  }
}

function labelFor(
  runtime: Runtime,
  writer: Writer,
  messages: readonly NewMessage[],
): { labelIfNone?: string } {
  const label = writer.record?.label === undefined ? labelOf(runtime, messages) : undefined;
  return label === undefined ? {} : { labelIfNone: label };
}

/** A lease that waits in memory is none, so it is committed whatever auto-save says. */
async function commitNow(writer: Writer, intent: Intent): Promise<void> {
  await writer.submit({ ...intent, now: true });
}

function takenOver(sessionId: string, turnId: string, owner: string): HoldfastError {
  return new HoldfastError(
    "TURN_IN_PROGRESS",
    `turn ${JSON.stringify(turnId)} of session ${JSON.stringify(sessionId)} was taken over by ${JSON.stringify(owner)}; stop this worker, what it wrote before is kept`,
    { sessionId, retryable: false },
  );
}
