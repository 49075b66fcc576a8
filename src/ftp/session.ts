import type { Socket } from 'node:net';
import type { Config } from '../config.ts';
import { StorageError } from '../fs/errors.ts';
import { canonicalPath } from '../fs/names.ts';
import type { Storage } from '../fs/storage.ts';
import type { Authenticate, Identity } from '../identity/identity.ts';
import type { Log } from '../ops/log.ts';
import { unmapAddress } from './address.ts';
import type { Command, Row } from './command.ts';
import { CommandQueue, type Next } from './command-queue.ts';
import { COMMANDS } from './commands/table.ts';
import { ControlChannel } from './control.ts';
import type { TransferOptions } from './data.ts';
import { type TextEncoding, textEncoding, UTF8 } from './encoding.ts';
import { connectEndpoint, dropEndpoint } from './endpoint.ts';
import { failureReply } from './failure-reply.ts';
import { waitForGrace } from './grace.ts';
import type { PassivePorts } from './passive-ports.ts';
import { resolvePath } from './path.ts';
import { formatReply, type Reply, ReplyError, reply, textLines } from './reply.ts';
import { initialState, type Login, type SessionState } from './state.ts';
import { IncompleteUploadError, Transfer } from './transfer.ts';
import { verdict } from './verdict.ts';

/** What all sessions of a server share. */
export interface SessionContext {
  readonly config: Config;
  /** The storage that an identity sees: with its own rights where it has a role. */
  readonly storageOf: (identity: Identity) => Storage;
  readonly authenticate: Authenticate;
  readonly passivePorts: PassivePorts;
  readonly log: Log;
  /** Whether S3 answered lately; logins get 421 while it does not. */
  readonly storageAvailable: () => boolean;
  /** Whether the process holds itself back: nobody is served yet, and no passive port granted. */
  readonly holding: () => boolean;
}

const NO_LOGIN = 'Please log in with USER and PASS.';

/** Commands a stranger may send. */
const MOST_BEFORE_LOGIN = 50;

/** First words of other protocols that a browser can be made to send here (ALPACA). */
const FOREIGN =
  /^(GET|POST|HEAD|PUT|OPTIONS|DELETE|CONNECT|PATCH|TRACE) \S+ HTTP\/|^(Host:|EHLO |HELO |MAIL FROM|SSH-)/i;

/**
 * One client's control connection and all that hangs on it. Commands run one after the other; a transfer runs
 * beside the loop, which goes on reading so that ABOR, STAT, NOOP and QUIT act at once.
 */
export class Session {
  readonly config: Config;
  readonly context: SessionContext;
  readonly log: Log;
  /** The client's address, un-mapped. */
  readonly address: string;
  /** The server's own address on this connection, un-mapped. */
  readonly localAddress: string;
  readonly started = Date.now();
  state: SessionState = initialState();
  transfer: Transfer | undefined;
  readonly #control: ControlChannel;
  readonly #commands: CommandQueue;
  #timer: NodeJS.Timeout;
  #strangerCommands = 0;
  #traced = false;
  #closing = false;
  /** Settles when the command that runs now has been answered. */
  #busy: Promise<void> | undefined;

  constructor(socket: Socket, context: SessionContext) {
    this.config = context.config;
    this.context = context;
    this.address = unmapAddress(socket.remoteAddress ?? '');
    this.localAddress = unmapAddress(socket.localAddress ?? '');
    this.log = context.log.child({ address: this.address });
    this.#control = new ControlChannel(socket);
    this.#commands = new CommandQueue(this.#control, () => this.state.login && this.#timer.refresh());
    this.#timer = setTimeout(() => this.#expire(), this.config.times.login);
    this.trace();
  }

  /** Serves the client until it has gone; never rejects. */
  async run(): Promise<void> {
    this.send({ code: 220, lines: textLines(this.config.banner) });
    try {
      for (let first = true; !this.#closing; first = false) {
        const next = await this.#commands.next(() => this.transfer);
        if (this.#closing) break;
        if (next === 'flood') await this.#flooded();
        else if (next === 'too-long') this.send(reply(500, 'Line too long.'));
        else if (typeof next !== 'object' || (first && isForeign(next))) break;
        else await this.#handle(next);
      }
    } catch (error) {
      this.log.error({ event: 'fault', err: error }, 'session failed');
    }
    await this.#end();
  }

  /** The path that an argument names, seen from the current directory. @throws PathError */
  resolve(argument: string): string {
    return canonicalPath(resolvePath(this.state.cwd, argument));
  }

  /** Of arguments, replies and listings, as they stand. */
  get encoding(): TextEncoding {
    return this.state.utf8 ? UTF8 : textEncoding(this.config.encoding);
  }

  /** Who is logged in. @throws ReplyError 530 */
  get login(): Login {
    if (!this.state.login) throw new ReplyError(530, NO_LOGIN);
    return this.state.login;
  }

  /** Sends a reply; one that closes is the last. */
  send(answer: Reply): void {
    const text = formatReply(answer);
    if (this.#traced) this.log.info({ event: 'trace', reply: text.trimEnd() });
    this.#control.write(this.encoding.encode(text));
    if (answer.close) this.#closing = true;
  }

  /**
   * Sends 150 and makes the data connection that was agreed on; the endpoint is used up by that.
   * @throws ReplyError 425 where none was agreed on, DataConnectionError
   */
  async openData(transfer: Transfer, mark: string): Promise<Socket> {
    const { endpoint } = this.state;
    if (!endpoint) throw new ReplyError(425, 'Use PASV, EPSV, PORT or EPRT first.');
    this.state.endpoint = undefined;
    transfer.begun = true;
    this.send(reply(150, mark));
    return connectEndpoint(endpoint, this.config.times.connect, transfer.signal);
  }

  transferOptions({ signal, count }: Transfer): TransferOptions {
    return { stall: this.config.times.data, signal, onBytes: count };
  }

  /**
   * Decides, when an upload's last byte is in, whether it may be committed.
   * @throws IncompleteUploadError
   */
  async judge(transfer: Transfer): Promise<void> {
    await waitForGrace(this.config.times.grace, () => this.#commands.state !== 'open');
    const found = verdict({
      dataEnded: true,
      control: this.#commands.state,
      aborted: transfer.abortedBy === 'abor' || transfer.abortedBy === 'shutdown',
      bytes: transfer.bytes,
      announced: this.config.allo === 'exact' ? transfer.announced : undefined,
    });
    if (found !== 'complete') throw new IncompleteUploadError(found);
  }

  /** QUIT is being answered: nothing more is read. */
  quit(): void {
    this.#closing = true;
  }

  /** Starts anew as if the client had just connected (REIN). */
  reset(): void {
    const { endpoint, login, failedLogins } = this.state;
    dropEndpoint(endpoint);
    this.state = { ...initialState(), failedLogins };
    this.trace();
    // A stranger's time to log in is not renewed.
    if (login) this.#rearm();
  }

  /** The user is known: the time to log in is over. */
  loggedIn(login: Login): void {
    this.state.login = login;
    this.#strangerCommands = 0;
    this.#rearm();
  }

  /** Turns the trace on if this user or address is the one that is asked for, and off for another user. */
  trace(): void {
    const { trace } = this.config;
    const value = trace?.by === 'user' ? this.state.userName : this.address;
    this.#traced = trace !== undefined && value === trace.value;
  }

  /** Ends the session: at once if it is idle, else when its transfer has finished. */
  drain(): void {
    if (this.#closing) return;
    const work = this.transfer?.finished ?? this.#busy;
    if (work) void work.then(() => this.drain());
    else this.#goodbye('Server is shutting down.');
  }

  /** Cuts the transfer and ends the session. */
  stop(): void {
    this.transfer?.abort('shutdown');
    this.drain();
  }

  /** A line without end: no command can come any more, and the transfer cannot be told to stop. */
  async #flooded(): Promise<void> {
    this.transfer?.abort('control-lost');
    await this.transfer?.finished;
    this.send(reply(421, 'Line too long, closing.'));
  }

  async #handle({ verb, argument: bytes }: Command): Promise<void> {
    const row = COMMANDS.get(verb);
    const decoded = this.encoding.decode(bytes);
    this.#traceCommand(verb, decoded, row);
    const { restart } = this.state;
    // Used up by the next transfer command, also by one that is refused (protocol reference 7.5).
    if (row?.transfer) this.state.restart = 0;
    const refused = this.#check(decoded, row);
    if (refused || !row) return this.send(refused ?? reply(500, 'Unknown command.'));
    const asIs = row.argument === 'verbatim' || row.argument.endsWith('path');
    const argument = (asIs ? decoded : decoded?.trim()) ?? '';
    if (row.transfer) return this.#start(verb, row, argument, restart);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy = promise;
    let answer: Reply;
    let failure: unknown;
    try {
      answer = await row.run(this, argument);
    } catch (error) {
      failure = error;
      answer = this.#failure(error, verb, row, false);
    }
    if (row.changes || failure instanceof StorageError) this.#recordCommand(verb, argument, answer, failure);
    this.send(answer);
    this.#busy = undefined;
    resolve();
  }

  /** The rules of the table; undefined where they are kept. */
  #check(argument: string | undefined, row: Row | undefined): Reply | undefined {
    if (!this.state.login && ++this.#strangerCommands > MOST_BEFORE_LOGIN)
      return reply(421, 'Too many commands without login.');
    if (!row) return reply(500, 'Unknown command.');
    if (!this.state.login && !row.beforeLogin) return reply(530, NO_LOGIN);
    const isPath = row.argument === 'path' || row.argument === 'optional-path';
    if (argument === undefined) {
      const encoding = this.encoding.name.toUpperCase();
      return isPath
        ? reply(row.writes ? 553 : 550, `File name is not ${encoding}.`)
        : reply(501, `Argument is not ${encoding}.`);
    }
    const given = isPath ? argument : argument.trim();
    if (row.argument === 'none' && given !== '') return reply(501, 'No argument is allowed.');
    if ((row.argument === 'required' || row.argument === 'path') && given === '')
      return reply(501, `Syntax: ${row.help}`);
    const { mounts = [], grants = [] } = this.state.login?.identity ?? {};
    const held = row.needs?.some((permission) =>
      [...mounts, ...grants].some(({ permissions }) => permissions.has(permission)),
    );
    return held === false ? reply(550, 'Permission denied.') : undefined;
  }

  #start(verb: string, row: Row & { transfer: object }, argument: string, restart: number): void {
    const { announced } = this.state;
    if (row.writes) this.state.announced = undefined;
    const transfer = new Transfer(verb, restart, announced);
    this.transfer = transfer;
    transfer.finished = this.#run(transfer, row, argument);
  }

  async #run(transfer: Transfer, row: Row, argument: string): Promise<void> {
    let answer: Reply;
    let failure: unknown;
    try {
      answer = (await row.transfer?.(this, argument, transfer)) ?? reply(502, 'Not implemented.');
    } catch (error) {
      failure = error;
      answer = this.#failure(error, transfer.verb, row, transfer.begun);
    }
    this.#record(transfer, answer, failure);
    this.transfer = undefined;
    this.#timer.refresh();
    this.send(answer);
  }

  #failure(error: unknown, verb: string, row: Row, begun: boolean): Reply {
    const { reply: answer, ours } = failureReply(error, { writes: row.writes ?? false, begun });
    if (ours) this.log.error({ event: 'fault', verb, err: error });
    return answer;
  }

  #record(transfer: Transfer, { code }: Reply, failure: unknown): void {
    const { verb, path, bytes, started, abortedBy } = transfer;
    const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
    const reason = abortedBy ?? (failure instanceof Error ? failure.message : undefined);
    const user = this.state.login?.identity.user;
    this.log.info({ event: 'transfer', user, verb, path, bytes, seconds, code, reason });
  }

  #recordCommand(verb: string, argument: string, { code }: Reply, failure: unknown): void {
    const user = this.state.login?.identity.user;
    const reason = failure instanceof Error ? failure.message : undefined;
    this.log.info({ event: 'command', user, verb, argument, cwd: this.state.cwd, code, reason });
  }

  #traceCommand(verb: string, argument: string | undefined, row: Row | undefined): void {
    if (!this.#traced) return;
    // A stranger may type a password anywhere.
    const masked = row?.secret || !row || (!this.state.login && verb !== 'USER');
    const shown = argument === '' ? verb : `${verb} ${masked ? '***' : (argument ?? '(not decodable)')}`;
    this.log.info({ event: 'trace', command: row ? shown : '(unknown command)' });
  }

  #rearm(): void {
    const { login, idle } = this.config.times;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expire(), this.state.login ? idle : login);
  }

  #expire(): void {
    if (this.transfer || this.#busy !== undefined) this.#timer.refresh();
    else this.#goodbye(this.state.login ? 'Idle for too long.' : 'Login took too long.');
  }

  /** 421, and the end of the control connection, which ends the loop. */
  #goodbye(text: string): void {
    this.send(reply(421, text));
    this.#control.close();
  }

  async #end(): Promise<void> {
    if (this.transfer) {
      this.#commands.lost();
      if (this.#commands.state !== 'quit') this.transfer.abort('control-lost');
      await this.transfer.finished;
    }
    clearTimeout(this.#timer);
    dropEndpoint(this.state.endpoint);
    this.#control.close();
    const user = this.state.login?.identity.user;
    this.log.info({ event: 'session', user, seconds: Math.round((Date.now() - this.started) / 1000) });
  }
}

function isForeign(next: Next): boolean {
  return typeof next === 'object' && FOREIGN.test(`${next.verb} ${next.argument.toString('latin1')}`);
}
