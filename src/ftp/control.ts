import type { Socket } from 'node:net';
import { escapeTelnet, stripTelnet } from './telnet.ts';

/** One line of the client, without its line end. */
export interface Line {
  readonly kind: 'line';
  /** As sent, Telnet commands removed; the argument's bytes may be in any encoding. */
  readonly bytes: Buffer;
}

/**
 * What a pull yields: a line; a line that was too long, consumed up to its end; one that does not end; another
 * protocol's hello; or the end.
 */
export type Pulled = Line | { readonly kind: 'too-long' | 'flood' | 'foreign' | 'end' };

/** Bytes of the longest line that is taken; keys reach 1,024 and full paths are sent. */
export const LONGEST_LINE = 8192;

/** Bytes without a line end after which the client is given up. */
export const FLOOD = 65_536;

/** First byte of a TLS hello (RFC 8446 5.1), which may have no line end in it. */
const TLS_HANDSHAKE = 0x16;

const LF = 0x0a;
const CR = 0x0d;

/**
 * The control connection, pulled: nothing is read from the socket until a line is asked for, so that AUTH TLS
 * can prove that nothing was sent behind it.
 */
export class ControlChannel {
  #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #overlong = false;
  #dropped = 0;
  #ended = false;
  /** Nothing has been looked at yet. */
  #fresh = true;
  #wake: (() => void) | undefined;

  /** @param socket accepted, paused, with nothing read from it */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** Whether the client's side has ended, and all that it sent has been pulled. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for the next line, and before that for the client to read what it was sent. One pull at a time. */
  async pull(): Promise<Pulled> {
    for (;;) {
      if (this.#socket.writableNeedDrain && !this.#ended) {
        await this.#event();
        continue;
      }
      const pulled = this.#next();
      if (pulled) return pulled;
      const chunk: Buffer | null = this.#socket.read();
      if (chunk) this.#append(chunk);
      else if (this.#ended) return { kind: 'end' };
      else await this.#event();
    }
  }

  /** Whether nothing has come, as far as this process can see, that has not been pulled. */
  get quiet(): boolean {
    return this.#buffer.length === 0 && this.#socket.readableLength === 0 && !this.#overlong;
  }

  /**
   * Goes on over another socket, such as TLS on top of this one.
   * @param wrap given the old one, when all replies are with the kernel; none of its bytes are read any more
   */
  async rewire(wrap: (old: Socket) => Socket | Promise<Socket>): Promise<void> {
    const old = this.#socket;
    // The end of the old one is not the client's end; a reset shows on what lies above it.
    this.#unlisten();
    old.on('error', () => {});
    if (old.writableLength > 0)
      await new Promise<void>((resolve) => old.once('close', resolve).write('', () => resolve()));
    this.#socket = await wrap(old);
    this.#listen();
  }

  /** Writes a reply's bytes to the client; nothing more is pulled while the client does not read. */
  write(reply: Buffer): void {
    if (this.#socket.writable) this.#socket.write(escapeTelnet(reply));
  }

  /** Ends our side, reads on for a moment so that the client sees the last reply, and lets go. */
  close(linger = 1000): void {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    this.#socket.removeAllListeners('readable');
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), linger);
    this.#socket.once('end', () => this.#socket.destroySoon());
    this.#socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onEvent = () => this.#wake?.();
  readonly #onEnd = () => {
    this.#ended = true;
    this.#wake?.();
  };

  #listen(): void {
    // A reset is an end; what was going on learns of it by the next pull.
    this.#socket.on('end', this.#onEnd).on('close', this.#onEnd).on('error', this.#onEnd);
    this.#socket.on('readable', this.#onEvent).on('drain', this.#onEvent);
  }

  #unlisten(): void {
    this.#socket.off('end', this.#onEnd).off('close', this.#onEnd).off('error', this.#onEnd);
    this.#socket.off('readable', this.#onEvent).off('drain', this.#onEvent);
  }

  #event(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #append(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
  }

  #next(): Pulled | undefined {
    if (this.#fresh && this.#buffer.length > 0) {
      this.#fresh = false;
      if (this.#buffer[0] === TLS_HANDSHAKE) return { kind: 'foreign' };
    }
    const end = this.#buffer.indexOf(LF);
    if (end < 0) return this.#unended();
    const raw = this.#buffer.subarray(0, end);
    this.#buffer = this.#buffer.subarray(end + 1);
    if (this.#dropped + raw.length > FLOOD) return { kind: 'flood' };
    const tooLong = this.#overlong || raw.length > LONGEST_LINE;
    this.#overlong = false;
    this.#dropped = 0;
    return tooLong ? { kind: 'too-long' } : { kind: 'line', bytes: cleanLine(raw) };
  }

  #unended(): Pulled | undefined {
    if (this.#overlong || this.#buffer.length > LONGEST_LINE) {
      this.#overlong = true;
      this.#dropped += this.#buffer.length;
      this.#buffer = Buffer.alloc(0);
      return this.#dropped > FLOOD ? { kind: 'flood' } : undefined;
    }
    return this.#urgentAbort();
  }

  /**
   * Python's ftplib sends `ABOR\r\n` urgent: its LF is the urgent byte, which the kernel keeps out of the
   * stream. So `ABOR\r` with nothing behind it is whole; an LF that comes late makes an empty line.
   */
  #urgentAbort(): Pulled | undefined {
    if (this.#buffer.length < 5 || this.#buffer.length > 12 || this.#buffer.at(-1) !== CR) return undefined;
    if (this.#socket.readableLength > 0) return undefined;
    const bytes = cleanLine(this.#buffer);
    if (!/^ABOR$/i.test(bytes.toString('latin1'))) return undefined;
    this.#buffer = Buffer.alloc(0);
    return { kind: 'line', bytes };
  }
}

/** Removes Telnet commands and the CRs of the line end, and decodes `CR NUL` (RFC 854). */
function cleanLine(raw: Buffer): Buffer {
  let end = raw.length;
  while (end > 0 && raw[end - 1] === CR) end--;
  const bytes = stripTelnet(raw.subarray(0, end));
  if (!bytes.includes('\r\0')) return bytes;
  return Buffer.from(bytes.toString('latin1').replaceAll('\r\0', '\r'), 'latin1');
}
