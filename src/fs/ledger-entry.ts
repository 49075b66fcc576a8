import { hash } from 'node:crypto';
import { z } from 'zod';
import { crc32OfParts } from './crc32.ts';
import { SMALLEST_PART } from './part-size.ts';
import type { Location } from './s3.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';

/** What of a broken upload can be resumed: its first parts, told by their bytes in all. */
export interface Durable {
  readonly bytes: number;
  /** CRC32 of them all; undefined where S3 does not tell it. */
  readonly crc32: number | undefined;
}

/** What S3 keeps of no multipart upload: who sent it, and how it stands. */
export interface LedgerRecord extends MultipartUpload {
  /**
   * `live`: somebody sends; `parked`: broken, to be resumed; `broken`: a whole upload that broke, without parts;
   * `discarded`: to be aborted, by the sweep where S3 did not do it at once, and never resumed.
   */
  readonly state: 'live' | 'parked' | 'broken' | 'discarded';
  readonly user: string;
  /** The mark that the object will bear. */
  readonly nonce: string;
  /** Who holds it: another value means that somebody else has claimed it. */
  readonly holder: string;
  /** Of a parked one. */
  readonly durable?: Durable;
  /** Parts, as `partMark` names them, that an earlier session sent for places where others come now. */
  readonly stale?: readonly string[];
}

export interface LedgerEntry {
  readonly name: string;
  readonly etag: string;
  readonly modified: Date;
  readonly record: LedgerRecord;
}

/** The right to go on with an upload, for as long as nobody else claims it. */
export interface Claim {
  /** Somebody else goes on with the upload: nothing of it may be touched. */
  readonly lost: boolean;
  /**
   * Makes sure that it is not lost.
   * @param stale parts that are not to be trusted: what was parked before is no bound any more
   * @throws StorageError conflict
   */
  confirm(stale?: readonly string[]): Promise<void>;
  /** Notes that the upload broke and what of it can be resumed. @throws StorageError conflict if it was lost */
  park(durable: Durable): Promise<void>;
  /** Notes that S3 could not abort it: the sweep tries again, and nobody resumes it. @throws StorageError conflict */
  abandon(): Promise<void>;
  /** Strikes it from the ledger. @throws StorageError conflict if it was lost: then nothing may be touched */
  remove(): Promise<void>;
  /** Whoever takes over in this process need not wait any longer. */
  end(): void;
}

/** An upload that this process goes on with. */
export interface Held {
  /** Called when another session claims it. */
  readonly lose: () => void;
  /** Shows that it is alive; never rejects. */
  readonly beat: () => Promise<void>;
  /** Settles when its session touches it no more. */
  readonly ended: Promise<void>;
}

/** Bytes of the largest entry that is read; the marks of 10,000 stale parts take half of that. */
export const LARGEST_ENTRY = 2 ** 20;

const RECORD = z.object({
  bucket: z.string(),
  key: z.string(),
  uploadId: z.string(),
  state: z.enum(['live', 'parked', 'broken', 'discarded']),
  user: z.string(),
  nonce: z.string(),
  holder: z.string(),
  durable: z
    .object({ bytes: z.int(), crc32: z.number().optional() })
    .transform(({ bytes, crc32 }) => ({ bytes, crc32 }))
    .optional(),
  stale: z.array(z.string()).optional(),
});

/**
 * An entry's record.
 * @param name of the entry, which tells the key and the user that it may speak of
 * @returns undefined for what Ferry did not write
 */
export function parseRecord(text: string, name: string): LedgerRecord | undefined {
  try {
    const record = RECORD.parse(JSON.parse(text));
    return name.startsWith(prefixOf(record, record.user)) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** A part and its content. */
export function partMark({ number, etag }: Part): string {
  return `${number}:${etag}`;
}

/** The upload that may be resumed: the one last touched, unless a whole upload has been begun and broke since. */
export function resumable(entries: readonly LedgerEntry[]): LedgerEntry | undefined {
  const marks = entries.filter(({ record }) => record.state === 'broken');
  const since = Math.max(0, ...marks.map(({ modified }) => modified.getTime()));
  const uploads = entries.filter(
    ({ record, modified }) => record.uploadId !== '' && modified.getTime() > since,
  );
  return uploads.sort((a, b) => a.modified.getTime() - b.modified.getTime()).at(-1);
}

/**
 * What of an object's overwriting broke or is under way, so that its size says nothing about what was sent.
 * @param since when the object that stands there was committed: what is older is void
 */
export function overwrites(entries: readonly LedgerEntry[], since: Date): LedgerEntry[] {
  return entries.filter(({ record, modified }) => record.state !== 'parked' && modified >= since);
}

/**
 * The parts that an upload can be continued behind. No part counts behind which nothing is known to have come: it
 * may be the end of the file, and a client that finds all its bytes there would never ask for the commit.
 * @param parts as S3 lists them
 */
export function durableRun(record: LedgerRecord, parts: readonly Part[]): Part[] | undefined {
  const { durable, stale = [] } = record;
  if (durable) {
    const run = partsUpTo(parts, durable.bytes);
    const crc32 = run && crc32OfParts(run);
    const differs = crc32 !== undefined && durable.crc32 !== undefined && crc32 !== durable.crc32;
    return differs ? undefined : run;
  }
  const run = unbroken(parts.filter((part) => !stale.includes(partMark(part)))).slice(0, -1);
  return run.length > 0 ? run : undefined;
}

/**
 * What can be resumed of an upload that broke.
 * @param received bytes of the file that came, those that are in no part included; undefined: not known
 * @param before first parts behind which something had come already when it was resumed
 */
export function durableOf(
  parts: readonly Part[],
  received: number | undefined,
  before = 0,
): Durable | undefined {
  const run = unbroken(parts);
  const beyond = (received ?? 0) > bytesOf(run) || run.length <= before;
  const kept = beyond ? run : run.slice(0, -1);
  return kept.length > 0 ? { bytes: bytesOf(kept), crc32: crc32OfParts(kept) } : undefined;
}

/** The unbroken run from part 1. A short part can only be a last one, which nothing may follow. */
function unbroken(parts: readonly Part[]): Part[] {
  const end = parts.findIndex(({ number, size }, index) => number !== index + 1 || size < SMALLEST_PART);
  return end < 0 ? [...parts] : parts.slice(0, end);
}

/** The first parts, if they hold just so many bytes. */
export function partsUpTo(parts: readonly Part[], bytes: number): Part[] | undefined {
  let sum = 0;
  const run: Part[] = [];
  for (const part of unbroken(parts)) {
    if (sum >= bytes) break;
    run.push(part);
    sum += part.size;
  }
  return sum === bytes && run.length > 0 ? run : undefined;
}

export function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

/** What names of all entries of a key begin with. */
export function keyHash({ bucket, key }: Location): string {
  return `${hash('sha256', JSON.stringify([bucket, key])).slice(0, 24)}-`;
}

/** The part of an entry's name that `keyHash` made. */
export function keyHashIn(name: string): string {
  return name.slice(0, name.indexOf('-') + 1);
}

/** What names of all entries of a key and a user begin with. */
export function prefixOf(at: Location, user: string): string {
  return `${keyHash(at)}${hash('sha256', user).slice(0, 16)}-`;
}
