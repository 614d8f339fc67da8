/**
 * @module
 * Blobs in a bucket of S3, or of a service that speaks its protocol. `@aws-sdk/client-s3` is imported only here, at the
 * first call.
 */
import { HoldfastError, invalidArgument, messageOf } from "../../log/errors.ts";
import type { BlobStore } from "./blob-store.ts";

export interface S3BlobsOptions {
  /** It must be there. */
  readonly bucket: string;
  /** What all keys begin with, for example `"holdfast/"`. Default: nothing. */
  readonly prefix?: string;
  /** An `S3Client` of your own, which stays open. Default: one is made of the options that follow. */
  readonly client?: S3ClientLike;
  /** Default: what the AWS SDK finds in the environment. */
  readonly region?: string;
  /** Of a service other than AWS, for example `"https://minio.example.com:9000"`. */
  readonly endpoint?: string;
  /** Whether the bucket is named in the path, as most other services have it. Default: where there is an `endpoint`. */
  readonly forcePathStyle?: boolean;
  /** Default: what the AWS SDK finds in the environment, in its files, or for the machine. */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** How long one request may take, all attempts at it together. Default 30,000. */
  readonly timeoutMs?: number;
  /** How often a request is tried, where the client is not your own. Default 3. */
  readonly maxAttempts?: number;
}

/** What is used of an `S3Client`. */
export interface S3ClientLike {
  send(command: object, options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
  destroy?(): void;
}

type Sdk = typeof import("@aws-sdk/client-s3");

/** What the service answers where a blob isn't there, or the bucket. */
const ABSENT = "NoSuchKey";
/** Statuses of the kind that says that the request is wrong, though it isn't: too slow, too many. */
const PASSING: ReadonlySet<number | undefined> = new Set([408, 425, 429]);

/**
 * Blobs as objects of a bucket. Each is written by one request, so that there is never a part of one.
 *
 * The credentials need to put, get and delete objects, and to list the bucket: without that, S3 says of a blob that is
 * missing that access is denied. Have no rule delete objects of the prefix by age.
 *
 * @throws INVALID_ARGUMENT for options that are none. From its methods: STORE_UNAVAILABLE where the service can't be
 *   reached, refuses, or takes longer than `timeoutMs`, and where `@aws-sdk/client-s3` is not installed. No error holds a key.
 * @example
 * ```ts
 * const blobs = s3Blobs({ bucket: "my-sessions", region: "eu-central-1" });
 * const store = offloadedStore(postgresStore({ pool }), { blobs });
 * ```
 */
export function s3Blobs(options: S3BlobsOptions): BlobStore {
  const { bucket, prefix = "", client, endpoint, timeoutMs = 30_000, maxAttempts = 3 } = options;
  if (typeof bucket !== "string" || bucket === "") throw invalidArgument("s3Blobs needs a bucket");
  if (typeof prefix !== "string" || prefix.length > 500)
    throw invalidArgument("the prefix of s3Blobs must be a text of at most 500 characters");
  for (const [name, value] of Object.entries({ timeoutMs, maxAttempts })) {
    if (!Number.isInteger(value) || value < 1)
      throw invalidArgument(`${name} must be a whole number of at least 1`);
  }
  if (endpoint !== undefined && !URL.canParse(endpoint))
    throw invalidArgument("the endpoint of s3Blobs is no URL; give https://host:port");
  const { region, credentials, forcePathStyle = endpoint !== undefined } = options;
  let own: S3ClientLike | undefined;

  const open = (sdk: Sdk): S3ClientLike => {
    own ??= new sdk.S3Client({
      maxAttempts,
      forcePathStyle,
      // Other services know no region, and the SDK insists on one.
      ...(region !== undefined ? { region } : endpoint !== undefined && { region: "us-east-1" }),
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials && { credentials }),
    });
    return own;
  };

  /** Answers with `undefined` where the object isn't there. */
  async function send<T>(
    what: string,
    command: (sdk: Sdk) => object,
    take: (answer: unknown) => Promise<T>,
  ): Promise<T | undefined> {
    const sdk = await load();
    const abort = AbortSignal.timeout(timeoutMs);
    try {
      const answer = (client ?? open(sdk)).send(command(sdk), { abortSignal: abort });
      // The signal ends the request, and not always the reading of what it answers with.
      return await Promise.race([answer.then(take), aborted(abort)]);
    } catch (error) {
      if (nameOf(error) === ABSENT) return undefined;
      throw unavailable(
        what,
        bucket,
        abort.aborted ? `it took longer than ${timeoutMs} ms` : undefined,
        error,
      );
    }
  }

  const at = (key: string) => ({ Bucket: bucket, Key: `${prefix}${key}` });
  const nothing = async (): Promise<void> => undefined;
  return {
    name: "s3",
    durability: "replicated",
    put: (key, bytes) =>
      send(
        "write",
        (sdk) => new sdk.PutObjectCommand({ ...at(key), Body: bytes, ContentLength: bytes.byteLength }),
        nothing,
      ),
    get: (key) => send("read", (sdk) => new sdk.GetObjectCommand(at(key)), bytesOf),
    delete: (key) => send("delete", (sdk) => new sdk.DeleteObjectCommand(at(key)), nothing),
    async close() {
      own?.destroy?.();
      own = undefined;
    },
  };
}

async function load(): Promise<Sdk> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (cause) {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `s3Blobs needs the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3 (${messageOf(cause)})`,
      { store: "s3 blobs", retryable: false },
    );
  }
}

async function bytesOf(answer: unknown): Promise<Uint8Array> {
  if (typeof answer === "object" && answer !== null && "Body" in answer) {
    const { Body: body } = answer;
    if (typeof body === "object" && body !== null && "transformToByteArray" in body) {
      const { transformToByteArray: read } = body;
      const bytes: unknown = typeof read === "function" ? await read.call(body) : undefined;
      if (bytes instanceof Uint8Array) return bytes;
    }
  }
  throw new TypeError("the answer has no body");
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("timed out")), { once: true });
  });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/**
 * Of the SDK's error only its name, message and status are kept: it holds the request too, with the key that it was signed
 * with.
 */
function unavailable(
  what: string,
  bucket: string,
  reason: string | undefined,
  error: unknown,
): HoldfastError {
  const name = nameOf(error);
  const status = statusOf(error);
  const why = reason ?? `${name}${status === undefined ? "" : ` (status ${status})`}: ${messageOf(error)}`;
  const isRefused = status !== undefined && status >= 400 && status < 500 && !PASSING.has(status);
  const isFinal = reason === undefined && (isRefused || name === "CredentialsProviderError");
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `could not ${what} a blob in the bucket ${JSON.stringify(bucket)}: ${why}; ${isFinal ? "check the bucket and the credentials" : "try again"}`,
    { store: "s3 blobs", retryable: !isFinal },
  );
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("$metadata" in error)) return undefined;
  const { $metadata: about } = error;
  if (typeof about !== "object" || about === null || !("httpStatusCode" in about)) return undefined;
  return typeof about.httpStatusCode === "number" ? about.httpStatusCode : undefined;
}
