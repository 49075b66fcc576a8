import type { Readable } from 'node:stream';
import { isFailure, StorageError } from './errors.ts';
import type { Location, ObjectStore } from './s3.ts';

/** One version of an object, and how it is read. */
export interface Version {
  readonly store: ObjectStore;
  readonly place: Location;
  /** Of the first answer; every later one must be of it, too. */
  readonly etag: string;
  /** Milliseconds without a byte after which a connection to S3 is given up, while somebody waits for one. */
  readonly stall: number;
  /** Aborted: nothing more is asked of S3. */
  readonly signal: AbortSignal;
}

/** Times in a row that S3 is asked to go on after it broke off without having sent a byte. */
const CONTINUATIONS = 3;

/** Bytes that are taken from S3 before somebody asks for them. */
const AHEAD = 131_072;

/**
 * A stretch of one version of an object, in order. Where S3 breaks off or falls silent, the rest is asked for by
 * another ranged GET with If-Match.
 */
export class PinnedRead {
  readonly #version: Version;
  /** Index of the byte behind the last one that was asked for. */
  readonly #asked: number;
  #at: number;
  #end: number;
  #body: Body | undefined;
  #attempts = 0;
  #destroyed = false;

  /**
   * @param from index of the first byte in the object
   * @param end of the byte behind the last one
   * @param first the answer's body, where S3 has been asked already
   */
  constructor(version: Version, from: number, end: number, first?: Readable) {
    this.#version = version;
    this.#at = from;
    this.#asked = end;
    this.#end = end;
    this.#body = first && new Body(first, version.stall);
    this.#finishIfDone();
  }

  /** Index behind the last byte that is wanted; may be changed up to what was asked for in the beginning. */
  set end(end: number) {
    this.#end = end;
  }

  /**
   * The next bytes; undefined at the end.
   * @throws StorageError changed where another version stands there now; unavailable when S3 breaks off again and
   * again; what a GET throws
   */
  async next(): Promise<Buffer | undefined> {
    while (this.#at < this.#end) {
      this.#body ??= await this.#ask();
      let chunk: Buffer | undefined;
      try {
        chunk = await this.#body.next();
      } catch (cause) {
        this.#body = undefined;
        this.#fail(cause);
      }
      if (!chunk) continue;
      this.#attempts = 0;
      const wanted = chunk.subarray(0, this.#end - this.#at);
      this.#at += wanted.length;
      // The end may yet be put off.
      if (wanted.length < chunk.length) this.#body?.putBack(chunk.subarray(wanted.length));
      this.#finishIfDone();
      return wanted;
    }
    return undefined;
  }

  /** Gives up what is under way at S3; a `next` that waits throws. */
  destroy(): void {
    this.#destroyed = true;
    this.#body?.destroy();
  }

  #finishIfDone(): void {
    if (this.#at < this.#asked) return;
    this.#body?.finish();
    this.#body = undefined;
  }

  async #ask(): Promise<Body> {
    const { store, place, etag, signal, stall } = this.#version;
    const range = { offset: this.#at, length: this.#asked - this.#at, ifMatch: etag };
    for (;;) {
      try {
        const answer = await store.get(place, range, signal);
        const body = new Body(answer.body, stall);
        if (this.#destroyed) body.destroy();
        if (answer.etag === etag) return body;
        // Not every store heeds If-Match.
        body.destroy();
        throw new StorageError('changed', 'another version of the object answered');
      } catch (error) {
        // S3 may look at the range before it looks at the version.
        if (isFailure(error, 'bad-offset'))
          throw new StorageError('changed', 'the object is shorter now', { cause: error });
        if (!isFailure(error, 'unavailable', 'throttled')) throw error;
        this.#fail(error);
      }
    }
  }

  /** @throws StorageError when it is not to be tried again */
  #fail(cause: unknown): void {
    if (this.#destroyed) throw new StorageError('cancelled', 'the download was given up', { cause });
    if (++this.#attempts > CONTINUATIONS)
      throw new StorageError('unavailable', 'S3 broke off in the middle of a file', { cause });
  }
}

/**
 * A body as it comes from S3, chunk by chunk: by `data` events, since a stream's own iterator costs half as much
 * again.
 */
class Body {
  readonly #stream: Readable;
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #queued = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #failure: unknown;

  constructor(stream: Readable, stall: number) {
    this.#stream = stream;
    this.#timer = setTimeout(() => this.#waiting && this.#fail(new Error(`nothing for ${stall} ms`)), stall);
    this.#timer.unref();
    stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#queued += chunk.length;
      if (this.#queued >= AHEAD) stream.pause();
      this.#wake();
    });
    stream.on('end', () => this.#fail(new Error('the body ended early')));
    stream.on('error', (error) => this.#fail(error));
    stream.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** @throws what ended the body */
  async next(): Promise<Buffer> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#queued -= chunk.length;
        if (this.#queued === 0 && this.#stream.isPaused()) this.#stream.resume();
        return chunk;
      }
      if (this.#failure !== undefined) throw this.#failure;
      this.#timer.refresh();
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
  }

  putBack(chunk: Buffer): void {
    this.#chunks.unshift(chunk);
    this.#queued += chunk.length;
  }

  /** All that is wanted has come: the connection can serve the next request. */
  finish(): void {
    clearTimeout(this.#timer);
    this.#stream.removeAllListeners('data').resume();
  }

  destroy(): void {
    this.#fail(new Error('given up'));
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    clearTimeout(this.#timer);
    this.#stream.destroy();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }
}
