/**
 * @module
 * The options that every way to SQLite has.
 */
import { invalidArgument } from "../../log/errors.ts";

export interface SqliteSettings {
  readonly durability: "full" | "normal";
  readonly migrate: "auto" | "manual";
  readonly busyTimeoutMs: number;
}

const DEFAULT_BUSY_TIMEOUT_MS = 5000;

/** The options with their defaults. Throws INVALID_ARGUMENT for one that makes no sense. */
export function checkSettings(
  given: {
    readonly [Key in keyof SqliteSettings]?: SqliteSettings[Key] | undefined;
  },
): SqliteSettings {
  const { durability = "full", migrate = "auto", busyTimeoutMs = DEFAULT_BUSY_TIMEOUT_MS } = given;
  if (durability !== "full" && durability !== "normal")
    throw invalidArgument('durability must be "full" or "normal"');
  if (migrate !== "auto" && migrate !== "manual") throw invalidArgument('migrate must be "auto" or "manual"');
  if (!(busyTimeoutMs >= 0))
    throw invalidArgument("busyTimeoutMs must be a number of milliseconds, 0 or more");
  return { durability, migrate, busyTimeoutMs };
}
