import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

/** Bytes that are held back at the most: tickets take some hundred, a client that asks for new keys on and on more. */
const MOST_HELD = 65_536;

/**
 * What lies between an upload's TLS and its socket. Node's server sends session tickets after the handshake of
 * TLS 1.3, and a client that writes, reads nothing and closes then resets its connection and loses the tail of
 * what it sent. So all that the server writes after the handshake is held back until it ends its side, when the
 * client's bytes are in. And since the client's FIN passes through here it can be told from a close_notify.
 */
export class UploadTransport extends Duplex {
  readonly #raw: Socket;
  readonly #held: Buffer[] = [];
  #size = 0;
  #tls: TLSSocket | undefined;
  #established = false;
  #resets = false;

  /** @param raw allowHalfOpen, paused; bytes may have been put back into it */
  constructor(raw: Socket) {
    super({ allowHalfOpen: true });
    this.#raw = raw;
  }

  /**
   * Lets the bytes flow.
   * @param tls what runs over this
   * @param onFin told of the client's FIN when TLS has been given all that came before it, but not yet the FIN
   */
  start(tls: TLSSocket, onFin: () => void): void {
    const raw = this.#raw;
    this.#tls = tls;
    tls.once('secure', () => {
      this.#established = true;
    });
    raw.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) raw.pause();
    });
    raw.on('end', () => this.push(null));
    this.prependListener('end', onFin);
    // To destroy this instead of what runs over it has crashed Node 24.21.
    raw.on('error', (error) => tls.destroy(error));
    raw.on('close', () => tls.destroy());
  }

  /** From here on, to be destroyed means to reset the connection. */
  resets(): void {
    this.#resets = true;
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    // TLS 1.2 sends its tickets within the handshake.
    if (!this.#established || this.#tls?.getProtocol() !== 'TLSv1.3') {
      this.#raw.write(chunk, done);
      return;
    }
    this.#held.push(chunk);
    this.#size += chunk.length;
    done();
    if (this.#size > MOST_HELD)
      this.#tls.destroy(new Error('the client asks for too much during its upload'));
  }

  override _final(done: (error?: Error | null) => void): void {
    // The tickets must come before the close_notify, which is numbered after them.
    if (this.#raw.writable) this.#raw.end(Buffer.concat(this.#held));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#resets) this.#raw.resetAndDestroy();
    else this.#raw.destroy();
    done(error);
  }
}
