/**
 * @module
 * Errors of MongoDB and of its driver as errors of Holdfast that say what to do, without a secret in them.
 *
 * @see https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml for the codes
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";

export const NAME = "mongodb";

interface Meaning {
  readonly code: "STORE_UNAVAILABLE" | "STORE_CORRUPT" | "MIGRATION_REQUIRED";
  readonly retryable: boolean;
  readonly text: string;
}

const again = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: true, text });
const refused = (text: string): Meaning => ({ code: "STORE_UNAVAILABLE", retryable: false, text });

const ACCESS = refused("MongoDB refused the user name or password; check what the client was given");
const NOT_ALLOWED = refused(
  "this MongoDB user may not do that; grant it readWrite on the database, or run migrate() as one who may make collections and indexes",
);
const NOT_PRIMARY = again("this MongoDB server does not take writes now; try again after the failover");
const MAJORITY = again(
  "MongoDB did not confirm in time that a majority of the replica set has the write; see `rs.status()` and try again",
);

/** By the code of the server's answer. */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [18, ACCESS],
  [8000, ACCESS],
  [13, NOT_ALLOWED],
  [20, refused("this MongoDB server does not support something that the store needs")],
  [26, refused("the MongoDB collection is gone; run migrate()")],
  [50, again("MongoDB took too long and stopped; try again")],
  [64, MAJORITY],
  [100, MAJORITY],
  [91, NOT_PRIMARY],
  [189, NOT_PRIMARY],
  [10058, NOT_PRIMARY],
  [10107, NOT_PRIMARY],
  [11600, NOT_PRIMARY],
  [11602, NOT_PRIMARY],
  [13435, NOT_PRIMARY],
  [13436, NOT_PRIMARY],
  [14031, again("MongoDB is short of disk space and refuses writes; free some")],
  [
    73,
    refused(
      "MongoDB takes no such database or collection name; choose another `database` or other `collections`",
    ),
  ],
  [
    85,
    {
      code: "MIGRATION_REQUIRED",
      retryable: false,
      text: "an index of the store's name is there already with other options; drop it and run migrate(), or choose other `collections`",
    },
  ],
  [
    86,
    {
      code: "MIGRATION_REQUIRED",
      retryable: false,
      text: "an index of the store's name is there already with other fields; drop it and run migrate(), or choose other `collections`",
    },
  ],
  [
    166,
    {
      code: "MIGRATION_REQUIRED",
      retryable: false,
      text: "something else is stored under the name of a collection of the store (a view?); choose other `collections`",
    },
  ],
]);

/** Lost, refused and timed-out connections, as the driver names and words them. */
const CONNECTION =
  /MongoNetwork|MongoServerSelection|MongoTopologyClosed|MongoPoolCleared|MongoPoolClosed|MongoWaitQueueTimeout|MongoOperationTimeout|MongoUnexpectedServerResponse|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|connection \S+ to \S+ (?:closed|timed out|interrupted)/;
/** What servers that keep their documents in PostgreSQL hand on from there. */
const ACCESS_REFUSED = /SQLSTATE 28/;
const PERMISSION_REFUSED = /SQLSTATE 42501/;
const READ_ONLY = /SQLSTATE 25006/;
const CLOSED =
  /MongoClientClosed|MongoNotConnected|Client must be connected|client was closed|Topology is closed/;

/** `error` as a HoldfastError. A commit that ends so may or may not have taken place. */
export function toHoldfastError(error: unknown, sessionId?: string): HoldfastError {
  if (HoldfastError.is(error)) return error;
  const message = withoutSecrets(messageOf(error));
  const { code, retryable, text } = meaningOf(error, message);
  return new HoldfastError(
    code,
    `${text}${sessionId === undefined ? "" : ` (session ${JSON.stringify(sessionId)})`}: ${message}`,
    { sessionId, store: NAME, retryable, cause: causeOf(error, message) },
  );
}

function meaningOf(error: unknown, message: string): Meaning {
  const named = `${error instanceof Error ? error.name : ""} ${message}`;
  const known = MEANINGS.get(codeOf(error) ?? 0);
  if (known) return known;
  if (ACCESS_REFUSED.test(named)) return ACCESS;
  if (PERMISSION_REFUSED.test(named)) return NOT_ALLOWED;
  if (READ_ONLY.test(named)) return NOT_PRIMARY;
  if (CLOSED.test(named))
    return refused(
      "the MongoDB client is closed, or its first connection failed; connect it again: client.connect()",
    );
  if (CONNECTION.test(named) || hasLabel(error, "RetryableWriteError"))
    return again("MongoDB could not be reached or did not answer; see that the server runs, then try again");
  return refused("MongoDB refused a command");
}

/** The code of the server's answer, where there is one. */
export function codeOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "number" ? error.code : undefined;
}

function hasLabel(error: unknown, label: string): boolean {
  if (typeof error !== "object" || error === null || !("hasErrorLabel" in error)) return false;
  return typeof error.hasErrorLabel === "function" && error.hasErrorLabel(label) === true;
}

/** A URL's user and password never get into a message. */
function withoutSecrets(message: string): string {
  return message.replaceAll(/\/\/[^/\s]*@/g, "//***@");
}

/** A driver's error may carry the command that failed with all that it was to write, and the client's options. */
function causeOf(error: unknown, message: string): Error {
  const cause = new Error(message);
  if (error instanceof Error) cause.name = error.name;
  return cause;
}
