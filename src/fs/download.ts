import { crc32 } from 'node:zlib';
import { StorageError } from './errors.ts';
import type { Account, Lease, MemoryPool } from './memory-pool.ts';
import { PinnedRead, type Version } from './pinned-read.ts';
import type { Location, ObjectStore } from './s3.ts';

/** A file open for reading. */
export interface OpenFile {
  /** Bytes of the whole file. */
  readonly size: number;
  /**
   * Its bytes from the offset on. A chunk must not be used any more when the next is asked for. Throws StorageError:
   * changed where another version would be needed to go on, unavailable, damaged (before the last chunk) where the
   * bytes are not what S3's CRC32 says.
   */
  readonly body: AsyncIterable<Buffer>;
  /** Gives up reading; without effect when all has been read. */
  readonly cancel: () => void;
}

export interface DownloadOptions {
  readonly store: ObjectStore;
  readonly pool: MemoryPool;
  /** GETs of one download at once; 1: nothing is read ahead. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte from S3 after which a GET is given up and asked for again. */
  readonly stall?: number;
  /** Milliseconds after which what is read ahead is given up for a client that hardly reads. */
  readonly patience?: number;
}

const MIB = 2 ** 20;

/** Bytes of a range that is read ahead. */
const RANGE = 8 * MIB;

/** Bytes that must be left to come for reading ahead to be worth its requests. */
const LARGE = 32 * MIB;

/** Bytes a second from which one connection is good enough: ranges cost CPU, and S3 itself is near. */
const FAST = 160 * MIB;

/** Bytes after which the pace is looked at for the first time. */
const WINDOW = 4 * MIB;

/** The share of this thread's time from which it is itself what holds the download up. */
const BUSY = 0.9;

/** Bytes that a client takes within the patience, or it counts as slow. */
const LEAST = MIB;

/** Bytes of a read-ahead buffer that are handed on at once. */
const PORTION = 65_536;

/** A range on its way into a buffer, or there. */
interface Range {
  /** Index of its first byte in the object. */
  readonly start: number;
  readonly length: number;
  readonly lease: Lease;
  readonly read: PinnedRead;
  filled: number;
}

/**
 * Opens a file for reading from `offset` bytes on: one GetObject. Where the client turns out faster than that one
 * connection, the following ranges are read ahead beside it.
 * @throws StorageError not-found, archived, bad-offset at or beyond the end
 */
export async function openDownload(
  place: Location,
  offset: number,
  options: DownloadOptions,
): Promise<OpenFile> {
  const { store } = options;
  const cancelled = new AbortController();
  const signal = AbortSignal.any([options.signal, cancelled.signal]);
  const { size, etag, crc32: expected, body } = await store.get(place, { offset }, signal);
  const version = { store, place, etag, signal, stall: options.stall ?? 30_000 };
  const plain = new PinnedRead(version, offset, size, body);
  const download = new Download({ version, size, offset, expected, plain }, options);
  const cancel = () => {
    cancelled.abort();
    download.close();
  };
  return { size, body: download.chunks(), cancel };
}

/** What the first answer told. */
interface Opened {
  readonly version: Version;
  readonly size: number;
  readonly offset: number;
  /** CRC32 of the whole object. */
  readonly expected: number | undefined;
  readonly plain: PinnedRead;
}

class Download {
  readonly #version: Version;
  readonly #size: number;
  readonly #expected: number | undefined;
  readonly #connections: number;
  readonly #patience: number;
  readonly #account: Account;
  readonly #pace = new Pace();
  /** Index of the next byte for the client. */
  #at: number;
  /** Whether the client has a chunk that it did not take yet. */
  #withClient = false;
  /** Serves until the ranges begin, if ever. */
  #plain: PinnedRead | undefined;
  /** In the order of their bytes, without gaps. */
  #ranges: Range[] = [];
  /** Index of the byte from which on no range has been asked for; the size while none is to be. */
  #next: number;
  #timer: NodeJS.Timeout | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;
  #failure: unknown;

  constructor({ version, size, offset, expected, plain }: Opened, options: DownloadOptions) {
    this.#version = version;
    this.#size = size;
    this.#expected = offset === 0 ? expected : undefined;
    this.#connections = options.connections;
    this.#patience = options.patience ?? 1000;
    this.#account = options.pool.account();
    this.#at = offset;
    this.#plain = plain;
    this.#next = size;
    this.#pace.begin();
  }

  async *chunks(): AsyncGenerator<Buffer> {
    let sum = 0;
    try {
      while (this.#at < this.#size) {
        const chunk = await this.#chunk();
        if (!chunk) continue;
        this.#at += chunk.length;
        if (this.#expected !== undefined) sum = crc32(chunk, sum);
        // The client must not have all of it.
        if (this.#at === this.#size && this.#expected !== undefined && sum !== this.#expected)
          throw new StorageError('damaged', 'the CRC32 is not that of S3');
        this.#withClient = true;
        yield chunk;
        this.#withClient = false;
      }
    } finally {
      this.close();
    }
  }

  /** Ends all that is under way, and gives the memory back. */
  close(): void {
    this.#fail(new StorageError('cancelled', 'the download was given up'));
    this.#plain?.destroy();
    this.#dropRanges(0);
    clearInterval(this.#timer);
    this.#account.close();
  }

  /** The next bytes; undefined where it has to be looked again. The chunk before is no longer in use. */
  async #chunk(): Promise<Buffer | undefined> {
    const front = this.#ranges[0];
    if (!front || this.#at < front.start) return this.#fromPlain(front?.start ?? this.#size);
    if (this.#plain) this.#endPlain();
    const from = this.#at - front.start;
    const to = Math.min(front.filled, from + PORTION);
    if (from < to) return front.lease.buffer.subarray(from, to);
    if (from < front.length) return void (await this.#more());
    front.lease.release();
    this.#ranges.shift();
    // With nothing ahead any more, one connection does as well.
    if (this.#ranges.length > 0) this.#refill();
    else this.#dropRanges(0);
    return undefined;
  }

  async #fromPlain(end: number): Promise<Buffer | undefined> {
    if (!this.#plain) {
      this.#plain = new PinnedRead(this.#version, this.#at, this.#size);
      this.#pace.begin();
    }
    this.#plain.end = end;
    const asked = performance.now();
    const chunk = await this.#plain.next();
    if (chunk && this.#ranges.length === 0 && this.#pace.wantsMore(chunk.length, performance.now() - asked))
      this.#readAhead(this.#at + chunk.length);
    return chunk;
  }

  /** The ranges go on from here: one more of them may have its connection. */
  #endPlain(): void {
    this.#plain?.destroy();
    this.#plain = undefined;
    this.#refill();
  }

  /** Begins to read ahead, if it is worth it and there is memory. The plain read bridges the time until then. */
  #readAhead(from: number): void {
    if (this.#connections === 1 || this.#size - from <= LARGE) return;
    this.#next = from + RANGE;
    this.#refill();
    if (this.#ranges.length === 0) {
      this.#next = this.#size;
      return;
    }
    let seen = from;
    this.#timer = setInterval(() => {
      if (this.#withClient && this.#at - seen < LEAST) this.#giveUp();
      seen = this.#at;
    }, this.#patience).unref();
  }

  /** As many ranges as there may be connections and is memory at once. */
  #refill(): void {
    while (this.#next < this.#size && this.#ranges.length + (this.#plain ? 1 : 0) < this.#connections) {
      const lease = this.#account.tryClaim(RANGE);
      if (!lease) return;
      const start = this.#next;
      const length = Math.min(RANGE, this.#size - start);
      const read = new PinnedRead(this.#version, start, start + length);
      const range = { start, length, lease, read, filled: 0 };
      this.#next += length;
      this.#ranges.push(range);
      this.#fill(range).catch((error) => this.#ranges.includes(range) && this.#fail(error));
    }
  }

  async #fill(range: Range): Promise<void> {
    for (let chunk = await range.read.next(); chunk; chunk = await range.read.next()) {
      // Its buffer may be somebody else's by now.
      if (!this.#ranges.includes(range)) return;
      chunk.copy(range.lease.buffer, range.filled);
      range.filled += chunk.length;
      if (range === this.#ranges[0]) this.#wake();
    }
  }

  /** The client hardly reads: it keeps no buffer but the one whose bytes it is being sent. */
  #giveUp(): void {
    const front = this.#ranges[0];
    const keep = front && this.#at > front.start ? 1 : 0;
    if (this.#ranges.length > keep) this.#pace.hesitate();
    this.#dropRanges(keep);
  }

  /** Gives up reading ahead: all but so many ranges. */
  #dropRanges(keep: number): void {
    for (const { read, lease } of this.#ranges.splice(keep)) {
      read.destroy();
      lease.release();
    }
    this.#next = this.#size;
    if (keep === 0) clearInterval(this.#timer);
  }

  async #more(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting = Promise.withResolvers();
    await this.#waiting.promise;
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }
}

/** Tells from a plain read's pace whether its one connection to S3 is what holds a download up. */
class Pace {
  #window = WINDOW;
  #bytes = 0;
  #waited = 0;
  #started = 0;
  #utilization = performance.eventLoopUtilization();

  /** Begins to measure anew. */
  begin(): void {
    this.#bytes = 0;
    this.#waited = 0;
    this.#started = performance.now();
    this.#utilization = performance.eventLoopUtilization();
  }

  /** Looks longer next time: the client was not as fast as it seemed. */
  hesitate(): void {
    this.#window *= 4;
  }

  /** @param waited milliseconds that these bytes of the read were waited for */
  wantsMore(bytes: number, waited: number): boolean {
    this.#bytes += bytes;
    this.#waited += waited;
    if (this.#bytes < this.#window) return false;
    const elapsed = performance.now() - this.#started;
    const slow = (this.#bytes / elapsed) * 1000 < FAST;
    const { utilization } = performance.eventLoopUtilization(this.#utilization);
    const wants = slow && this.#waited > elapsed / 2 && utilization < BUSY;
    this.begin();
    return wants;
  }
}
