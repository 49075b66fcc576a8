import { randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  type S3ClientConfig,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import type { Keys } from './sign.ts';

/** The checksum modes of the SDK. */
export const MODES = ['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const;
export type Mode = (typeof MODES)[number];

/** Where the server is that the contract is checked against. */
export interface Target {
  endpoint: string;
  region: string;
  pathStyle: boolean;
  bucketPrefix: string;
  /** Undefined: the SDK's own chain. */
  credentials: Keys | undefined;
}

const silent = (): void => undefined;

/** A server under test, in one checksum mode, with a bucket of its own. */
export class Subject {
  readonly mode: Mode;
  readonly target: Target;
  readonly client: S3Client;
  readonly bucket: string;
  readonly #buckets: string[] = [];
  readonly #clients: S3Client[] = [];
  readonly #others: Subject[] = [];

  private constructor(target: Target, mode: Mode, bucket?: string) {
    this.mode = mode;
    this.target = target;
    this.client = this.newClient();
    this.bucket = bucket ?? this.#newName();
  }

  /** Opens a server, with a new bucket or with one that is there. */
  static async open(target: Target, mode: Mode, bucket?: string): Promise<Subject> {
    const subject = new Subject(target, mode, bucket);
    if (bucket === undefined) await subject.#create(subject.bucket);
    return subject;
  }

  /** A client of the same server; it is closed with the subject. */
  newClient(config: S3ClientConfig = {}): S3Client {
    const { endpoint, region, pathStyle, credentials } = this.target;
    const client = new S3Client({
      endpoint,
      region,
      forcePathStyle: pathStyle,
      requestChecksumCalculation: this.mode,
      responseChecksumValidation: this.mode,
      ...(credentials && { credentials }),
      // Its remarks on streams that fail on purpose help nobody.
      logger: { debug: silent, info: silent, warn: silent, error: silent },
      ...config,
    });
    this.#clients.push(client);
    return client;
  }

  #newName(): string {
    return `${this.target.bucketPrefix}-${randomBytes(8).toString('hex')}`;
  }

  async #create(name: string): Promise<void> {
    this.#buckets.push(name);
    await this.client.send(new CreateBucketCommand({ Bucket: name }));
  }

  /** A new, empty bucket; it is removed with the subject. */
  async newBucket(): Promise<string> {
    const name = this.#newName();
    await this.#create(name);
    return name;
  }

  /** The same server with a bucket of its own; it is closed with this one. */
  async withOwnBucket(): Promise<Subject> {
    const other = await Subject.open(this.target, this.mode);
    this.#others.push(other);
    return other;
  }

  /** The keys that the client signs with. */
  async keys(): Promise<Keys> {
    return this.client.config.credentials();
  }

  /** The URL of an object or bucket, for requests made by hand. `path` is percent-encoded already. */
  url(path: string, query = '', bucket = this.bucket): URL {
    const base = new URL(this.target.endpoint);
    const url = this.target.pathStyle
      ? new URL(`${base.origin}/${bucket}/${path}`)
      : new URL(`${base.protocol}//${bucket}.${base.host}/${path}`);
    url.search = query;
    return url;
  }

  put(key: string, body: PutObjectCommandInput['Body'], more: Partial<PutObjectCommandInput> = {}) {
    return this.client.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: body, ...more }));
  }

  /** The content of an object. */
  async read(key: string, more: Partial<GetObjectCommandInput> = {}): Promise<Buffer> {
    const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key, ...more }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  delete(key: string, bucket = this.bucket) {
    return this.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  }

  /** All keys under a prefix, in the order they are listed in. */
  async keysUnder(prefix: string, bucket = this.bucket): Promise<string[]> {
    const keys: string[] = [];
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const page = await this.client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ContinuationToken: token,
          EncodingType: 'url',
        }),
      );
      for (const { Key } of page.Contents ?? []) keys.push(decodeKey(Key));
      token = page.NextContinuationToken;
    }
    return keys;
  }

  /** Closes all clients and, unless told to keep it, removes all that was made. */
  async close({ keepObjects }: { keepObjects: boolean }): Promise<void> {
    for (const other of this.#others) await other.close({ keepObjects });
    for (const bucket of keepObjects ? [] : this.#buckets)
      await this.#empty(bucket).catch((error: Error) => console.error(`${bucket} stays: ${error.message}`));
    for (const client of this.#clients) client.destroy();
  }

  async #empty(bucket: string): Promise<void> {
    const { client } = this;
    const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    for (const { Key, UploadId } of uploads.Uploads ?? [])
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
    const keys = await this.keysUnder('', bucket);
    await inParallel(keys, 32, (key) => this.delete(key, bucket));
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
  }
}

/** Reads a key that was listed with EncodingType=url: form encoding, where a space is a plus sign. */
export function decodeKey(key: string | undefined): string {
  return decodeURIComponent((key ?? '').replaceAll('+', ' '));
}

/** The source of a copy as the SDK wants it: encoded by the caller. */
export function copySource(bucket: string, key: string): string {
  return `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** What a failed call tells: `404 NoSuchKey`. A call that succeeds is told as `succeeded`. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'succeeded';
  } catch (error) {
    const { name, $metadata } = error as S3ServiceException;
    return `${$metadata?.httpStatusCode ?? 'no answer'} ${name}`;
  }
}

/** Runs an action over items, so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++];
      if (item !== undefined) await action(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
