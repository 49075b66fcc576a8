import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { readTlsDirectly } from '../direct-read.ts';
import { UploadTransport } from './upload-transport.ts';

/**
 * How a client ended its side of a data connection: after a close_notify, by a FIN alone, or by what cannot be told
 * apart.
 */
export type DataEnding = 'close-notify' | 'bare-fin' | 'unknown';

/** Bytes of a close_notify's record (RFC 8446 5.2, 6; RFC 5246 6.2.3.3): TLS 1.3; 1.2 with GCM, with ChaCha20. */
const NOTIFY: readonly number[] = [24, 31, 23];

/**
 * A data connection in TLS, of which this is the server in active mode, too (RFC 4217 7). It can be reset, and
 * tells how the client has ended.
 */
export class DataTls extends TLSSocket {
  readonly #raw: Socket;
  readonly #transport: UploadTransport | undefined;
  /** Raw bytes that had come with the last chunk. */
  #rawBytes = 0;
  /** Whether the event loop has turned since. */
  #turned = true;
  #ending: DataEnding | undefined;

  /**
   * @param raw accepted or connected; its first bytes may have been put back
   * @param options.holdsBack for uploads that would be sent tickets: see UploadTransport
   */
  constructor(
    raw: Socket,
    options: {
      secureContext: SecureContext;
      requestCert: boolean;
      rejectUnauthorized: boolean;
      holdsBack: boolean;
    },
  ) {
    const transport = options.holdsBack ? new UploadTransport(raw) : undefined;
    super((transport ?? raw) as Socket, { ...options, isServer: true });
    this.#raw = raw;
    this.#transport = transport;
    transport?.start(this, () => {
      this.#ending ??= 'bare-fin';
    });
    if (!transport) this.once('secure', () => this.#remember());
    // It may break before a transfer listens, which looks whether it is destroyed. Of the raw one TLS tells.
    this.on('error', () => {});
    raw.on('error', () => {});
  }

  /** How the client has ended; undefined before its end. */
  get ending(): DataEnding | undefined {
    return this.#ending;
  }

  isOver(raw: Socket): boolean {
    return raw === this.#raw;
  }

  /** See readTlsDirectly. */
  readDirectly(buffer: () => Uint8Array, callback: (bytes: number, into: Uint8Array) => boolean): boolean {
    return readTlsDirectly(this, buffer, (bytes, into) => {
      if (!this.#transport) this.#remember();
      return callback(bytes, into);
    });
  }

  /** Where bytes come in clear unless they are read directly, and where the end of them comes. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) this.#ending ??= this.#transport ? 'close-notify' : this.#guess();
    else if (!this.#transport) this.#remember();
    return super.push(chunk, encoding);
  }

  /** Cuts the connection, without close_notify: the client sees that it has not got all. */
  override resetAndDestroy(): this {
    if (this.#transport) {
      this.#transport.resets();
      return this.destroy();
    }
    this.#raw.resetAndDestroy();
    return this.destroy();
  }

  override unref(): this {
    this.#raw.unref();
    return this;
  }

  #remember(): void {
    this.#rawBytes = this.#raw.bytesRead;
    if (!this.#turned) return;
    this.#turned = false;
    setImmediate(() => {
      this.#turned = true;
    });
  }

  /**
   * Node does not tell a close_notify from a FIN. Yet a close_notify is bytes: in the read that brought the last
   * chunk, which is the same turn of the event loop, or in one of their own. A FIN comes by itself.
   */
  #guess(): DataEnding {
    const more = this.#raw.bytesRead - this.#rawBytes;
    if (more === 0) return this.#turned ? 'bare-fin' : 'close-notify';
    return NOTIFY.includes(more) ? 'close-notify' : 'unknown';
  }
}
