import { createServer, type Server, type Socket } from 'node:net';
import { unmapAddress } from './address.ts';
import { DataConnectionError, type DataConnectionFailure } from './data-connection-error.ts';
import { NoPassivePortError, PortAllocation, type Slot } from './port-allocation.ts';
import { takeProxyHeader } from './proxied.ts';

export { NoPassivePortError };

/** A connection to a passive port that belongs to nobody; it was reset. */
export interface Refusal {
  /** Un-mapped; `unknown` when the peer had reset the connection before it could be asked. */
  readonly address: string;
  readonly port: number;
  readonly reason: 'no-reservation' | 'quarantined' | 'no-proxy-header' | 'too-many';
}

/** How PassivePorts listens. All times in milliseconds. */
export interface PassivePortsOptions {
  /** Listen address; `::` is dual-stack. */
  readonly host: string;
  /** 0 to 65535, where 0 is any free port; one listener each. */
  readonly ports: readonly number[];
  /** How long reserve() may wait in turn; 10,000 unless given. */
  readonly wait?: number;
  /** From the reservation to its connection; 30,000 unless given. */
  readonly lifetime?: number;
  /** How long a port rests for an address whose connection never came; 10,000 unless given. */
  readonly quarantine?: number;
  /** Addresses of proxies, which send a PROXY header at once; without one they are refused. */
  readonly proxies?: readonly string[];
  /** How long that header may take; 5,000 unless given. */
  readonly header?: number;
  /** Told of every connection that matched no reservation. Must not throw. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/** One data connection to come, from PASV or EPSV to the transfer. */
export interface Reservation {
  /** What 227 or 229 tells. */
  readonly port: number;
  /**
   * Takes the connection, which may have come already. Once only. The reservation cannot expire meanwhile.
   * The socket is paused and nothing of it has been read: a reset or an end that the client sent early shows
   * when it is read. It is half-open-able and has no listeners of this module.
   * @param options.timeout milliseconds to wait for the connection
   * @throws DataConnectionError `timeout`, `expired`, `replaced` or `aborted`; the reservation is then released
   */
  accept(options: { timeout: number; signal?: AbortSignal | undefined }): Promise<Socket>;
  /**
   * Takes the further connections of a reservation that takes several, those that have come and those that come
   * until `settle`; they are like the first one. After accept() only.
   */
  others(take: (socket: Socket) => void): void;
  /** The right connection is known: no more are taken, and those that nobody took are reset. */
  settle(): void;
  /** Gives the reservation up; again and again without effect. A socket already taken is the taker's. */
  release(): void;
}

/** A passive port could not be bound. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly port: number;
  /** The system's code, such as `EADDRINUSE`. */
  readonly code: string;
  constructor(host: string, port: number, cause: unknown) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    const plain = { EADDRINUSE: 'is in use', EACCES: 'may not be bound by this user' }[code];
    super(`passive port ${port} on ${host} ${plain ?? 'cannot be bound'} (${code})`, { cause });
    this.port = port;
    this.code = code;
  }
}

/** Connections to one reservation that are looked at: the client's own, and some of whoever shares its address. */
const MOST_CANDIDATES = 4;

class PassiveReservation implements Reservation {
  readonly port: number;
  readonly #slot: Slot;
  readonly #allocation: PortAllocation;
  readonly #onOver: (reservation: PassiveReservation) => void;
  #timer: NodeJS.Timeout;
  #socket: Socket | undefined;
  /** Beyond the first, not taken. */
  #others: Socket[] = [];
  #candidates = 0;
  #takeOther: ((socket: Socket) => void) | undefined;
  readonly #several: () => boolean;
  #accepting: { resolve: (socket: Socket) => void; reject: (error: Error) => void } | undefined;
  #accepted = false;
  #failure: DataConnectionFailure | undefined;

  /**
   * @param several asked when the first connection comes: whether the port stays open for more, until `settle`
   * @param onOver called once, when the socket is taken or the reservation has failed
   */
  constructor(
    slot: Slot,
    allocation: PortAllocation,
    lifetime: number,
    several: () => boolean,
    onOver: (reservation: PassiveReservation) => void,
  ) {
    this.port = slot.port;
    this.#slot = slot;
    this.#allocation = allocation;
    this.#several = several;
    this.#onOver = onOver;
    this.#timer = setTimeout(() => (this.#socket ? this.settle() : this.fail('expired')), lifetime);
    slot.deliver = (socket) => this.#deliver(socket);
  }

  async accept({ timeout, signal }: { timeout: number; signal?: AbortSignal | undefined }): Promise<Socket> {
    if (this.#failure !== undefined) throw new DataConnectionError(this.#failure);
    if (this.#accepted) throw new Error('a reservation is accepted once');
    this.#accepted = true;
    if (signal?.aborted) {
      this.fail('aborted');
      throw new DataConnectionError('aborted');
    }
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    this.#accepting = { resolve, reject };
    clearTimeout(this.#timer);
    if (this.#socket !== undefined) this.#handOver(this.#socket, resolve);
    else {
      this.#timer = setTimeout(() => this.fail('timeout'), timeout);
    }
    const onAbort = () => this.fail('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  others(take: (socket: Socket) => void): void {
    this.#takeOther = take;
    for (const socket of this.#others.splice(0)) take(socket);
  }

  settle(): void {
    clearTimeout(this.#timer);
    this.#allocation.free(this.#slot);
    for (const socket of this.#others.splice(0)) socket.on('error', () => {}).resetAndDestroy();
  }

  release(): void {
    this.fail('replaced');
  }

  /** Ends the reservation, unless its socket was taken. */
  fail(reason: DataConnectionFailure): void {
    const taken = this.#accepting !== undefined && this.#socket !== undefined;
    if (this.#failure !== undefined || taken) return;
    this.#failure = reason;
    clearTimeout(this.#timer);
    if (this.#socket === undefined) this.#allocation.quarantine(this.#slot);
    else {
      this.#socket.destroy();
      this.settle();
    }
    this.#accepting?.reject(new DataConnectionError(reason));
    this.#onOver(this);
  }

  /** @returns false where it is not wanted */
  #deliver(socket: Socket): boolean {
    if (++this.#candidates > MOST_CANDIDATES) return false;
    if (this.#socket !== undefined) {
      if (this.#takeOther) this.#takeOther(socket);
      else this.#others.push(socket);
      return true;
    }
    this.#socket = socket;
    // Before the transfer asks for it: a port is busy from the reply to the connection, no longer.
    if (!this.#several()) this.settle();
    if (this.#accepting !== undefined) this.#handOver(socket, this.#accepting.resolve);
    return true;
  }

  #handOver(socket: Socket, resolve: (socket: Socket) => void): void {
    resolve(socket);
    this.#onOver(this);
  }
}

/** Binds one listener. @throws ListenError */
function bind(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const failed = (error: Error) => reject(new ListenError(host, port, error));
  server.once('error', failed);
  server.listen({ host, port }, () => {
    server.off('error', failed);
    // accept(2) fails when descriptors run out. The client sees a reset or a timeout; the next one may succeed.
    server.on('error', () => {});
    const bound = server.address();
    resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
  });
  return promise;
}

/**
 * The passive ports: a fixed range, bound once, multiplexed by client address (docs/adr/0003). A port is busy for
 * one client address only from reserve() to the connection.
 */
export class PassivePorts {
  /** The real port numbers, in the order of the options. */
  readonly ports: readonly number[];
  readonly #servers: readonly Server[];
  readonly #allocation: PortAllocation;
  readonly #lifetime: number;
  readonly #proxies: ReadonlySet<string>;
  readonly #header: number;
  readonly #onRefused: ((refusal: Refusal) => void) | undefined;
  /** Pending, or connected and not yet taken. */
  readonly #live = new Set<PassiveReservation>();
  #refused = 0;
  #closed = false;

  private constructor(options: PassivePortsOptions, servers: readonly Server[], ports: readonly number[]) {
    const { wait = 10_000, quarantine = 10_000, lifetime = 30_000, header = 5000 } = options;
    this.ports = ports;
    this.#servers = servers;
    this.#allocation = new PortAllocation(ports, { wait, quarantine });
    this.#lifetime = lifetime;
    this.#proxies = new Set(options.proxies?.map(unmapAddress));
    this.#header = header;
    this.#onRefused = options.onRefused;
  }

  /**
   * Binds all ports, or none.
   * @throws ListenError naming the first port that cannot be bound
   */
  static async listen(options: PassivePortsOptions): Promise<PassivePorts> {
    // Nothing is read before the transfer, which may put TLS on the socket; a client's early FIN must not end it.
    const settings = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true };
    let passive: PassivePorts | undefined;
    const servers = options.ports.map((_, index) =>
      createServer(settings, (socket) => {
        // Until the last port is bound nobody can have been told of the first.
        if (passive === undefined) socket.resetAndDestroy();
        else passive.#arrived(socket, passive.ports[index] ?? 0);
      }),
    );
    const bound = await Promise.allSettled(
      servers.map((server, index) => bind(server, options.host, options.ports[index] ?? 0)),
    );
    const failure = bound.find((result) => result.status === 'rejected');
    if (failure !== undefined) {
      for (const server of servers) server.close();
      throw failure.reason;
    }
    const ports = bound.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    passive = new PassivePorts(options, servers, ports);
    return passive;
  }

  /** Reservations whose connection has not come. */
  get pending(): number {
    return this.#allocation.pending;
  }

  /** reserve() calls that wait in turn. */
  get waiting(): number {
    return this.#allocation.waiting;
  }

  /** Connections refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Reserves a port for one connection from the address, at once or in turn.
   * @param request.address the control connection's peer; un-mapped here
   * @param request.user whose turn it is, among the users behind that address
   * @param request.several asked when the first connection has come: whether more are taken beside it; whoever
   * accepts it calls `settle` then
   * @throws NoPassivePortError after the wait, and when the ports are closed
   * @throws DataConnectionError `aborted`, when the signal fires while waiting
   */
  async reserve(request: {
    address: string;
    user: string;
    several?: (() => boolean) | undefined;
    signal?: AbortSignal | undefined;
  }): Promise<Reservation> {
    const slot = await this.#allocation.take(unmapAddress(request.address), request.user, request.signal);
    if (this.#closed) throw new NoPassivePortError('the passive ports are closed');
    const over = (reservation: PassiveReservation) => this.#live.delete(reservation);
    const several = request.several ?? (() => false);
    const reservation = new PassiveReservation(slot, this.#allocation, this.#lifetime, several, over);
    this.#live.add(reservation);
    return reservation;
  }

  /** Stops listening and drops all reservations (their accept() rejects `aborted`); taken sockets live on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#allocation.close();
    for (const reservation of this.#live) reservation.fail('aborted');
    // Not awaited by their 'close' events, which wait for the sockets that were taken.
    for (const server of this.#servers) server.close();
  }

  #arrived(socket: Socket, port: number): void {
    // A peer that has reset its connection already has no address (ENOTCONN): it cannot be matched.
    const address = socket.remoteAddress === undefined ? 'unknown' : unmapAddress(socket.remoteAddress);
    if (this.#proxies.has(address)) void this.#arrivedByProxy(socket, address, port);
    else this.#match(socket, address, port);
  }

  async #arrivedByProxy(socket: Socket, proxy: string, port: number): Promise<void> {
    const proxied = await takeProxyHeader(socket, { within: this.#header });
    if (proxied.kind === 'client') this.#match(proxied.socket, proxied.address, port);
    else if (proxied.kind === 'bad' || proxied.kind === 'timeout')
      this.#refuse(socket, { address: proxy, port, reason: 'no-proxy-header' });
    // A health check, or nobody any more.
    else socket.destroy();
  }

  #match(socket: Socket, address: string, port: number): void {
    const slot = this.#allocation.find(address, port);
    if (slot?.deliver !== undefined) {
      // First probe after 60 s, then each 15 s, 8 times: load balancers forget silent connections.
      socket.setKeepAlive(true, 60_000, 15_000, 8);
      if (!slot.deliver(socket)) this.#refuse(socket, { address, port, reason: 'too-many' });
      return;
    }
    this.#refuse(socket, { address, port, reason: slot === undefined ? 'no-reservation' : 'quarantined' });
  }

  #refuse(socket: Socket, refusal: Refusal): void {
    socket.on('error', () => {});
    socket.resetAndDestroy();
    this.#refused += 1;
    this.#onRefused?.(refusal);
  }
}
