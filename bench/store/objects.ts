import { crc32 } from 'node:zlib';
import { combine } from './crc32.ts';

/** Bytes as they came from the socket; empty where bodies are not kept. */
export interface Body {
  readonly chunks: readonly Buffer[];
  /** Bytes. */
  readonly size: number;
  readonly crc32: number;
}

export interface StoredObject extends Body {
  readonly etag: string;
  readonly modified: Date;
  /** Headers that GET and HEAD repeat: content-type, x-amz-meta-*. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Upload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, StoredObject>;
}

const EMPTY: Body = { chunks: [], size: 0, crc32: 0 };

/** One bucket in memory. Keys are in the order of their UTF-16 units, which is S3's order for ASCII. */
export class Objects {
  readonly uploads = new Map<string, Upload>();
  readonly #objects = new Map<string, StoredObject>();
  #sorted: string[] = [];
  #added: string[] = [];
  #gone = 0;
  #tags = 0;

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  /** An ETag that no other body has; no digest, to be cheap. */
  newEtag(): string {
    return `"${(++this.#tags).toString(16).padStart(32, '0')}"`;
  }

  put(key: string, body: Body, headers: Readonly<Record<string, string>>): StoredObject {
    const object = { ...body, headers, etag: this.newEtag(), modified: new Date() };
    if (!this.#objects.has(key)) this.#added.push(key);
    this.#objects.set(key, object);
    return object;
  }

  delete(key: string): void {
    if (this.#objects.delete(key)) this.#gone++;
  }

  clear(): void {
    this.#objects.clear();
    this.uploads.clear();
    this.#sorted = [];
    this.#added = [];
    this.#gone = 0;
  }

  /** Makes empty objects `PREFIX0000000`, `PREFIX0000001`, ... */
  fill(prefix: string, count: number): void {
    for (let n = 0; n < count; n++) this.put(`${prefix}${String(n).padStart(7, '0')}`, EMPTY, {});
  }

  /** All keys in order. */
  keys(): readonly string[] {
    if (this.#added.length === 0 && this.#gone === 0) return this.#sorted;
    // A key that was deleted and made again stands in both lists.
    const all = new Set([...this.#sorted, ...this.#added].filter((key) => this.#objects.has(key)));
    this.#sorted = [...all].sort();
    this.#added = [];
    this.#gone = 0;
    return this.#sorted;
  }
}

/** The bodies one after another, without touching their bytes. */
export function joined(bodies: readonly Body[]): Body {
  let checksum = 0;
  for (const body of bodies) checksum = combine(checksum, body.crc32, body.size);
  return {
    chunks: bodies.flatMap(({ chunks }) => chunks),
    size: bodies.reduce((sum, { size }) => sum + size, 0),
    crc32: checksum,
  };
}

/** `length` bytes of a body from `offset` on. */
export function slice(body: Body, offset: number, length: number): Buffer[] {
  const wanted: Buffer[] = [];
  let start = 0;
  for (const chunk of body.chunks) {
    const from = Math.max(0, offset - start);
    const to = Math.min(chunk.length, offset + length - start);
    if (from < to) wanted.push(chunk.subarray(from, to));
    start += chunk.length;
    if (start >= offset + length) break;
  }
  return wanted;
}

/** A body of its own made of `length` bytes from `offset` on. */
export function copied(body: Body, offset: number, length: number): Body {
  const chunks = slice(body, offset, length);
  return { chunks, size: length, crc32: chunks.reduce((sum, chunk) => crc32(chunk, sum), 0) };
}
