import type { Socket } from 'node:net';
import type { Config } from '../config.ts';
import { StorageError } from '../fs/errors.ts';
import { canonicalPath } from '../fs/names.ts';
import { holdsAnywhere } from '../fs/permissions.ts';
import { countingRequests } from '../fs/request-count.ts';
import type { Log } from '../ops/log.ts';
import type { Command, Row } from './command.ts';
import { CommandQueue } from './command-queue.ts';
import { COMMANDS } from './commands/table.ts';
import type { Peers, SessionContext } from './context.ts';
import { ControlChannel } from './control.ts';
import type { TransferOptions } from './data.ts';
import { type TextEncoding, textEncoding, UTF8 } from './encoding.ts';
import { connectEndpoint, dropEndpoint } from './endpoint.ts';
import { failureReply } from './failure-reply.ts';
import { isForeign } from './foreign.ts';
import { waitForGrace } from './grace.ts';
import { resolvePath } from './path.ts';
import { recordCommand, recordTransfer } from './records.ts';
import { formatReply, type Reply, ReplyError, reply, textLines } from './reply.ts';
import { NoCertificateError, Security } from './security.ts';
import { initialState, type Login, type SessionState } from './state.ts';
import { stricterPolicy } from './tls/policy.ts';
import { IncompleteUploadError, Transfer } from './transfer.ts';
import { verdict } from './verdict.ts';

const NO_LOGIN = 'Please log in with USER and PASS.';

/** Commands a stranger may send. */
const MOST_BEFORE_LOGIN = 50;

/**
 * One client's control connection and all that hangs on it. Commands run one after the other; a transfer runs
 * beside the loop, which goes on reading so that ABOR, STAT, NOOP and QUIT act at once.
 */
export class Session {
  static #last = 0;
  /** Of this process, and never used again. */
  readonly id = ++Session.#last;
  readonly config: Config;
  readonly context: SessionContext;
  readonly log: Log;
  /** The client's address, un-mapped. */
  readonly address: string;
  /** The address that the client called, un-mapped. */
  readonly localAddress: string;
  /** The address that this process has on this connection; undefined: the client called a proxy's. */
  readonly boundAddress: string | undefined;
  readonly security: Security;
  readonly started = Date.now();
  state: SessionState = initialState();
  transfer: Transfer | undefined;
  readonly #control: ControlChannel;
  readonly #commands: CommandQueue;
  #timer: NodeJS.Timeout;
  readonly #age: NodeJS.Timeout;
  #strangerCommands = 0;
  #traced = false;
  #closing = false;
  readonly #peers: Peers;
  #lastLine = Date.now();
  /** Settles when the command that runs now has been answered. */
  #busy: Promise<void> | undefined;

  constructor(socket: Socket, context: SessionContext, peers: Peers) {
    this.config = context.config;
    this.context = context;
    this.address = peers.address;
    this.localAddress = peers.localAddress;
    this.boundAddress = peers.boundAddress;
    this.#peers = peers;
    this.log = context.log.child({ address: this.address });
    this.#control = new ControlChannel(socket);
    this.security = new Security(this.#control, context, this.log);
    this.#commands = new CommandQueue(this.#control, () => {
      this.#lastLine = Date.now();
      if (this.state.login) this.#timer.refresh();
    });
    this.#timer = setTimeout(() => this.#expire(), this.config.times.login);
    this.#age = setTimeout(() => this.drain('Session is too old, log in again.'), this.config.times.session);
    this.trace();
  }

  /** Serves the client until it has gone; never rejects. */
  async run(): Promise<void> {
    try {
      if (this.#peers.implicitTls) await this.secure();
      if (!this.#peers.greeted && !this.#closing)
        this.send({ code: 220, lines: textLines(this.config.banner) });
      for (let first = true; !this.#closing; first = false) {
        const next = await this.#commands.next(() => this.transfer);
        if (this.#closing) break;
        if (next === 'flood') await this.#flooded();
        else if (next === 'too-long') this.send(reply(500, 'Line too long.'));
        else if (next === 'foreign' || (first && isForeign(next))) {
          this.context.strangers.write('refused', 'foreign-protocol', { address: this.address });
          break;
        } else if (typeof next !== 'object') break;
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
    return this.state.utf8 ? UTF8 : textEncoding(this.ownEncoding);
  }

  /** The user's encoding for clients that do not ask for UTF-8. */
  get ownEncoding(): Config['encoding'] {
    return this.state.login?.identity.encoding ?? this.config.encoding;
  }

  /** The TLS that this session must use at the least. */
  get tlsPolicy(): Config['tls']['policy'] {
    return stricterPolicy(this.config.tls.policy, this.state.login?.identity.tls);
  }

  /** Whether nothing is known to have come behind the command that runs. */
  get quiet(): boolean {
    return this.#commands.quiet;
  }

  /** Puts TLS on the control connection, or ends the session. */
  async secure(): Promise<void> {
    try {
      if (!this.security.begun && !this.security.prepare()) throw new Error('there is no certificate');
      await this.security.secureControl();
    } catch (error) {
      const told = error instanceof NoCertificateError;
      const details = { address: this.address, cause: told ? undefined : String(error) };
      this.context.strangers.write('refused', told ? 'client-certificate' : 'tls-handshake', details);
      if (told) this.send(reply(421, 'A client certificate is required.'));
      else this.#control.destroy();
      this.#closing = true;
    }
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
    if (answer.code >= 200) this.context.onReply?.(answer.code);
    if (answer.close) this.#closing = true;
  }

  /**
   * Sends 150 and makes the data connection that was agreed on; the endpoint is used up by that.
   * @param direction what the server does
   * @throws ReplyError 425 where none was agreed on, DataConnectionError, DataTlsError
   */
  async openData(
    transfer: Transfer,
    mark: string,
    direction: 'sends' | 'receives' = 'sends',
  ): Promise<Socket> {
    const { endpoint } = this.state;
    if (!endpoint) throw new ReplyError(425, 'Use PASV, EPSV, PORT or EPRT first.');
    this.state.endpoint = undefined;
    transfer.begun = true;
    this.send(reply(150, mark));
    if (this.state.protection === 'P') {
      transfer.secured = await this.security.openData(
        endpoint,
        transfer,
        direction === 'receives',
        this.login,
      );
      return transfer.secured;
    }
    const socket = await connectEndpoint(endpoint, this.config.times.connect, transfer.signal);
    if (endpoint.mode === 'passive') endpoint.reservation.settle();
    return socket;
  }

  transferOptions({ signal, count }: Transfer): TransferOptions {
    const { upload, download } = this.login.seat;
    return { stall: this.config.times.data, signal, onBytes: count, upload, download };
  }

  /**
   * Decides, when an upload's last byte is in, whether it may be committed.
   * @throws IncompleteUploadError
   */
  async judge(transfer: Transfer): Promise<void> {
    await waitForGrace(this.config.times.grace, () => this.#commands.state !== 'open');
    const found = verdict({
      ...this.security.evidence(transfer.secured?.ending),
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
    login?.seat.leave();
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

  /** When the client last sent a command, in milliseconds of Unix time. */
  get lastLine(): number {
    return this.#lastLine;
  }

  /**
   * Ends the session: at once if it is idle, else when its transfer has finished.
   * @param why what the client is told
   */
  drain(why = 'Server is shutting down.'): void {
    if (this.#closing) return;
    const work = this.transfer?.finished ?? this.#busy;
    if (work) void work.then(() => this.drain(why));
    else this.#goodbye(why);
  }

  /** Cuts the transfer and ends the session. @param why what the client is told */
  stop(why?: string): void {
    this.transfer?.abort('shutdown');
    this.drain(why);
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
    const count = { requests: 0 };
    let answer: Reply;
    let failure: unknown;
    try {
      answer = await countingRequests(count, () => row.run(this, argument));
    } catch (error) {
      failure = error;
      answer = this.#failure(error, verb, row, false);
    }
    if (row.changes || failure instanceof StorageError)
      recordCommand(this, verb, argument, answer, failure, count);
    this.send(answer);
    this.#busy = undefined;
    resolve();
    await answer.next?.();
  }

  /** The rules of the table; undefined where they are kept. */
  #check(argument: string | undefined, row: Row | undefined): Reply | undefined {
    if (!this.state.login && ++this.#strangerCommands > MOST_BEFORE_LOGIN) {
      this.context.strangers.write('refused', 'commands-before-login', { address: this.address });
      return reply(421, 'Too many commands without login.');
    }
    if (!row) return reply(500, 'Unknown command.');
    if (!this.state.login && !row.beforeLogin) return reply(530, NO_LOGIN);
    if (row.transfer && !row.dataless && this.state.protection === 'C' && this.tlsPolicy === 'data')
      return reply(521, 'Data connections must be protected: send PBSZ 0 and PROT P.');
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
    const identity = this.state.login?.identity;
    const held = !row.needs || !identity || holdsAnywhere(identity, row.needs);
    return held ? undefined : reply(550, 'Permission denied.');
  }

  #start(verb: string, row: Row & { transfer: object }, argument: string, restart: number): void {
    const { announced } = this.state;
    if (row.writes) this.state.announced = undefined;
    const transfer = new Transfer(verb, restart, announced);
    this.transfer = transfer;
    transfer.finished = countingRequests(transfer, () => this.#run(transfer, row, argument));
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
    recordTransfer(this, transfer, answer, failure);
    this.transfer = undefined;
    this.#timer.refresh();
    this.send(answer);
  }

  #failure(error: unknown, verb: string, row: Row, begun: boolean): Reply {
    const { reply: answer, ours } = failureReply(error, { writes: row.writes ?? false, begun });
    if (ours) this.log.error({ event: 'fault', verb, err: error });
    return answer;
  }

  #traceCommand(verb: string, argument: string | undefined, row: Row | undefined): void {
    if (!this.#traced) return;
    // A stranger may type a password anywhere.
    const traced = verb === 'USER' && argument === this.config.trace?.value;
    const masked = row?.secret || !row || !(this.state.login || traced);
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
    clearTimeout(this.#age);
    dropEndpoint(this.state.endpoint);
    this.#control.close();
    this.security.close();
    const { login } = this.state;
    login?.seat.leave();
    const seconds = Math.round((Date.now() - this.started) / 1000);
    if (login) this.log.info({ event: 'session', user: login.identity.user, seconds });
    else this.context.strangers.write('session', 'no-login', { address: this.address, seconds });
  }
}
