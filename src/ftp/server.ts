import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Identity } from '../identity/identity.ts';
import type { LiveSession } from '../ops/admin.ts';
import { unmapAddress } from './address.ts';
import { Admission, type Refusal } from './admission.ts';
import { greeting, type Peers, type ServerContext, type SessionContext } from './context.ts';
import { liveSession } from './live.ts';
import { takeProxyHeader } from './proxied.ts';
import { formatReply, reply } from './reply.ts';
import { Session } from './session.ts';

/** TCP keep-alive of control connections: a dead client is found while a long transfer keeps it silent. */
const KEEP_ALIVE = { first: 60_000, interval: 15_000, count: 8 } as const;

/**
 * Milliseconds after which a proxy that has sent no header gets the greeting: some send it only with the client's
 * first bytes, and FTP's clients wait for the server's.
 */
const HEADER_WAIT = 200;

/** The control port could not be bound. */
export class ControlPortError extends Error {
  override readonly name = 'ControlPortError';
}

/** Listens for control connections and keeps their sessions. */
export class FtpServer {
  readonly #context: SessionContext;
  readonly #server: Server;
  /** Of implicit TLS; undefined: none. */
  readonly #tlsServer: Server | undefined;
  readonly #sessions = new Map<Session, Promise<void>>();
  readonly #proxies: ReadonlySet<string>;
  /** Proxied connections whose header has not come. */
  readonly #arriving = new Set<Socket>();
  #draining = false;
  /** Settles when no new connection can come any more. */
  #lagOver: Promise<unknown> | undefined;

  private constructor(context: ServerContext) {
    const { config } = context;
    this.#context = { ...context, admission: new Admission(config) };
    this.#proxies = new Set(config.proxies.map(unmapAddress));
    const { policy, port } = config.tls;
    const options = { allowHalfOpen: true, noDelay: true };
    this.#server = createServer(options, (socket) => this.#accept(socket, false));
    if (policy !== 'off' && port !== undefined)
      this.#tlsServer = createServer(options, (socket) => this.#accept(socket, true));
  }

  /** @throws ControlPortError */
  static async listen(context: ServerContext): Promise<FtpServer> {
    const { host, port, tls } = context.config;
    const server = new FtpServer(context);
    try {
      await bind(server.#server, host, port, 'control port');
      if (server.#tlsServer) await bind(server.#tlsServer, host, tls.port ?? 0, 'implicit TLS port');
      return server;
    } catch (error) {
      server.#close();
      throw error;
    }
  }

  /** The control port in use. */
  get port(): number {
    return portOf(this.#server);
  }

  /** The port of implicit TLS in use; undefined: none. */
  get tlsPort(): number | undefined {
    return this.#tlsServer && portOf(this.#tlsServer);
  }

  /** Sessions now. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Transfers now. */
  get transfers(): number {
    return [...this.#sessions.keys()].filter(({ transfer }) => transfer).length;
  }

  /**
   * Accepts nobody any more, ends idle sessions with 421, and lets running transfers finish. Behind a load balancer
   * that has not heard of it yet, new connections get 421 meanwhile. May be called again with a nearer deadline.
   * @param within milliseconds; transfers that run on are cut then. Infinity: they are not
   */
  async drain(within: number): Promise<void> {
    const { lag } = this.#context.config.fleet;
    if (lag === 0) this.#close();
    this.#lagOver ??= lag === 0 ? Promise.resolve() : wait(lag, undefined, { ref: false });
    this.#draining = true;
    for (const socket of this.#arriving) socket.destroy();
    for (const session of this.#sessions.keys()) session.drain();
    const late = Number.isFinite(within) ? wait(within, undefined, { ref: false }) : undefined;
    const done = Promise.all([...this.#sessions.values(), this.#lagOver]);
    await Promise.race([done, ...(late ? [late] : [])]);
    this.stop();
    await Promise.all(this.#sessions.values());
  }

  /** Cuts every transfer and ends every session. */
  stop(): void {
    this.#draining = true;
    this.#close();
    for (const session of this.#sessions.keys()) session.stop();
  }

  /** Ends one session, by its id, for an operator. @returns whether there was one */
  end(id: number): boolean {
    return this.endSessions((session) => session.id === id, 'Ended by the operator.') > 0;
  }

  /** How the sessions stand, the oldest first. */
  list(): LiveSession[] {
    return [...this.#sessions.keys()].map(liveSession);
  }

  /**
   * Cuts the transfers of some sessions and ends them.
   * @param why what their clients are told
   * @returns how many there were
   */
  endSessions(which: (session: Session) => boolean, why: string): number {
    const ended = [...this.#sessions.keys()].filter(which);
    for (const session of ended) session.stop(why);
    return ended.length;
  }

  /**
   * Ends sessions of users who are no longer who they were: when idle at once, else after the running transfer.
   * @returns how many there were
   */
  endLogins(over: (identity: Identity) => boolean): number {
    const ended = [...this.#sessions.keys()].filter(({ state }) => state.login && over(state.login.identity));
    for (const session of ended) session.drain('Your account has changed, log in again.');
    return ended.length;
  }

  /** Why nobody at all is let in now. */
  #closed(address: string): Refusal | undefined {
    if (this.#draining) return DRAINING;
    if (address === '') return GONE;
    return this.#context.holding?.() ? HOLDING : undefined;
  }

  #close(): void {
    this.#server.close();
    this.#tlsServer?.close();
  }

  #accept(socket: Socket, implicitTls: boolean): void {
    socket.setKeepAlive(true, KEEP_ALIVE.first, KEEP_ALIVE.interval, KEEP_ALIVE.count);
    const address = unmapAddress(socket.remoteAddress ?? '');
    const bound = unmapAddress(socket.localAddress ?? '');
    if (this.#proxies.has(address)) void this.#acceptProxied(socket, address, implicitTls);
    else
      this.#admit(socket, { address, localAddress: bound, boundAddress: bound, implicitTls, greeted: false });
  }

  /** The session's address is the one that the header tells: it is asked for before the first command is read. */
  async #acceptProxied(socket: Socket, proxy: string, implicitTls: boolean): Promise<void> {
    const { config, strangers } = this.#context;
    const closed = this.#closed(proxy) ?? (this.#hasRoom() ? undefined : FULL);
    if (closed) {
      this.#refuse(socket, proxy, closed, implicitTls);
      return;
    }
    this.#arriving.add(socket);
    let greeted = false;
    const greet = () => {
      greeted = true;
      socket.write(greeting(config));
    };
    // Where TLS is implicit it is the client that speaks first.
    const slow = implicitTls ? undefined : { after: HEADER_WAIT, call: greet };
    const times = { within: config.times.login, slow };
    const proxied = await takeProxyHeader(socket, times);
    this.#arriving.delete(socket);
    if (proxied.kind === 'client') {
      this.#admit(proxied.socket, { ...proxied, implicitTls, greeted });
      return;
    }
    // A health check, or nobody any more: not worth a word.
    if (proxied.kind === 'bad' || proxied.kind === 'timeout')
      strangers.write('refused', `proxy-header-${proxied.kind}`, { address: proxy });
    socket.destroy();
  }

  /** Whose header has not come for longest makes room: those who say nothing must not shut everybody else out. */
  #hasRoom(): boolean {
    if (this.#arriving.size + this.#sessions.size < this.#context.config.limits.sessions) return true;
    const [oldest] = this.#arriving;
    if (!oldest) return false;
    this.#arriving.delete(oldest);
    oldest.destroy();
    return true;
  }

  #admit(socket: Socket, peers: Peers): void {
    const { address } = peers;
    const { admission } = this.#context;
    const entered = this.#closed(address) ?? admission.enter(address);
    if (typeof entered !== 'function') {
      this.#refuse(socket, address, entered, peers.implicitTls);
      return;
    }
    const session = new Session(socket, this.#context, peers);
    const over = session.run().then(() => {
      this.#sessions.delete(session);
      entered();
    });
    this.#sessions.set(session, over);
  }

  /** 421 instead of the greeting, and the end; only the end where nothing may be said in clear. */
  #refuse(socket: Socket, address: string, { text, reason }: Refusal, implicitTls = false): void {
    this.#context.strangers.write('refused', reason, { address });
    socket.on('error', () => {});
    if (implicitTls) {
      socket.destroy();
      return;
    }
    socket.setTimeout(1000, () => socket.destroy());
    socket.end(formatReply(reply(421, text)), () => socket.destroySoon());
    socket.resume();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** @throws ControlPortError */
function bind(server: Server, host: string, port: number, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = { EADDRINUSE: 'it is in use', EACCES: 'this user may not bind it' }[cause.code ?? ''];
      reject(new ControlPortError(`${name} ${port} on ${host}: ${why ?? cause.message}`, { cause }));
    });
    server.listen({ host, port, backlog: 1024 }, () => resolve());
  });
}

const GONE: Refusal = { text: 'Gone already.', reason: 'gone' };
const HOLDING: Refusal = { text: 'Not ready yet, try again.', reason: 'holding' };
const DRAINING: Refusal = { text: 'Server is shutting down.', reason: 'draining' };
const FULL: Refusal = { text: 'Too many connections, try again later.', reason: 'sessions' };
