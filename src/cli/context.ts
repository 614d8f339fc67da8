/**
 * @module
 * What every command works with: the store that was named, its sessions, and where results go.
 */
import type { Command } from "commander";
import type { Message, SessionStore, Sessions } from "../index.ts";
import { createSessions, createStore } from "../index.ts";
import type { StoredObject } from "../log/entry.ts";
import { CliError } from "./failure.ts";
import type { Output } from "./output.ts";
import { createOutput } from "./output.ts";
import type { StorePlace } from "./store-place.ts";
import { DEFAULT_STORE, exists, makeRoom, placeOf } from "./store-place.ts";

/** Messages of any tool: nothing is known of them but that they are objects. */
export type AnySessions = Sessions<StoredObject>;

export interface StoreContext {
  readonly output: Output;
  /** The URL as it was given, or the default. */
  readonly url: string;
  readonly place: StorePlace | undefined;
  readonly store: SessionStore;
  readonly sessions: AnySessions;
}

interface GlobalOptions {
  readonly store?: string;
  readonly json?: boolean;
  readonly namespace?: string;
}

/**
 * `"existing"`: the store must be there and of this schema; nothing is created or migrated. `"create"`: it is made, or
 * brought up to date.
 */
export type StoreMode = "existing" | "create";

export function outputOf(command: Command): Output {
  return createOutput(command.optsWithGlobals<GlobalOptions>().json === true);
}

/** The store that `--store` names, else `$HOLDFAST_STORE`, else the default. */
export function storeUrl(command: Command): string {
  return command.optsWithGlobals<GlobalOptions>().store || process.env.HOLDFAST_STORE || DEFAULT_STORE;
}

/** Stores that make and update tables when they are first used, unless they are told not to. */
const HAS_TABLES = /^(sqlite|postgres(ql)?|mysql|mariadb):/i;

/** Opens the store of `url`. @throws STORE_NOT_FOUND where it must exist and does not. */
export async function openStore(
  url: string,
  mode: StoreMode,
  options: Readonly<Record<string, unknown>> = {},
): Promise<SessionStore> {
  const place = placeOf(url);
  if (mode === "existing" && !(await exists(place))) {
    throw new CliError(
      "STORE_NOT_FOUND",
      `there is no store at ${place?.path ?? url}; name one with --store or $HOLDFAST_STORE, or make one with \`holdfast demo\` or \`holdfast import\``,
    );
  }
  if (mode === "create") await makeRoom(place);
  const manual = mode === "existing" && HAS_TABLES.test(url);
  return createStore(url, { ...options, ...(manual && { migrate: "manual" }) });
}

/** Opens the command's store, runs `run` with it, and closes it whatever happens. */
export async function withStore(
  command: Command,
  mode: StoreMode,
  run: (context: StoreContext) => Promise<void>,
): Promise<void> {
  const { namespace } = command.optsWithGlobals<GlobalOptions>();
  const url = storeUrl(command);
  const root = await openStore(url, mode);
  const store = namespace === undefined ? root : root.namespace(namespace);
  const sessions = createSessions<StoredObject>({ store });
  try {
    await run({ output: outputOf(command), url, place: placeOf(url), store, sessions });
  } finally {
    await sessions.close();
    if (store !== root) await root.close();
  }
}

export type { Message };
