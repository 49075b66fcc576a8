import { randomUUID } from 'node:crypto';
import { crc32OfParts } from './crc32.ts';
import { notFound, StorageError } from './errors.ts';
import { discardUpload } from './ledger.ts';
import { MOST_PARTS } from './part-size.ts';
import type { Location, ObjectStore } from './s3.ts';
import type { Attributes } from './s3-attributes.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';
import { LARGEST_COPY } from './s3-objects.ts';

/** One version of an object: what a copy is pinned to. */
export interface Version extends Location {
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

export interface CopyOptions {
  /** Only where nothing stands under the target: else StorageError exists. */
  readonly ifAbsent?: boolean;
  /** All attributes of the copy; unless given, those of the source. Tags stay where it names none. */
  readonly replaced?: Attributes;
  /** The source's storage class and encryption, which CopyObject does not keep by itself. */
  readonly kept?: Pick<Attributes, 'storageClass' | 'encryption'>;
  readonly signal?: AbortSignal;
  /** Bytes that are copied by one CopyObject; beyond, in parts. At most LARGEST_COPY, the default. */
  readonly largest?: number;
  /** Bytes of a part, 5 MiB to 5 GiB, unless 10,000 of them are too few. */
  readonly partSize?: number;
}

/** A part's copy lasts seconds; larger ones gain nothing. */
const PART_SIZE = 512 * 2 ** 20;

const PARALLEL_PARTS = 8;

/**
 * Copies one version of an object within S3: by one CopyObject, or in parts above `largest`, which are copied in
 * parallel. Metadata, tags and headers stay. A copy that fails leaves no multipart upload behind.
 * @throws StorageError changed where another version stands there, not-found, exists by `ifAbsent`
 */
export async function copyObject(
  store: ObjectStore,
  from: Version,
  to: Location,
  options: CopyOptions = {},
): Promise<void> {
  const { ifAbsent, replaced, kept, signal, largest = LARGEST_COPY } = options;
  if (from.size > largest) return copyInParts(store, from, to, options);
  await store.copy(from, to, {
    sourceEtag: from.etag,
    ifAbsent,
    ifMatch: ontoItself(from, to),
    attributes: replaced ?? kept,
    replaced: replaced !== undefined,
    signal,
  });
}

/** Onto itself, a copy must not bury a version that came meanwhile: the ETag that has to stand there. */
function ontoItself(from: Version, to: Location): string | undefined {
  return from.bucket === to.bucket && from.key === to.key ? from.etag : undefined;
}

async function copyInParts(
  store: ObjectStore,
  from: Version,
  to: Location,
  { ifAbsent, replaced, signal, partSize = PART_SIZE }: CopyOptions,
): Promise<void> {
  const source = await store.head(from, { checksum: true, signal });
  if (source.etag !== from.etag) throw new StorageError('changed', 'the source is another version');
  const tags = replaced?.tags ?? (source.tagCount > 0 ? await store.tags(from) : undefined);
  const nonce = randomUUID();
  const open = await store.createUpload(to, nonce, { ...(replaced ?? source.attributes), tags });
  try {
    const parts = await copyParts(store, from, open, partSize, signal);
    signal?.throwIfAborted();
    const crc32 = source.crc32 ?? crc32OfParts(parts);
    await store.completeUpload(open, parts, { crc32, ifAbsent, ifMatch: ontoItself(from, to) });
  } catch (error) {
    // A commit whose answer was lost and that is sent again is refused because of itself.
    const there = await store.head(to).catch(() => undefined);
    if (there?.nonce === nonce) return;
    await discardUpload(store, open);
    throw error;
  }
}

async function copyParts(
  store: ObjectStore,
  from: Version,
  open: MultipartUpload,
  wanted: number,
  signal: AbortSignal | undefined,
): Promise<Part[]> {
  const length = Math.max(wanted, Math.ceil(from.size / MOST_PARTS));
  const numbers = Array.from({ length: Math.ceil(from.size / length) }, (_, index) => index + 1);
  const parts: Part[] = [];
  await inParallel(numbers, PARALLEL_PARTS, async (number) => {
    const offset = (number - 1) * length;
    const range = { offset, length: Math.min(length, from.size - offset) };
    parts.push(await store.copyPart(open, number, { ...from, ...range }, signal));
  });
  return parts.sort((a, b) => a.number - b.number);
}

/**
 * Whether what stands under `to` is a copy of this version: the same ETag; or, where ETags say nothing about the
 * bytes (several parts, KMS), the same size and CRC32, or without a CRC32 no older than the source.
 * @param since how old it may be at most
 */
export async function isCopy(store: ObjectStore, of: Version, to: Location, since?: Date): Promise<boolean> {
  const there = await store.head(to, { checksum: true }).catch(notFound);
  if (!there || there.size !== of.size) return false;
  if (there.etag === of.etag) return true;
  const source = await store.head(of, { checksum: true }).catch(notFound);
  if (source?.etag !== of.etag || (since && there.modified < since)) return false;
  const telling = [source, there].every(
    ({ etag, attributes }) => !etag.includes('-') && attributes.encryption === undefined,
  );
  if (telling) return false;
  if (source.crc32 !== undefined && there.crc32 !== undefined) return source.crc32 === there.crc32;
  return there.modified >= source.modified;
}

/**
 * Runs a task for each item, so many at once. After a failure no further one is begun.
 * @throws the first failure, once all that were begun have settled
 */
export async function inParallel<T>(
  items: Iterable<T>,
  most: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;

  async function next(): Promise<void> {
    for (let item = queue.next(); !item.done && !failure; item = queue.next()) {
      try {
        await run(item.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  }

  await Promise.all(Array.from({ length: most }, next));
  if (failure) throw failure.error;
}
