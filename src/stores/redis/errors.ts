/**
 * @module
 * Errors of Redis and of its clients as errors of Holdfast that say what to do, without a secret in them.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors for the codes
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { NAME } from "./replies.ts";

interface Meaning {
  readonly code: "STORE_UNAVAILABLE" | "STORE_CORRUPT";
  readonly retryable: boolean;
  readonly text: string;
}

const again = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: true, text });
const refused = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: false, text });

/** By the word that a reply begins with. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ["LOADING", again("Redis is still loading its data; try again in a moment")],
  [
    "READONLY",
    again("this Redis is a read-only replica; connect to the primary, or try again after the failover"),
  ],
  ["MASTERDOWN", again("this Redis replica has lost its primary; connect to the primary")],
  ["CLUSTERDOWN", again("the Redis Cluster does not serve this slot now; see `CLUSTER INFO` and try again")],
  ["TRYAGAIN", again("the Redis Cluster is moving this slot or replacing its master; try again")],
  ["MOVED", refused("this Redis is a node of a Cluster; give the store a Cluster client")],
  ["ASK", refused("this Redis is a node of a Cluster; give the store a Cluster client")],
  ["CROSSSLOT", refused("this Redis is a Cluster; give the store a Cluster client")],
  ["OOM", again("Redis is out of memory and wrote nothing; raise maxmemory or remove sessions (see prune)")],
  ["MISCONF", again("Redis can't save to its disk and refuses writes; free some space or see its log")],
  ["NOREPLICAS", again("Redis has fewer replicas than min-replicas-to-write and refuses writes")],
  ["BUSY", again("Redis is busy with a long script of somebody's; try again")],
  ["NOAUTH", refused("Redis asks for a password; give the client one")],
  ["WRONGPASS", refused("Redis refused the user name or password; check what the client was given")],
  ["NOPERM", refused("this Redis user may not run a command or touch a key; see `ACL LOG`")],
  [
    "WRONGTYPE",
    {
      code: "STORE_CORRUPT",
      retryable: false,
      text: "a key of the store holds a value of another type, so another program wrote it; nothing was changed: remove that key, or give the store a keyPrefix of its own",
    },
  ],
]);

/** A Cluster client that was sent from node to node too often: slots move, or a master is being replaced. */
const REDIRECTED = /Too many Cluster redirections/i;

/** Lost, refused and timed-out connections, as the clients word them. */
const CONNECTION =
  /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed? ?out|closed|Connection|offline|writeable|retries|disconnect|ClusterAllFailed|slots cache/i;

/** `error` as a HoldfastError. A commit that ends so may or may not have taken place. */
export function toHoldfastError(error: unknown, sessionId?: string): HoldfastError {
  if (HoldfastError.is(error)) return error;
  const message = withoutSecrets(messageOf(error));
  const make = ({ code, retryable, text }: Meaning): HoldfastError =>
    new HoldfastError(
      code,
      `${text}${sessionId === undefined ? "" : ` (session ${JSON.stringify(sessionId)})`}: ${message}`,
      { sessionId, store: NAME, retryable, cause: causeOf(error, message) },
    );
  const known = REDIRECTED.test(message) ? MEANINGS.get("TRYAGAIN") : MEANINGS.get(replyCode(error) ?? "");
  if (known) return make(known);
  if (message.includes("XADD is equal or smaller")) {
    return make({
      code: "STORE_CORRUPT",
      retryable: false,
      text: 'the log of the session is ahead of its record; nothing was changed, run "holdfast doctor"',
    });
  }
  if (isOfConnection(error, message))
    return make(
      again("Redis could not be reached or did not answer; see that the server runs, then try again"),
    );
  return make(refused("Redis refused a command"));
}

/** The word that a reply of the server begins with, for example `"NOSCRIPT"`. */
export function replyCode(error: unknown): string | undefined {
  return /^(?:ReplyError: )?-?([A-Z]{2,})\b/.exec(messageOf(error))?.[1];
}

function isOfConnection(error: unknown, message: string): boolean {
  if (replyCode(error) === "ERR") return false;
  return (
    CONNECTION.test(message) ||
    (error instanceof Error && CONNECTION.test(error.name + error.constructor.name))
  );
}

/** A URL's user and password never get into a message. */
function withoutSecrets(message: string): string {
  return message.replaceAll(/\/\/[^/\s]*@/g, "//***@");
}

/** A client's error may carry the command that failed with all its arguments, a password among them. */
function causeOf(error: unknown, message: string): Error {
  const cause = new Error(message);
  if (error instanceof Error) cause.name = error.name;
  return cause;
}

export function closedError(cause?: unknown): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", "the redis store is closed; make a new one", {
    store: NAME,
    retryable: false,
    cause,
  });
}
