import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** How to reach S3. Region and credentials come by the SDK's own chain. */
export interface S3Options {
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  /** `full`: uploads carry a CRC32 of the whole object, and the payload is not hashed a second time. */
  readonly checksums: 'full' | 'required';
  /** GETs that may run at once: a download holds a connection for as long as its client reads. */
  readonly downloads: number;
  /** Connections for everything else; requests beyond it wait in turn. */
  readonly requests: number;
}

/** What the driver's operations are made with. */
export interface Clients {
  /** For everything but downloads. */
  readonly requests: S3Client;
  /** Streaming GETs have connections of their own, so that stalled downloads cannot hold up a commit. */
  readonly downloads: S3Client;
  /** Whether uploads carry a CRC32 of the whole object. */
  readonly checked: boolean;
}

/** S3 is asked again this often, with the SDK's own back-off, before a request counts as failed. */
const ATTEMPTS = 3;

export function openClients(options: S3Options): Clients {
  const requests = client(options, options.requests, { requestTimeout: 300_000, socketTimeout: 60_000 });
  // No socket timeout here: a slow reader leaves its connection idle, and the data channel times it out.
  const downloads = client(options, options.downloads, { requestTimeout: 60_000 });
  askForChecksums(downloads);
  return { requests, downloads, checked: options.checksums === 'full' };
}

function client(
  { endpoint, pathStyle, checksums }: S3Options,
  maxSockets: number,
  times: { requestTimeout: number; socketTimeout?: number },
): S3Client {
  const agent = { keepAlive: true, maxSockets, noDelay: true };
  const s3 = new S3Client({
    endpoint,
    forcePathStyle: pathStyle,
    maxAttempts: ATTEMPTS,
    // Ours is native (`zlib.crc32`); the SDK's would be computed in JavaScript, for answers too.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
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
  return s3;
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
