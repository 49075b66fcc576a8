import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorResponse, send } from './answer.ts';
import { S3Error } from './errors.ts';
import { readRequest, type S3Response } from './request.ts';
import { findOperation } from './routes.ts';
import { authenticate, type Credentials } from './sigv4.ts';
import { createBucket, type DataDirectory } from './store/buckets.ts';
import { INSTANCE_HEADER, noteOwner, openDataDirectory, removeOwner } from './store/start.ts';

/** How the embedded server is started. */
export interface LocalS3Options {
  /** The data directory; made where it is absent. */
  data: string;
  /** 0 (the default) for any free port. */
  port?: number;
  /** A loopback address; 127.0.0.1 by default. */
  host?: string;
  /** A bucket to create where it is absent. */
  bucket?: string;
  /** Random ones for this run by default. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
}

/** A running server, and what a client needs to use it. */
export interface LocalS3 {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string | undefined;
  /** Stops: no new requests, those that run are finished for up to `graceMs` (default 2,000). */
  close(graceMs?: number): Promise<void>;
}

const REGION = 'us-east-1';
/** A presented key of 1,024 bytes is up to 3 KB, metadata 2 KB, tags 2 KB, a presigned query 1 KB. */
const MAX_HEADER_SIZE = 64 * 1024;
const KEEP_ALIVE_MS = 65_000;
const INSTANCE = randomBytes(16).toString('hex');

const firstRequest = randomBytes(4).toString('hex').toUpperCase();
let requests = 0;

function nextRequestId(): string {
  requests = (requests + 1) >>> 0;
  return firstRequest + requests.toString(16).toUpperCase().padStart(8, '0');
}

async function respond(
  message: IncomingMessage,
  response: ServerResponse,
  data: DataDirectory,
  credentials: Credentials,
): Promise<void> {
  const requestId = nextRequestId();
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader(INSTANCE_HEADER, INSTANCE);
  response.setHeader('Server', 'ferry-local-s3');
  let answer: S3Response;
  let waits = false;
  try {
    waits = message.headers.expect?.toLowerCase() === '100-continue';
    const request = readRequest(message, () => {
      if (waits) response.writeContinue();
      waits = false;
    });
    const auth = authenticate(request, credentials, Date.now());
    answer = await findOperation(request)({ request, auth, data, region: credentials.region });
  } catch (error) {
    // The client has gone: there is nobody to answer.
    if (message.destroyed && !message.complete) return;
    if (!(error instanceof S3Error)) process.stderr.write(`local-s3: ${(error as Error).stack ?? error}\n`);
    answer = errorResponse(error, (message.url ?? '').split('?')[0] ?? '', requestId);
  }
  await send(message, response, answer, waits);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * Starts an S3 server on a folder, in this process, on loopback only.
 * Throws an Error with a plain message where the host, the port or the folder cannot be used.
 */
export async function startLocalS3(options: LocalS3Options): Promise<LocalS3> {
  const host = options.host ?? '127.0.0.1';
  if (!isLoopback(host)) throw new Error(`the embedded S3 server listens on loopback only, not on ${host}`);
  const credentials: Credentials = {
    accessKeyId: options.credentials?.accessKeyId ?? `LOCAL${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: options.credentials?.secretAccessKey ?? randomBytes(30).toString('base64url'),
    region: REGION,
  };
  const data = await openDataDirectory(options.data);
  if (options.bucket !== undefined) createBucket(data, options.bucket);
  const handle = (message: IncomingMessage, response: ServerResponse): void => {
    respond(message, response, data, credentials).catch(() => response.destroy());
  };
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_SIZE, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, noDelay: true },
    handle,
  );
  server.on('checkContinue', handle);
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  await listen(server, options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  noteOwner(data, { endpoint, instance: INSTANCE });
  return {
    endpoint,
    region: REGION,
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    bucket: options.bucket,
    close: async (graceMs = 2000) => {
      await closeServer(server, graceMs);
      removeOwner(data);
    },
  };
}
