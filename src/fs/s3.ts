import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { isFailure } from './errors.ts';
import { named, toStorageError } from './s3-failures.ts';

/** How to reach S3. Region and credentials come by the SDK's own chain. */
export interface S3Options {
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  /** `full`: uploads carry a CRC32 of the whole object, and the payload is not hashed a second time. */
  readonly checksums: 'full' | 'required';
  /** Downloads that may run at once: each holds a connection for as long as its client reads. */
  readonly downloads: number;
  /** Connections for everything else; requests beyond it wait in turn. */
  readonly requests: number;
}

/** One object's place. */
export interface Location {
  readonly bucket: string;
  readonly key: string;
}

export interface ObjectInfo {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
}

export interface ListedObject extends ObjectInfo {
  readonly key: string;
}

/** One page of ListObjectsV2: at most 1,000 keys and prefixes. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** CommonPrefixes, each ending in the delimiter. */
  readonly prefixes: readonly string[];
  readonly next: string | undefined;
}

export interface Part {
  readonly number: number;
  readonly etag: string;
}

/** An open multipart upload. */
export interface MultipartUpload extends Location {
  readonly uploadId: string;
}

export type ObjectStore = ReturnType<typeof openObjectStore>;

/** Bytes that one CopyObject takes (S3 API, CopyObject). */
export const LARGEST_COPY = 5 * 2 ** 30;

/** User metadata that tells an upload's own object from somebody else's. */
const NONCE = 'ferry-upload';

/** S3 is asked again this often, with the SDK's own back-off, before a request counts as failed. */
const ATTEMPTS = 3;

/**
 * The S3 driver: the requests that Ferry makes, in S3's words. Everything it throws is a StorageError.
 * Streaming GETs have connections of their own, so that stalled downloads cannot hold up a commit.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export function openObjectStore(options: S3Options) {
  const requests = client(options, options.requests, { requestTimeout: 300_000, socketTimeout: 60_000 });
  // No socket timeout here: a slow reader leaves its connection idle, and the data channel times it out.
  const downloads = client(options, options.downloads, { requestTimeout: 60_000 });
  const checked = options.checksums === 'full';

  return {
    /** HeadBucket. Settles if the bucket answers these credentials. */
    async checkBucket(bucket: string, signal?: AbortSignal): Promise<void> {
      await named(requests.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal }));
    },

    /** HeadObject. @throws StorageError not-found */
    async head({ bucket, key }: Location, signal?: AbortSignal): Promise<ObjectInfo & { nonce?: string }> {
      const answer = await named(
        requests.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
      );
      return { ...info(answer), nonce: answer.Metadata?.[NONCE] };
    },

    /**
     * GetObject from `offset` bytes on. The body must be read or destroyed.
     * @throws StorageError not-found, archived, bad-offset where the offset is at or beyond the end
     */
    async get(
      { bucket, key }: Location,
      offset: number,
      signal?: AbortSignal,
    ): Promise<ObjectInfo & { body: Readable }> {
      const Range = offset > 0 ? `bytes=${offset}-` : undefined;
      const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range });
      const answer = await named(downloads.send(command, { abortSignal: signal }));
      const length = (answer.ContentLength ?? 0) + offset;
      // In Node the SDK's body is an IncomingMessage; its type also covers browsers.
      return { ...info({ ...answer, ContentLength: length }), body: answer.Body as Readable };
    },

    /** ListObjectsV2, one page. */
    async list(
      bucket: string,
      query: { prefix: string; delimiter?: '/'; maxKeys?: number; continuation?: string },
      signal?: AbortSignal,
    ): Promise<ListPage> {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: query.prefix,
        Delimiter: query.delimiter,
        MaxKeys: query.maxKeys,
        ContinuationToken: query.continuation,
        // XML 1.0 cannot carry most control characters; encoded keys can.
        EncodingType: 'url',
      });
      const answer = await named(requests.send(command, { abortSignal: signal }));
      return {
        objects: (answer.Contents ?? []).map((object) => ({
          key: decodeKey(object.Key ?? ''),
          size: object.Size ?? 0,
          etag: object.ETag ?? '',
          modified: object.LastModified ?? new Date(0),
        })),
        prefixes: (answer.CommonPrefixes ?? []).map(({ Prefix }) => decodeKey(Prefix ?? '')),
        next: answer.IsTruncated ? answer.NextContinuationToken : undefined,
      };
    },

    /**
     * PutObject. The body is retried whole by the SDK.
     * @param extra.nonce kept in the object's metadata, so that `head` can tell whose object it is
     * @throws StorageError exists, where `ifAbsent` is set and the key is taken
     */
    async put(
      { bucket, key }: Location,
      body: Uint8Array,
      extra: { crc32: number; ifAbsent?: boolean; contentType?: string; nonce?: string },
    ): Promise<void> {
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: body,
        ContentLength: body.byteLength,
        ContentType: extra.contentType,
        ChecksumCRC32: checked ? encodeCrc32(extra.crc32) : undefined,
        IfNoneMatch: extra.ifAbsent ? '*' : undefined,
        Metadata: extra.nonce === undefined ? undefined : { [NONCE]: extra.nonce },
      });
      await named(requests.send(command));
    },

    /**
     * CreateMultipartUpload, of checksum type FULL_OBJECT where checksums are on. It takes no signal: an upload
     * that S3 made, but whose id nobody learns, could not be aborted.
     */
    async createUpload({ bucket, key }: Location, nonce: string): Promise<MultipartUpload> {
      const command = new CreateMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        Metadata: { [NONCE]: nonce },
        ...(checked && { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
      });
      const { UploadId } = await named(requests.send(command));
      return { bucket, key, uploadId: UploadId ?? '' };
    },

    /** UploadPart. `number` from 1 to 10,000; all parts but the last have 5 MiB or more. */
    async uploadPart(
      { bucket, key, uploadId }: MultipartUpload,
      number: number,
      body: Uint8Array,
      crc32: number,
      signal?: AbortSignal,
    ): Promise<Part> {
      const command = new UploadPartCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
        ContentLength: body.byteLength,
        ChecksumCRC32: checked ? encodeCrc32(crc32) : undefined,
      });
      const { ETag } = await named(requests.send(command, { abortSignal: signal }));
      return { number, etag: ETag ?? '' };
    },

    /** CompleteMultipartUpload, with the CRC32 of the whole object. @throws StorageError exists */
    async completeUpload(
      { bucket, key, uploadId }: MultipartUpload,
      parts: readonly Part[],
      whole: { crc32: number; ifAbsent?: boolean },
    ): Promise<void> {
      const command = new CompleteMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
        ...(checked && { ChecksumCRC32: encodeCrc32(whole.crc32), ChecksumType: 'FULL_OBJECT' }),
        IfNoneMatch: whole.ifAbsent ? '*' : undefined,
      });
      await named(requests.send(command));
    },

    /** AbortMultipartUpload. @returns whether S3 says that there is no such upload (any more) */
    async abortUpload({ bucket, key, uploadId }: MultipartUpload): Promise<boolean> {
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
      try {
        await named(requests.send(command));
        return false;
      } catch (error) {
        if (isFailure(error, 'upload-gone', 'not-found')) return true;
        throw error;
      }
    },

    /** CopyObject within S3, up to LARGEST_COPY; metadata and tags are kept. @throws StorageError not-found */
    async copy(from: Location, to: Location, signal?: AbortSignal): Promise<void> {
      const source = [from.bucket, ...from.key.split('/')].map(encodeURIComponent).join('/');
      const command = new CopyObjectCommand({ Bucket: to.bucket, Key: to.key, CopySource: source });
      await named(requests.send(command, { abortSignal: signal }));
    },

    /** DeleteObject. A missing key is no failure. */
    async delete({ bucket, key }: Location, signal?: AbortSignal): Promise<void> {
      await named(
        requests.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
      );
    },

    /** DeleteObjects, at most 1,000 keys. @throws the failure of the first key that was not deleted */
    async deleteAll(bucket: string, keys: readonly string[]): Promise<void> {
      const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
      const answer = await named(requests.send(new DeleteObjectsCommand({ Bucket: bucket, Delete })));
      const [first] = answer.Errors ?? [];
      if (first) throw toStorageError({ name: first.Code ?? 'InternalError', message: first.Message ?? '' });
    },

    /** Ends the connections. */
    close(): void {
      requests.destroy();
      downloads.destroy();
    },
  };
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

interface Request {
  readonly protocol: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

function isRequest(request: unknown): request is Request {
  return typeof request === 'object' && request !== null && 'headers' in request && 'protocol' in request;
}

function info(answer: { ContentLength?: number; ETag?: string; LastModified?: Date }): ObjectInfo {
  return {
    size: answer.ContentLength ?? 0,
    etag: answer.ETag ?? '',
    modified: answer.LastModified ?? new Date(0),
  };
}

/** S3 sends CRC32 as base64 of four bytes, big end first. */
function encodeCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** Undoes EncodingType=url, which writes a blank as `+`. */
function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '));
}
