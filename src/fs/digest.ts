import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { StorageError } from './errors.ts';
import { PinnedRead } from './pinned-read.ts';
import type { Location, ObjectStore } from './s3.ts';

/** Digests by the names of the IANA registry that HASH uses, and what Node calls them. */
const ALGORITHMS = {
  CRC32: undefined,
  'SHA-256': 'sha256',
  'SHA-512': 'sha512',
  'SHA-1': 'sha1',
  MD5: 'md5',
} as const;

export type DigestAlgorithm = keyof typeof ALGORITHMS;

/** In the order in which FEAT tells them; the first is the one that S3 itself keeps. */
export const DIGEST_ALGORITHMS = Object.keys(ALGORITHMS) as readonly DigestAlgorithm[];

/** A stretch of a file: index of its first byte, and of the one behind its last; to the end unless given. */
export interface Stretch {
  readonly start: number;
  readonly end?: number | undefined;
}

export interface Digest {
  /** Lower-case hexadecimal. */
  readonly hex: string;
  readonly start: number;
  /** Index behind the last byte. */
  readonly end: number;
}

/** Files read at once in order to digest them: it takes a core and a connection to S3 for each. */
const READERS = 2;

/** Milliseconds without a byte from S3 after which it is asked again. */
const STALL = 30_000;

/** Digests files of one process: a few at once, the others wait in turn. */
export class Digester {
  readonly #store: ObjectStore;
  readonly #largest: number;
  readonly #waiting: (() => void)[] = [];
  #readers = 0;

  /** @param largest bytes that are read for one digest */
  constructor(store: ObjectStore, largest: number) {
    this.#store = store;
    this.#largest = largest;
  }

  /**
   * A digest of a file, or of a stretch of it. The CRC32 of a whole file is the one that S3 keeps, where it keeps
   * one: one HeadObject. Everything else is read, from one version of the file.
   * @throws StorageError not-found, bad-offset for a start beyond the end, too-large, changed, cancelled
   */
  async digest(
    at: Location,
    algorithm: DigestAlgorithm,
    { start, end = Number.POSITIVE_INFINITY }: Stretch,
    signal: AbortSignal,
  ): Promise<Digest> {
    const head = await this.#store.head(at, { signal, checksum: algorithm === 'CRC32' });
    if (start > head.size) throw new StorageError('bad-offset', 'behind the end');
    const stop = Math.max(start, Math.min(end, head.size));
    const whole = start === 0 && stop === head.size;
    if (algorithm === 'CRC32' && whole && head.crc32 !== undefined)
      return { hex: hexOf(head.crc32), start, end: stop };
    if (stop - start > this.#largest) throw new StorageError('too-large', 'too much to be read for a digest');
    const leave = await this.#enter(signal);
    const read = new PinnedRead(
      { store: this.#store, place: at, etag: head.etag, stall: STALL, signal },
      start,
      stop,
    );
    const give = () => read.destroy();
    signal.addEventListener('abort', give, { once: true });
    try {
      return { hex: await hexOfBytes(read, algorithm), start, end: stop };
    } catch (error) {
      throw signal.aborted ? new StorageError('cancelled', 'given up', { cause: error }) : error;
    } finally {
      signal.removeEventListener('abort', give);
      read.destroy();
      leave();
    }
  }

  /** Waits in turn. @returns what lets the next one in @throws StorageError cancelled */
  async #enter(signal: AbortSignal): Promise<() => void> {
    if (this.#readers >= READERS) {
      await new Promise<void>((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        const leave = () => {
          this.#waiting.splice(this.#waiting.indexOf(go), 1);
          reject(new StorageError('cancelled', 'given up'));
        };
        if (signal.aborted) return reject(new StorageError('cancelled', 'given up'));
        signal.addEventListener('abort', leave, { once: true });
        this.#waiting.push(go);
      });
    } else this.#readers++;
    return () => {
      const next = this.#waiting.shift();
      // The place is handed on, or it is free.
      if (next) next();
      else this.#readers--;
    };
  }
}

async function hexOfBytes(read: PinnedRead, algorithm: DigestAlgorithm): Promise<string> {
  const name = ALGORITHMS[algorithm];
  const hash = name === undefined ? undefined : createHash(name);
  let crc = 0;
  for (let chunk = await read.next(); chunk !== undefined; chunk = await read.next()) {
    if (hash) hash.update(chunk);
    else crc = crc32(chunk, crc);
  }
  return hash ? hash.digest('hex') : hexOf(crc);
}

const hexOf = (crc: number) => crc.toString(16).padStart(8, '0');
