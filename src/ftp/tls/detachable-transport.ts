import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';

/** Bytes of a record's header, whose last two tell its length (RFC 8446 5.1). */
const HEADER = 5;

/**
 * Records in a row that may say nothing. A handshake takes some; who asks for new keys of TLS 1.3 on and on (27 bytes
 * each, RFC 8446 4.6.3) would keep OpenSSL busy, and everybody else waiting.
 */
const MOST_SILENT = 64;

/** TLS over a DetachableTransport, which hears when a record has said something. */
export class DetachableTls extends TLSSocket {
  readonly #transport: DetachableTransport;

  constructor(transport: DetachableTransport, options: TLSSocketOptions) {
    super(transport as unknown as Socket, options);
    this.#transport = transport;
    transport.start(this);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    this.#transport.heard();
    return super.push(chunk, encoding);
  }
}

/**
 * Carries TLS of a control connection. It gives TLS whole records, one by one: so what comes behind the client's
 * close_notify stays here, and the socket can be used in clear afterwards (CCC); and a client whose records say nothing
 * is noticed in time.
 */
export class DetachableTransport extends Duplex {
  readonly #raw: Socket;
  #tls: TLSSocket | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #detaching = false;
  #silent = 0;
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
    // So that no record waits here which TLS has not seen.
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.#raw = raw;
  }

  /** Lets the bytes flow. @param tls what runs over this */
  start(tls: TLSSocket): void {
    this.#tls = tls;
    this.#raw.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
    this.#raw.on('close', this.#onClose);
  }

  /** What TLS was given has said something. */
  heard(): void {
    this.#silent = 0;
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
    this.#give();
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
    for (;;) {
      const length = this.#next();
      if (length === undefined || this.#bytes.length < length) break;
      const record = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      if (++this.#silent > MOST_SILENT) {
        this.#tls?.destroy(new Error('the client sends records that say nothing'));
        return;
      }
      if (!this.push(record)) {
        this.#raw.pause();
        return;
      }
    }
    if (this.#ended) this.push(null);
  }

  /** Bytes of what is to be given next; undefined where that cannot be told yet, or is no longer of TLS. */
  #next(): number | undefined {
    if (this.#bytes.length === 0) return undefined;
    // Clear text in place of a handshake: TLS is to say so, and not to wait for the rest of a record.
    if (!isRecord(this.#bytes)) return this.#detaching ? undefined : this.#bytes.length;
    return this.#bytes.length < HEADER ? undefined : HEADER + this.#bytes.readUInt16BE(3);
  }
}

/** Content types are 20 to 23: no command begins so. */
function isRecord([type = 0]: Buffer): boolean {
  return type >= 20 && type <= 23;
}
