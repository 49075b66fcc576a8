import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { requestMade } from './request-count.ts';

/** Credentials as the SDK wants them; it asks again some minutes before they expire. */
export type CredentialsProvider = () => Promise<{
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}>;

/**
 * Sockets to S3. Requests are signed one by one, so users with credentials of their own can share them. They are agents
 * and no handlers, because each client sets a handler up anew.
 */
export interface Connections {
  readonly requests: Agents;
  readonly downloads: Agents;
}

interface Agents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

/** How to reach S3. The region comes by the SDK's own chain, credentials too unless given. */
export interface S3Options {
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  /** `full`: uploads carry a CRC32 of the whole object, and the payload is not hashed a second time. */
  readonly checksums: 'full' | 'required';
  /** GETs that may run at once: a download holds a connection for as long as its client reads. */
  readonly downloads: number;
  /** Connections for everything else; requests beyond it wait in turn. */
  readonly requests: number;
  readonly credentials?: CredentialsProvider;
  /** Another store's, which ends them; own ones unless given. */
  readonly connections?: Connections;
  /**
   * Told of every attempt: the operation by its name in the S3 API, how long S3 took, and whether it failed, denied the
   * request, or refused it in another way, such as a condition that was not met.
   */
  readonly onRequest?: OnRequest | undefined;
}

export type OnRequest = (
  operation: string,
  seconds: number,
  outcome: 'ok' | 'error' | 'denied' | 'refused',
) => void;

/** What the driver's operations are made with. */
export interface Clients {
  /** For everything but downloads. */
  readonly requests: S3Client;
  /** Streaming GETs have connections of their own, so that stalled downloads cannot hold up a commit. */
  readonly downloads: S3Client;
  /** Whether uploads carry a CRC32 of the whole object. */
  readonly checked: boolean;
  readonly connections: Connections;
}

/** S3 is asked so often, with back-off, before a request counts as failed. */
const ATTEMPTS = 3;

/** Milliseconds, as in the SDK's standard strategy: the longest first wait, by what kind of failure comes before it. */
const FIRST_WAIT = { TRANSIENT: 50, THROTTLING: 1000 };

/** Milliseconds that are waited at most because S3 asks for it by Retry-After. */
const LONGEST_WAIT = 5000;

type RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { refreshRetryTokenForRetry: unknown }
>;

/**
 * Exponential back-off with full jitter. The SDK's strategies share a quota of retries among all requests of a
 * client: one key that S3 keeps failing would take the retries from everybody else.
 */
const RETRIES: RetryStrategy = {
  acquireInitialRetryToken: async () => retryToken(0, 0),
  async refreshRetryTokenForRetry(last, { errorType, retryAfterHint }) {
    const retry = last.getRetryCount() + 1;
    if (retry >= ATTEMPTS || (errorType !== 'TRANSIENT' && errorType !== 'THROTTLING'))
      throw new Error('not to be asked again');
    const backOff = Math.random() * FIRST_WAIT[errorType] * 2 ** (retry - 1);
    const asked = Math.min((retryAfterHint?.getTime() ?? 0) - Date.now(), LONGEST_WAIT);
    return retryToken(retry, Math.max(backOff, asked));
  },
  recordSuccess() {},
};

/** The SDK waits before the retry, unless the request is cancelled. @param wait milliseconds */
function retryToken(retry: number, wait: number) {
  return { getRetryCount: () => retry, getRetryDelay: () => wait };
}

/** Failures are thrown and logged once, by Ferry; without a logger the SDK prints some to the console. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export function openClients(options: S3Options): Clients {
  const connections = options.connections ?? {
    requests: agents(options.requests),
    downloads: agents(options.downloads),
  };
  const times = { requestTimeout: 300_000, socketTimeout: 60_000 };
  const requests = client(options, connections.requests, times);
  // No socket timeout here: a slow reader leaves its connection idle, and the data channel times it out.
  const downloads = client(options, connections.downloads, { requestTimeout: 60_000 });
  askForChecksums(downloads);
  return { requests, downloads, checked: options.checksums === 'full', connections };
}

/** Cuts what still runs on them. */
export function endConnections({ requests, downloads }: Connections): void {
  for (const { httpAgent, httpsAgent } of [requests, downloads]) {
    httpAgent.destroy();
    httpsAgent.destroy();
  }
}

function agents(maxSockets: number): Agents {
  const options = { keepAlive: true, maxSockets, noDelay: true };
  return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) };
}

function client(
  { endpoint, pathStyle, checksums, credentials, onRequest }: S3Options,
  shared: Agents,
  times: { requestTimeout: number; socketTimeout?: number },
): S3Client {
  const s3 = new S3Client({
    endpoint,
    credentials,
    logger: SILENT,
    forcePathStyle: pathStyle,
    maxAttempts: ATTEMPTS,
    retryStrategy: RETRIES,
    // Ours is native (`zlib.crc32`); the SDK's would be computed in JavaScript, for answers too.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      ...shared,
      connectionTimeout: 5000,
      throwOnRequestTimeout: true,
      ...times,
    }),
  });
  // The CRC32 already says what the payload is; its SHA-256 would cost more than all the rest of an upload.
  s3.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      const https = isRequest(request) && request.protocol === 'https:';
      if (isRequest(request) && (https || checksums === 'full') && request.body instanceof Uint8Array)
        request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { name: 'unsignedPayload', step: 'build', priority: 'low' },
  );
  observe(s3, onRequest);
  return s3;
}

/** Within the retries, so that each attempt counts. */
function observe(s3: S3Client, onRequest: OnRequest | undefined): void {
  s3.middlewareStack.add(
    (next, context) => async (args) => {
      const operation = String(context.commandName).replace(/Command$/, '');
      const started = performance.now();
      const told = (outcome: Parameters<OnRequest>[2]) => {
        requestMade();
        onRequest?.(operation, (performance.now() - started) / 1000, outcome);
      };
      try {
        const answer = await next(args);
        told('ok');
        return answer;
      } catch (error) {
        told(outcomeOf(error));
        throw error;
      }
    },
    { name: 'observe', step: 'deserialize', priority: 'high' },
  );
}

function outcomeOf(error: unknown): 'error' | 'denied' | 'refused' {
  const { name, $metadata } = (error ?? {}) as { name?: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  if (status === 403) return 'denied';
  return name !== 'AbortError' && (status === undefined || status >= 500) ? 'error' : 'refused';
}

/** The command's own ChecksumMode would have the SDK compute it in JavaScript, whatever it was configured to. */
function askForChecksums(s3: S3Client): void {
  s3.middlewareStack.add(
    (next, context) => (args) => {
      if (context.commandName === 'GetObjectCommand' && isRequest(args.request))
        args.request.headers['x-amz-checksum-mode'] = 'ENABLED';
      return next(args);
    },
    { name: 'checksumMode', step: 'build', priority: 'low' },
  );
}

interface Request {
  readonly protocol: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

function isRequest(request: unknown): request is Request {
  return typeof request === 'object' && request !== null && 'headers' in request && 'protocol' in request;
}
