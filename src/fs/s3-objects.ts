import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Condition, Location } from './s3.ts';
import {
  type Attributes,
  fromHead,
  NONCE,
  STORAGE_CLASSES,
  type StorageClass,
  toInput,
} from './s3-attributes.ts';
import type { Clients } from './s3-client.ts';
import { named, toStorageError } from './s3-failures.ts';
import { copySource, decodeCrc32, encodeCrc32, writtenEtag } from './s3-values.ts';

export interface ObjectInfo {
  /** Bytes of the whole object. */
  readonly size: number;
  /** With its quotes. */
  readonly etag: string;
  readonly modified: Date;
}

/** What HeadObject tells. */
export interface ObjectHead extends ObjectInfo {
  readonly attributes: Attributes & { readonly metadata: Readonly<Record<string, string>> };
  /** Number of its tags. */
  readonly tagCount: number;
  /** CRC32 of the whole object, where S3 keeps it and it was asked for. */
  readonly crc32: number | undefined;
  /** The mark of the upload that made it. */
  readonly nonce: string | undefined;
}

export interface ListedObject extends ObjectInfo {
  readonly key: string;
  /** Undefined for one that no write may name. */
  readonly storageClass?: StorageClass;
}

/** One page of ListObjectsV2: at most 1,000 keys and prefixes. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** CommonPrefixes, each ending in the delimiter. */
  readonly prefixes: readonly string[];
  readonly next: string | undefined;
}

/** Bytes up to which the last one is held back: the time is that of a verdict, and larger ones take longer anyway. */
const LARGEST_HELD = 2 ** 20;

/** Bytes that one CopyObject takes (S3 API, CopyObject). */
export const LARGEST_COPY = 5 * 2 ** 30;

/** The driver's operations on buckets and whole objects. */
export function objectOperations({ requests, downloads, checked }: Clients) {
  return {
    /** HeadBucket. Settles if the bucket answers these credentials. */
    async checkBucket(bucket: string, signal?: AbortSignal): Promise<void> {
      await named(requests.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal }));
    },

    /**
     * HeadObject.
     * @param options.checksum asks for the CRC32, too (S3 then wants the right to decrypt, where KMS is used)
     * @throws StorageError not-found
     */
    async head(
      { bucket, key }: Location,
      { signal, checksum }: { signal?: AbortSignal; checksum?: boolean } = {},
    ): Promise<ObjectHead> {
      const command = new HeadObjectCommand({
        Bucket: bucket,
        Key: key,
        ChecksumMode: checksum ? 'ENABLED' : undefined,
      });
      const answer = await named(requests.send(command, { abortSignal: signal }));
      return {
        ...info(answer),
        attributes: fromHead(answer),
        tagCount: answer.TagCount ?? 0,
        crc32: wholeCrc32(answer),
        nonce: answer.Metadata?.[NONCE],
      };
    },

    /**
     * GetObject: of `length` bytes from `offset` on, or to the end. The body must be read or destroyed. `size` is
     * the whole object's, `crc32` too, where S3 tells it: only for a whole object.
     * @throws StorageError not-found, archived, changed where `ifMatch` is not what stands there, bad-offset where
     * the offset is at or beyond the end
     */
    async get(
      { bucket, key }: Location,
      range: { offset?: number; length?: number; ifMatch?: string } = {},
      signal?: AbortSignal,
    ): Promise<ObjectInfo & { body: Readable; crc32: number | undefined }> {
      const { offset = 0, length, ifMatch } = range;
      const last = length === undefined ? '' : String(offset + length - 1);
      const Range = offset > 0 || length !== undefined ? `bytes=${offset}-${last}` : undefined;
      const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range, IfMatch: ifMatch });
      const answer = await named(downloads.send(command, { abortSignal: signal }), { ifMatch });
      const whole = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? answer.ContentLength ?? 0);
      return {
        ...info({ ...answer, ContentLength: whole }),
        crc32: Range === undefined ? wholeCrc32(answer) : undefined,
        // In Node the SDK's body is an IncomingMessage; its type also covers browsers.
        body: answer.Body as Readable,
      };
    },

    /** GetObjectTagging. */
    async tags({ bucket, key }: Location): Promise<Record<string, string>> {
      const { TagSet } = await named(
        requests.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: key })),
      );
      return Object.fromEntries((TagSet ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
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
          storageClass: STORAGE_CLASSES.find((each) => each === object.StorageClass),
        })),
        prefixes: (answer.CommonPrefixes ?? []).map(({ Prefix }) => decodeKey(Prefix ?? '')),
        next: answer.IsTruncated ? answer.NextContinuationToken : undefined,
      };
    },

    /**
     * PutObject. The body is retried whole by the SDK.
     * @param extra.ready awaited before the last byte is sent: what comes before it is on its way meanwhile. If it
     * rejects, S3 never has the whole body, and stores nothing
     * @param extra.crc32 of the body
     * @param extra.nonce kept in the object's metadata, so that `head` can tell whose object it is
     * @returns the object's ETag
     * @throws StorageError exists, changed by the condition; what `ready` gave
     */
    async put(
      { bucket, key }: Location,
      body: Uint8Array,
      extra: Condition & { crc32: number; attributes?: Attributes; nonce?: string; ready?: Promise<void> },
    ): Promise<string> {
      const input = {
        Bucket: bucket,
        Key: key,
        ContentLength: body.byteLength,
        ChecksumCRC32: checked ? encodeCrc32(extra.crc32) : undefined,
        IfNoneMatch: extra.ifAbsent ? '*' : undefined,
        IfMatch: writtenEtag(extra.ifMatch),
        ...toInput(extra.attributes ?? {}, extra.nonce),
      };
      if (extra.ready && body.byteLength > 1 && body.byteLength <= LARGEST_HELD) {
        const etag = await putHeldBack(requests, input, body, extra.ready);
        if (etag !== undefined) return etag;
      }
      await extra.ready;
      const { ETag } = await named(requests.send(new PutObjectCommand({ ...input, Body: body })), extra);
      return ETag ?? '';
    },

    /**
     * CopyObject within S3, up to LARGEST_COPY. Metadata, tags and storage class stay as they are, unless
     * `replaced` gives all of them anew.
     * @param options.sourceEtag copies only this version of the source: else StorageError changed
     * @param options.attributes the copy's attributes, of which only storage class and encryption are taken
     * unless `replaced`
     * @param options.ifMatch the ETag of what is replaced: else StorageError changed
     * @throws StorageError not-found, exists where `ifAbsent` is set and the key is taken
     */
    async copy(
      from: Location,
      to: Location,
      options: {
        sourceEtag?: string;
        ifAbsent?: boolean;
        ifMatch?: string;
        attributes?: Attributes;
        replaced?: boolean;
        signal?: AbortSignal;
      } = {},
    ): Promise<void> {
      const { sourceEtag, ifAbsent, ifMatch, attributes = {}, replaced, signal } = options;
      const { Metadata, Tagging, StorageClass, ServerSideEncryption, SSEKMSKeyId, ...headers } =
        toInput(attributes);
      const command = new CopyObjectCommand({
        Bucket: to.bucket,
        Key: to.key,
        CopySource: copySource(from),
        CopySourceIfMatch: sourceEtag,
        IfNoneMatch: ifAbsent ? '*' : undefined,
        IfMatch: writtenEtag(ifMatch),
        StorageClass,
        ServerSideEncryption,
        SSEKMSKeyId,
        ...(replaced && { ...headers, Metadata, MetadataDirective: 'REPLACE' }),
        ...(replaced && Tagging !== undefined && { Tagging, TaggingDirective: 'REPLACE' }),
      });
      await named(requests.send(command, { abortSignal: signal }), { sourceEtag, ifMatch });
    },

    /** DeleteObject. A missing key is no failure. @throws StorageError changed by the condition */
    async delete(
      { bucket, key }: Location,
      { ifMatch, signal }: { ifMatch?: string; signal?: AbortSignal } = {},
    ): Promise<void> {
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key, IfMatch: writtenEtag(ifMatch) });
      await named(requests.send(command, { abortSignal: signal }), { ifMatch });
    },

    /**
     * DeleteObjects, at most 1,000 versions.
     * @returns keys under which another version stands by now, which stays
     * @throws the failure of the first other key that was not deleted
     */
    async deleteAll(
      bucket: string,
      versions: readonly { readonly key: string; readonly etag: string }[],
    ): Promise<Set<string>> {
      const Objects = versions.map(({ key, etag }) => ({ Key: key, ETag: writtenEtag(etag) }));
      const Delete = { Objects, Quiet: true };
      const answer = await named(requests.send(new DeleteObjectsCommand({ Bucket: bucket, Delete })));
      const refused = (answer.Errors ?? []).filter(({ Code }) => Code === 'PreconditionFailed');
      const [first] = (answer.Errors ?? []).filter((error) => !refused.includes(error));
      if (first) throw toStorageError({ name: first.Code ?? 'InternalError', message: first.Message ?? '' });
      return new Set(refused.map(({ Key = '' }) => Key));
    },
  };
}

/**
 * Sends a body but for its last byte, and that one when `ready` settles.
 * @returns the ETag; undefined where the request failed, which the SDK does not repeat for a stream
 * @throws what `ready` gave
 */
async function putHeldBack(
  requests: S3Client,
  input: Omit<PutObjectCommandInput, 'Body'>,
  body: Uint8Array,
  ready: Promise<void>,
): Promise<string | undefined> {
  // The SDK does not notice a body that fails: the request itself must be given up.
  const stop = new AbortController();
  const go = ready.then(
    () => true,
    () => {
      stop.abort();
      return false;
    },
  );
  async function* heldBack() {
    yield body.subarray(0, -1);
    if (await go) yield body.subarray(-1);
  }
  try {
    const Body = Readable.from(heldBack(), { objectMode: false });
    const command = new PutObjectCommand({ ...input, Body });
    const { ETag } = await requests.send(command, { abortSignal: stop.signal });
    return ETag ?? '';
  } catch {
    // The verdict comes before S3's failure: nothing is sent again of what is not to be published.
    await ready;
    return undefined;
  }
}

function info(answer: { ContentLength?: number; ETag?: string; LastModified?: Date }): ObjectInfo {
  return {
    size: answer.ContentLength ?? 0,
    etag: answer.ETag ?? '',
    modified: answer.LastModified ?? new Date(0),
  };
}

/** Composite ones, made of the parts' values, say nothing about the bytes as a whole. */
function wholeCrc32(answer: { ChecksumCRC32?: string; ChecksumType?: string }): number | undefined {
  return answer.ChecksumType === 'COMPOSITE' ? undefined : decodeCrc32(answer.ChecksumCRC32);
}

/** Undoes EncodingType=url, which writes a blank as `+`. */
function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '));
}
