import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { unmapAddress } from './address.ts';
import { formatReply, reply } from './reply.ts';
import { Session, type SessionContext } from './session.ts';

/** TCP keep-alive of control connections: a dead client is found while a long transfer keeps it silent. */
const KEEP_ALIVE = { first: 60_000, interval: 15_000, count: 8 } as const;

/** The control port could not be bound. */
export class ControlPortError extends Error {
  override readonly name = 'ControlPortError';
}

/** Listens for control connections and keeps their sessions. */
export class FtpServer {
  readonly #context: SessionContext;
  readonly #server: Server;
  readonly #sessions = new Map<Session, Promise<void>>();
  readonly #perAddress = new Map<string, number>();
  #draining = false;
  /** Settles when no new connection can come any more. */
  #lagOver: Promise<unknown> | undefined;

  private constructor(context: SessionContext) {
    this.#context = context;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** @throws ControlPortError */
  static listen(context: SessionContext): Promise<FtpServer> {
    const { host, port } = context.config;
    const server = new FtpServer(context);
    return new Promise((resolve, reject) => {
      server.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const why = { EADDRINUSE: 'it is in use', EACCES: 'this user may not bind it' }[cause.code ?? ''];
        reject(new ControlPortError(`control port ${port} on ${host}: ${why ?? cause.message}`, { cause }));
      });
      server.#server.listen({ host, port, backlog: 1024 }, () => resolve(server));
    });
  }

  /** The control port in use. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
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
    if (lag === 0) this.#server.close();
    this.#lagOver ??= lag === 0 ? Promise.resolve() : wait(lag, undefined, { ref: false });
    this.#draining = true;
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
    this.#server.close();
    for (const session of this.#sessions.keys()) session.stop();
  }

  #accept(socket: Socket): void {
    socket.setKeepAlive(true, KEEP_ALIVE.first, KEEP_ALIVE.interval, KEEP_ALIVE.count);
    const address = unmapAddress(socket.remoteAddress ?? '');
    const refused = this.#refusal(address);
    if (refused !== undefined) {
      this.#refuse(socket, address, refused);
      return;
    }
    const session = new Session(socket, this.#context);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    const over = session.run().then(() => this.#left(session, address));
    this.#sessions.set(session, over);
  }

  #refusal(address: string): string | undefined {
    const { sessions, sessionsPerAddress } = this.#context.config.limits;
    if (address === '') return 'Gone already.';
    if (this.#draining) return 'Server is shutting down.';
    if (this.#context.holding()) return 'Not ready yet, try again.';
    if (this.#sessions.size >= sessions) return 'Too many connections, try again later.';
    const here = this.#perAddress.get(address) ?? 0;
    return here >= sessionsPerAddress ? 'Too many connections from your address.' : undefined;
  }

  /** 421 instead of the greeting, and the end. */
  #refuse(socket: Socket, address: string, text: string): void {
    this.#context.log.info({ event: 'refused', address, reason: text });
    socket.on('error', () => {});
    socket.setTimeout(1000, () => socket.destroy());
    socket.end(formatReply(reply(421, text)), () => socket.destroySoon());
    socket.resume();
  }

  #left(session: Session, address: string): void {
    this.#sessions.delete(session);
    const others = (this.#perAddress.get(address) ?? 1) - 1;
    if (others > 0) this.#perAddress.set(address, others);
    else this.#perAddress.delete(address);
  }
}
