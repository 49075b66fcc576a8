import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

/** Bytes of a record's header, whose last two tell its length (RFC 8446 5.1). */
const HEADER = 5;

/**
 * Carries TLS over a socket that is to be used in clear afterwards (CCC): it gives TLS whole records, one by one, so
 * that what comes behind the client's close_notify stays here.
 */
export class DetachableTransport extends Duplex {
  readonly #raw: Socket;
  #tls: TLSSocket | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #detaching = false;
  readonly #onData = (chunk: Buffer) => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#give();
  };
  readonly #onEnd = () => {
    this.#ended = true;
    this.#give();
  };
  readonly #onError = (error: Error) => this.#tls?.destroy(error);
  readonly #onClose = () => this.#tls?.destroy();

  /** @param raw allowHalfOpen */
  constructor(raw: Socket) {
    super({ allowHalfOpen: true });
    this.#raw = raw;
  }

  /** Lets the bytes flow. @param tls what runs over this */
  start(tls: TLSSocket): void {
    this.#tls = tls;
    this.#raw.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
    this.#raw.on('close', this.#onClose);
  }

  /**
   * Ends TLS on our side, and waits for the client's close_notify.
   * @param timeout milliseconds
   * @returns the socket, paused; what came behind is read from it. It is destroyed where the client did not answer
   */
  async detach(timeout: number): Promise<Socket> {
    const raw = this.#raw;
    const tls = this.#tls;
    this.#detaching = true;
    if (!tls) return raw;
    // What is still sent in TLS is nobody's any more.
    tls.on('error', () => {}).resume();
    tls.end();
    try {
      if (!tls.readableEnded) await once(tls, 'end', { signal: AbortSignal.timeout(timeout) });
    } catch {
      raw.destroy();
    }
    raw.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose).pause();
    if (this.#ended) raw.destroy();
    if (this.#bytes.length > 0 && !raw.destroyed) raw.unshift(this.#bytes);
    return raw;
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#raw.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#detaching && this.#raw.writable) this.#raw.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#detaching) this.#raw.destroy();
    done(error);
  }

  #give(): void {
    while (this.#bytes.length >= HEADER) {
      if (!isRecord(this.#bytes) && this.#detaching) break;
      const length = HEADER + this.#bytes.readUInt16BE(3);
      if (this.#bytes.length < length) break;
      const record = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      if (!this.push(record)) this.#raw.pause();
    }
    if (this.#ended) this.push(null);
  }
}

/** Content types are 20 to 23: no command begins so. */
function isRecord([type = 0]: Buffer): boolean {
  return type >= 20 && type <= 23;
}
