import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { mayBeAnswered } from './codes.ts';
import { SentLines } from './lines.ts';

/** What the server did that it never may. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** A reply: its code, and all its lines. */
export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** Where a server is, and whence it is called. */
export interface Ends {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  /** The port speaks TLS from the first byte on. */
  readonly implicit: boolean;
}

/** Reasons of a 421 that a fuzzer may bring about. */
const GOODBYE = /^421 (Too many|Line too long|Login took|Idle for|Server is shutting|Nothing may follow)/;

/**
 * A control connection that judges what it reads: the grammar of replies (RFC 959 4.2), their codes, one final
 * reply for each command, at most one mark, and no end without a word.
 */
export class Control {
  /** What was sent and what came, in short. */
  readonly transcript: string[] = [];
  readonly answers: Answer[] = [];
  /** Data connections are in TLS, as far as is known. */
  protects = false;
  readonly #bound: number;
  readonly #sent = new SentLines();
  /** What is written to: the connection, or the TLS on it. */
  #socket: Socket;
  readonly #plain: Socket;
  #text = '';
  #multi: string[] = [];
  #finals = 0;
  /** The verb of the one command that is under way, where it is one. */
  #alone: string | undefined;
  #marked = false;
  #last: number | undefined;
  #ended = false;
  /** The connection may end at any moment now, without a word. */
  #left = false;
  #violation: Violation | undefined;
  #wake = () => {};

  private constructor(socket: Socket, plain: Socket, bound: number) {
    this.#bound = bound;
    this.#plain = plain;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Connects and reads the greeting. @param bound milliseconds that any answer may take */
  static async open(ends: Ends, bound: number): Promise<Control> {
    const plain = connect({ ...ends, noDelay: true, allowHalfOpen: true });
    await once(plain, 'connect');
    const control = new Control(ends.implicit ? await handshake(plain, bound) : plain, plain, bound);
    // The greeting is the answer to having come.
    control.#sent.verbs.push('REIN');
    control.#alone = 'REIN';
    await control.settle();
    return control;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Of the connection's client side, which data connections come from and PORT names. */
  get localAddress(): string {
    return this.#socket.localAddress ?? '';
  }

  /** Sends bytes, one a character, cut at these places. */
  async send(bytes: string, cuts: readonly number[] = []): Promise<void> {
    if (this.#ended) return;
    this.transcript.push(`> ${brief(bytes)}${cuts.length > 0 ? ` (cut at ${cuts.join(', ')})` : ''}`);
    const { verbs } = this.#sent;
    const before = verbs.length;
    this.#sent.add(bytes);
    const isAlone = this.#finals === before && verbs.length === before + 1;
    if (verbs.length > before) this.#alone = isAlone ? verbs.at(-1) : undefined;
    const borders = [0, ...[...new Set(cuts)].sort((a, b) => a - b), bytes.length];
    for (const [index, end] of borders.entries()) {
      if (index === 0 || !this.#socket.writable) continue;
      this.#socket.write(Buffer.from(bytes.slice(borders[index - 1], end), 'latin1'));
      if (index < borders.length - 1) await new Promise(setImmediate);
    }
  }

  /** Waits for the final reply of every command sent; false where the connection has ended instead. */
  async settle(): Promise<boolean> {
    const due = () => this.#sent.verbs.length;
    await this.#until(() => this.#finals >= due() || this.#ended, 'final reply');
    return !this.#ended;
  }

  /** Waits for the next reply after the first `known`; undefined where the connection ends instead. */
  async answer(known: number): Promise<Answer | undefined> {
    await this.#until(() => this.answers.length > known || this.#ended, 'reply');
    return this.answers[known];
  }

  /** Sends what has one known answer: whatever came before it must have been answered by now. */
  async probe(): Promise<void> {
    if (this.#ended) return;
    const known = this.answers.length;
    await this.send('HELP NOOP\r\n');
    const alive = (await this.settle()) && this.#last !== 421;
    const found = this.answers[known]?.text;
    if (alive && found !== '214 Syntax: NOOP')
      throw this.#violate(`the answer to a probe is ${found}: a reply too many came before`);
  }

  /** Puts TLS on the connection, or what is no TLS at all. @returns whether the connection lives on */
  async secure(how: 'handshake' | 'garbage' | 'leave'): Promise<boolean> {
    this.transcript.push(`- TLS: ${how}`);
    this.#left = true;
    this.#socket.removeAllListeners('data').resume();
    if (how === 'leave') this.#socket.destroy();
    if (how === 'garbage') this.#socket.write('NOOP\r\n'.repeat(20));
    if (how !== 'handshake') {
      await this.gone();
      return false;
    }
    const plain = this.#socket;
    plain.removeAllListeners('end').pause();
    this.#socket = await handshake(plain, this.#bound);
    this.#left = false;
    this.#listen(this.#socket);
    return true;
  }

  /** Ends the session in one way or another, and waits until the server has let go. */
  async leave(how: 'quit' | 'destroy' | 'reset' | 'half-close'): Promise<void> {
    if (how === 'quit') await this.send('QUIT\r\n');
    else {
      this.#left = true;
      this.transcript.push(`- ${how}`);
    }
    if (how === 'destroy') this.#socket.destroy();
    if (how === 'reset') this.#plain.resetAndDestroy();
    if (how === 'half-close') this.#socket.end();
    await this.gone();
  }

  async gone(): Promise<void> {
    await this.#until(() => this.#ended, 'end of the connection');
    this.#socket.destroy();
  }

  /** Lets go without asking; for a session that has failed already. */
  destroy(): void {
    this.#left = true;
    this.#socket.destroy();
  }

  /** @throws Violation that was seen meanwhile */
  check(): void {
    if (this.#violation) throw this.#violation;
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#read();
      this.#wake();
    });
    const end = () => this.#end();
    socket.on('end', end).on('close', end).on('error', end);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.transcript.push('- the connection has ended');
    const told = this.#last === 221 || this.#last === 421;
    if (!told && !this.#left && !this.#sent.foreign) this.#violate('the connection ended without a word');
    if (!this.#left && (this.#text !== '' || this.#multi.length > 0))
      this.#violate('the connection ended within a reply');
    this.#wake();
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    const limit = AbortSignal.timeout(this.#bound);
    const late = once(limit, 'abort');
    for (;;) {
      this.check();
      if (done()) return;
      if (limit.aborted) throw this.#violate(`no ${what} within ${this.#bound} ms`);
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([woken, late]);
    }
  }

  #violate(message: string): Violation {
    this.#violation ??= new Violation(message);
    return this.#violation;
  }

  #read(): void {
    for (let end = this.#text.indexOf('\r\n'); end >= 0; end = this.#text.indexOf('\r\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#line(line);
    }
  }

  /** RFC 959 4.2: `ddd text`, or `ddd-text`, lines that cannot be taken for the last one, and `ddd text`. */
  #line(line: string): void {
    this.transcript.push(`< ${brief(line)}`);
    if (/[\r\n\0]/.test(line)) this.#violate(`a control character in ${brief(line)}`);
    if (/(?<!\xff)(?:\xff\xff)*\xff(?!\xff)/.test(line)) this.#violate(`a bare 0xFF in ${brief(line)}`);
    const [, code = '', sign] = /^(\d{3})([ -])/.exec(line) ?? [];
    const [first] = this.#multi;
    this.#multi.push(line);
    if (first === undefined) {
      if (sign === undefined) this.#violate(`no reply: ${brief(line)}`);
      if (sign === '-') return;
    } else if (sign === undefined) return;
    else if (sign !== ' ' || code !== first.slice(0, 3))
      this.#violate(`a middle line that can be taken for the last one: ${brief(line)}`);
    const text = this.#multi.join('\r\n');
    this.#multi = [];
    this.#answer({ code: Number(code), text });
  }

  #answer(answer: Answer): void {
    this.answers.push(answer);
    const { code, text } = answer;
    const { verbs, flood } = this.#sent;
    if (this.#last === 221 || this.#last === 421)
      this.#violate(`a reply behind ${this.#last}: ${brief(text)}`);
    const verb = this.#alone;
    if (!mayBeAnswered(code, verb))
      this.#violate(`${verb ?? 'one of several'} is answered with ${brief(text)}`);
    if (verb === 'PROT' && code === 200) this.protects = /protected/.test(text);
    if (verb === 'REIN' || verb === 'AUTH') this.protects &&= code >= 300;
    // What follows is in clear, which Node's TLS cannot go back to.
    if (text.startsWith('200 TLS ends')) this.destroy();
    if (code === 421 && !GOODBYE.test(text)) this.#violate(`a 421 for no reason: ${brief(text)}`);
    if (code < 200 && this.#marked) this.#violate(`a second mark: ${brief(text)}`);
    if (code < 200) {
      this.#marked = true;
      return;
    }
    this.#marked = false;
    this.#last = code;
    this.#finals++;
    if (this.#finals > verbs.length && code !== 421 && !flood)
      this.#violate(`a reply that no command asked for: ${brief(text)}`);
  }
}

async function handshake(plain: Socket, bound: number): Promise<Socket> {
  const socket = secure({ socket: plain, rejectUnauthorized: false });
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(bound) });
  return socket;
}

/** A text in one line, its middle left out where it is long. */
export function brief(text: string): string {
  const shown = JSON.stringify(text)
    .replaceAll(/[\x7f-\xff]/g, hex)
    .replaceAll(/(.)\1{39,}/g, repeated);
  return shown.length <= 300 ? shown : `${shown.slice(0, 200)}... (${text.length} bytes)`;
}

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16)}`;
}

function repeated(run: string, character: string): string {
  return `${character}{${run.length}}`;
}
