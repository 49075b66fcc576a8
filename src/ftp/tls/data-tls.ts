import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { readTlsDirectly } from '../direct-read.ts';
import { UploadTransport } from './upload-transport.ts';

/** How a client ended its side of an upload's data connection: after a close_notify, or by a FIN alone. */
export type DataEnding = 'close-notify' | 'bare-fin';

/**
 * A data connection in TLS, of which this is the server in active mode, too (RFC 4217 7). It can be reset, and in an
 * upload it tells how the client has ended.
 */
export class DataTls extends TLSSocket {
  readonly #raw: Socket;
  readonly #transport: UploadTransport | undefined;
  #ending: DataEnding | undefined;

  /**
   * @param raw accepted or connected; its first bytes may have been put back
   * @param options.receives for uploads: see UploadTransport
   */
  constructor(
    raw: Socket,
    options: {
      secureContext: SecureContext;
      requestCert: boolean;
      rejectUnauthorized: boolean;
      receives: boolean;
    },
  ) {
    const transport = options.receives ? new UploadTransport(raw) : undefined;
    super((transport ?? raw) as Socket, { ...options, isServer: true });
    this.#raw = raw;
    this.#transport = transport;
    transport?.start(this, () => {
      this.#ending ??= 'bare-fin';
    });
    // It may break before a transfer listens, which looks whether it is destroyed. Of the raw one TLS tells.
    this.on('error', () => {});
    raw.on('error', () => {});
  }

  /** How the client has ended; undefined before its end, and where it does not matter. */
  get ending(): DataEnding | undefined {
    return this.#ending;
  }

  isOver(raw: Socket): boolean {
    return raw === this.#raw;
  }

  /** See readTlsDirectly. */
  readDirectly(buffer: () => Uint8Array, callback: (bytes: number, into: Uint8Array) => boolean): boolean {
    return readTlsDirectly(this, buffer, callback);
  }

  /** Where the end of what the client sends comes: by its close_notify, if its FIN has not been before. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && this.#transport) this.#ending ??= 'close-notify';
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
}
