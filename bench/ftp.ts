import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { crc32 } from 'node:zlib';

/** Where an FTP server listens and who logs in. */
export interface Account {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Explicit TLS 1.3, for data, too; whether data connections resume. Undefined: in clear. */
  readonly tls?: { readonly resume: boolean } | undefined;
}

export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** What came over a data connection. */
export interface Received {
  /** Bytes. */
  readonly size: number;
  readonly crc32: number;
  readonly lines: number;
  /** Milliseconds from the command to the first byte. */
  readonly first: number;
}

/** All downloads read into this one: each read is looked at before the next one begins. */
const READ = Buffer.allocUnsafe(256 * 2 ** 10);

/** What all uploads send, again and again: noise, made without chance so that every run sends the same. */
export const PATTERN = noise(2 ** 20);

function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 0x9e3779b9;
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state | 0, at);
  }
  return bytes;
}

const checksums = new Map<number, number>();

/** The CRC32 of the first `size` bytes of the endless pattern. */
export function patternCrc32(size: number): number {
  let sum = checksums.get(size);
  if (sum !== undefined) return sum;
  sum = 0;
  for (let at = 0; at < size; at += PATTERN.length)
    sum = crc32(PATTERN.subarray(0, Math.min(PATTERN.length, size - at)), sum);
  checksums.set(size, sum);
  return sum;
}

/** The certificate is made for the day: nobody could know it. */
const TLS = { rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;

/** One FTP session on bare sockets: a library would cost more than the servers that are measured. */
export class Session {
  #socket: Socket;
  readonly #host: string;
  #tls: { readonly resume: boolean } | undefined;
  /** What data connections resume. */
  #ticket: Buffer | undefined;
  readonly #replies: Reply[] = [];
  #rest = '';
  #wake: ((error?: Error) => void) | undefined;
  #ended: Error | undefined;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay(true);
    this.#listen();
  }

  #listen(): void {
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes.toString('latin1')));
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the server closed the control connection')));
  }

  /** Connects and logs in. */
  static async open({ host, port, user, password, tls }: Account): Promise<Session> {
    const session = new Session(connect({ host, port }), host);
    await session.expect(220);
    if (tls) await session.#secure(tls);
    await session.command(`USER ${user}`, 331, 230);
    await session.command(`PASS ${password}`, 230);
    return session;
  }

  async #secure(tls: { readonly resume: boolean }): Promise<void> {
    await this.command('AUTH TLS', 234);
    const plain = this.#socket.removeAllListeners();
    const socket = connectTls({ ...TLS, socket: plain });
    socket.on('session', (ticket: Buffer) => {
      this.#ticket = ticket;
    });
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#listen();
    await this.command('PBSZ 0', 200);
    await this.command('PROT P', 200);
    this.#tls = tls;
  }

  close(): void {
    this.#socket.removeAllListeners('close').on('error', () => {});
    this.#socket.destroy();
  }

  /** Sends a line and waits for a reply with one of the codes. */
  command(line: string, ...codes: readonly number[]): Promise<Reply> {
    this.#socket.write(`${line}\r\n`);
    return this.expect(...codes);
  }

  async expect(...codes: readonly number[]): Promise<Reply> {
    while (this.#replies.length === 0) {
      if (this.#ended) throw this.#ended;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = (error) => (error ? reject(error) : resolve());
      await promise;
    }
    const reply = this.#replies.shift() ?? { code: 0, text: '' };
    if (!codes.includes(reply.code)) throw new Error(`expected ${codes.join(' or ')}, got: ${reply.text}`);
    return reply;
  }

  /** Opens a data connection to `port`, and sends `line` meanwhile; settles when the server has answered 150. */
  async #begin(line: string, sink?: (bytes: Buffer) => void): Promise<Socket> {
    const { text } = await this.command('EPSV', 229);
    const port = Number(/\(\|\|\|(\d+)\|\)/.exec(text)?.[1]);
    const to = { host: this.#host, port };
    const options = {
      ...to,
      ...(sink && {
        onread: {
          buffer: READ,
          callback: (length: number) => {
            sink(READ.subarray(0, length));
            return true;
          },
        },
      }),
    };
    const { resume } = this.#tls ?? {};
    const data =
      resume === undefined
        ? connect(options)
        : connectTls({ ...options, ...TLS, ...(resume && { session: this.#ticket }) });
    data.setNoDelay(true).on('error', () => {});
    const connected = data.connecting ? once(data, 'connect') : undefined;
    try {
      await Promise.all([connected, this.command(line, 125, 150)]);
    } catch (error) {
      data.destroy();
      throw error;
    }
    return data;
  }

  /** A data connection for an upload, ready to be written; `expect(226)` after its end. */
  startUpload(line: string): Promise<Socket> {
    return this.#begin(line);
  }

  /** Uploads `size` bytes of the pattern. */
  async upload(name: string, size: number): Promise<void> {
    const data = await this.startUpload(`STOR ${name}`);
    for (let at = 0; at < size; at += PATTERN.length)
      if (!data.write(PATTERN.subarray(0, Math.min(PATTERN.length, size - at)))) await flowing(data);
    data.end();
    await this.expect(226);
  }

  /** Runs RETR, LIST, NLST or MLSD to its end. */
  async download(line: string): Promise<Received> {
    const started = performance.now();
    let first = 0;
    let size = 0;
    let sum = 0;
    let lines = 0;
    const listing = !line.startsWith('RETR');
    const data = await this.#begin(line, (bytes) => {
      if (size === 0) first = performance.now() - started;
      size += bytes.length;
      sum = crc32(bytes, sum);
      if (listing) for (const byte of bytes) if (byte === 10) lines++;
    });
    if (!data.closed) await Promise.all([once(data.resume(), 'close'), this.expect(226)]);
    else await this.expect(226);
    return { size, crc32: sum, lines, first };
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines)
      if (/^\d{3} /.test(line)) this.#replies.push({ code: Number(line.slice(0, 3)), text: line });
    if (this.#replies.length > 0) this.#wake?.();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.(error);
  }
}

async function flowing(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('drain', resolve).once('close', resolve);
  await promise;
  socket.off('drain', resolve).off('close', resolve);
}
