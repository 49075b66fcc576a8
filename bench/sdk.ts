import { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { PATTERN } from './ftp.ts';

// node bench/sdk.ts, with an IPC channel: the ceiling, a process that does the bare S3 work with the SDK.
//
// The SDK runs at its fastest: neither the payload's SHA-256 nor a checksum is computed, one agent keeps all
// connections, and bodies are Buffers.

/** Work of the SDK. Sizes in bytes. */
export type SdkWork =
  | { readonly op: 'put' | 'get'; readonly prefix: string; readonly count: number; readonly parallel: number }
  | { readonly op: 'upload'; readonly prefix: string; readonly count: number; readonly size: number }
  | { readonly op: 'download'; readonly key: string }
  | { readonly op: 'list'; readonly prefix: string }
  | { readonly op: 'head'; readonly key: string }
  | {
      readonly op: 'copy';
      readonly from: string;
      readonly to: string;
      readonly count: number;
      readonly parallel: number;
    };

/** What the parent process may ask, one at a time. */
export type SdkRequest = SdkWork & { readonly endpoint: string };

/** Times in milliseconds. */
export interface SdkAnswer {
  readonly total: number;
  /** CPU seconds of this process. */
  readonly cpu: number;
  /** Until the first page of a listing. */
  readonly first?: number;
  /** Entries of a listing, or bytes of a body. */
  readonly count?: number;
  readonly crc32?: string | undefined;
  readonly error?: string;
}

/** Bytes of a small file. */
export const SMALL = 4096;

const Bucket = 'files';
const clients = new Map<string, S3Client>();

function clientOf(endpoint: string): S3Client {
  const known = clients.get(endpoint);
  if (known) return known;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      httpAgent: new Agent({ keepAlive: true, maxSockets: 2048 }),
    }),
  });
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body: unknown };
      if (request.body instanceof Uint8Array) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { name: 'unsignedPayload', step: 'build', priority: 'low' },
  );
  clients.set(endpoint, client);
  return client;
}

const numbered = (prefix: string, n: number) => `${prefix}${String(n).padStart(7, '0')}`;

async function inParallel(count: number, parallel: number, one: (n: number) => Promise<unknown>) {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: parallel }, lane));
}

async function drain(client: S3Client, Key: string): Promise<number> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  let bytes = 0;
  const body = Body as Readable;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  body.on('end', resolve).on('error', reject);
  await promise;
  return bytes;
}

let whole = Buffer.alloc(0);

/** One Buffer that big, of the pattern. */
function bodyOf(size: number): Buffer {
  if (whole.length < size) whole = Buffer.alloc(size, PATTERN);
  return whole.subarray(0, size);
}

async function list(client: S3Client, Prefix: string) {
  const started = performance.now();
  let first = 0;
  let count = 0;
  for (let token: string | undefined; ; ) {
    const command = new ListObjectsV2Command({
      Bucket,
      Prefix,
      Delimiter: '/',
      EncodingType: 'url',
      ContinuationToken: token,
    });
    const page = await client.send(command);
    first ||= performance.now() - started;
    count += (page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0);
    if (!page.IsTruncated) return { first, count };
    token = page.NextContinuationToken;
  }
}

async function run(asked: SdkRequest): Promise<Partial<SdkAnswer>> {
  const client = clientOf(asked.endpoint);
  switch (asked.op) {
    case 'put':
      await inParallel(asked.count, asked.parallel, (n) =>
        client.send(
          new PutObjectCommand({ Bucket, Key: numbered(asked.prefix, n), Body: PATTERN.subarray(0, SMALL) }),
        ),
      );
      return {};
    case 'get':
      await inParallel(asked.count, asked.parallel, (n) => drain(client, numbered(asked.prefix, n)));
      return {};
    case 'upload': {
      const Body = bodyOf(asked.size);
      const one = (n: number) =>
        new Upload({
          client,
          params: { Bucket, Key: numbered(asked.prefix, n), Body },
          partSize: 8 * 2 ** 20,
          queueSize: 4,
        }).done();
      await inParallel(asked.count, asked.count, one);
      return {};
    }
    case 'download':
      return { count: await drain(client, asked.key) };
    case 'list':
      return list(client, asked.prefix);
    case 'head': {
      const command = new HeadObjectCommand({ Bucket, Key: asked.key, ChecksumMode: 'ENABLED' });
      const { ContentLength, ChecksumCRC32 } = await client.send(command);
      return { count: ContentLength ?? 0, crc32: ChecksumCRC32 };
    }
    case 'copy':
      await inParallel(asked.count, asked.parallel, (n) =>
        client.send(
          new CopyObjectCommand({
            Bucket,
            Key: numbered(asked.to, n),
            CopySource: `${Bucket}/${numbered(asked.from, n)}`,
          }),
        ),
      );
      return {};
  }
}

async function answer(asked: SdkRequest): Promise<SdkAnswer> {
  if ('size' in asked) bodyOf(asked.size);
  const started = performance.now();
  const before = process.cpuUsage();
  try {
    const found = await run(asked);
    const { user, system } = process.cpuUsage(before);
    return { total: performance.now() - started, cpu: (user + system) / 1e6, ...found };
  } catch (error) {
    return { total: 0, cpu: 0, error: String(error) };
  }
}

if (process.argv[1] === import.meta.filename) {
  process.on('message', (asked: SdkRequest) => {
    answer(asked).then(
      (found) => process.send?.(found),
      () => process.exit(1),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
