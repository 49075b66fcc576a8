import type { Socket } from 'node:net';
import { DataConnectionError } from './data-connection-error.ts';

/** No passive port could be granted within the wait, or the ports are closed: 425. */
export class NoPassivePortError extends Error {
  override readonly name = 'NoPassivePortError';
}

/**
 * One (client address, port) that is not free for that address: pending from the grant to the connection, or in
 * quarantine after a connection that never came.
 */
export interface Slot {
  readonly address: string;
  readonly user: string;
  readonly port: number;
  /** Takes a connection, or tells that it is not wanted; undefined in quarantine. */
  deliver: ((socket: Socket) => boolean) | undefined;
  /** Ends the quarantine; undefined while pending. */
  quarantine: NodeJS.Timeout | undefined;
}

interface Waiter {
  readonly user: string;
  readonly turn: number;
  readonly resolve: (slot: Slot) => void;
  readonly reject: (error: Error) => void;
}

/** What one client address has; dropped as soon as it has nothing. */
interface Client {
  readonly address: string;
  /** By port. */
  readonly slots: Map<number, Slot>;
  /** How many slots each user holds, pending and quarantined; no zeros. */
  readonly held: Map<string, number>;
  /** Each user's requests in the order of asking; no empty sets. */
  readonly waiting: Map<string, Set<Waiter>>;
}

/**
 * Which client address may use which passive port: the rules of docs/adr/0003, without the sockets.
 * Addresses never compete. Within one, waiting requests are granted to the user who holds the fewest ports, the
 * oldest first among equals, and the last third of the ports only to a user who holds none.
 */
export class PortAllocation {
  /** All ports, the least recently granted first. */
  readonly #leastRecent: Set<number>;
  readonly #lastThird: number;
  readonly #wait: number;
  readonly #quarantine: number;
  readonly #clients = new Map<string, Client>();
  #closed = false;
  #turns = 0;
  #pending = 0;
  #waiting = 0;

  /** @param times milliseconds that a request may wait, and that an unused port stays in quarantine */
  constructor(ports: readonly number[], times: { readonly wait: number; readonly quarantine: number }) {
    this.#leastRecent = new Set(ports);
    this.#lastThird = Math.floor(this.#leastRecent.size / 3);
    this.#wait = times.wait;
    this.#quarantine = times.quarantine;
  }

  /** Slots whose connection has not come; those in quarantine do not count. */
  get pending(): number {
    return this.#pending;
  }

  /** Requests that wait for a port. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Client addresses that have a slot or a waiting request; of others nothing is remembered. */
  get addresses(): number {
    return this.#clients.size;
  }

  /** The pending or quarantined slot of an (un-mapped address, port). */
  find(address: string, port: number): Slot | undefined {
    return this.#clients.get(address)?.slots.get(port);
  }

  /**
   * Grants the least recently used port that is free for the address, at once or in turn. The slot stays taken
   * until free() or quarantine().
   * @throws NoPassivePortError after the wait, and when closed
   * @throws DataConnectionError `aborted`, when the signal fires first
   */
  async take(address: string, user: string, signal?: AbortSignal): Promise<Slot> {
    if (this.#closed) throw new NoPassivePortError('the passive ports are closed');
    if (signal?.aborted) throw new DataConnectionError('aborted');
    const client = this.#client(address);
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    const waiter: Waiter = { user, turn: this.#turns++, resolve, reject };
    const queue = client.waiting.get(user) ?? new Set();
    client.waiting.set(user, queue.add(waiter));
    this.#waiting += 1;
    this.#serve(client);
    if (!queue.has(waiter)) return promise;

    const giveUp = (error: Error) => {
      this.#dequeue(client, waiter);
      reject(error);
    };
    const onTimeout = () => giveUp(new NoPassivePortError(`no passive port was free for ${this.#wait} ms`));
    const onAbort = () => giveUp(new DataConnectionError('aborted'));
    const timer = setTimeout(onTimeout, this.#wait);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** The connection came, or the quarantine is over: the port is free for the address again. */
  free(slot: Slot): void {
    const client = this.#clients.get(slot.address);
    if (client?.slots.get(slot.port) !== slot) return;
    client.slots.delete(slot.port);
    const held = (client.held.get(slot.user) ?? 0) - 1;
    if (held > 0) client.held.set(slot.user, held);
    else client.held.delete(slot.user);
    if (slot.quarantine === undefined) this.#pending -= 1;
    this.#serve(client);
    this.#dropIfEmpty(client);
  }

  /** The connection never came: the port rests, so that a late one is not taken for another session's. */
  quarantine(slot: Slot): void {
    if (this.find(slot.address, slot.port) !== slot || slot.quarantine !== undefined) return;
    slot.deliver = undefined;
    slot.quarantine = setTimeout(() => this.free(slot), this.#quarantine);
    this.#pending -= 1;
  }

  /** Drops all slots and turns all waiting requests away. */
  close(): void {
    this.#closed = true;
    for (const client of this.#clients.values()) {
      for (const slot of client.slots.values()) clearTimeout(slot.quarantine);
      for (const waiter of [...client.waiting.values()].flatMap((queue) => [...queue]))
        waiter.reject(new NoPassivePortError('the passive ports are closed'));
    }
    this.#clients.clear();
    this.#pending = 0;
    this.#waiting = 0;
  }

  #client(address: string): Client {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const client = { address, slots: new Map(), held: new Map(), waiting: new Map() };
    this.#clients.set(address, client);
    return client;
  }

  #dropIfEmpty(client: Client): void {
    if (client.slots.size === 0 && client.waiting.size === 0) this.#clients.delete(client.address);
  }

  #dequeue(client: Client, waiter: Waiter): void {
    const queue = client.waiting.get(waiter.user);
    if (queue?.delete(waiter) !== true) return;
    if (queue.size === 0) client.waiting.delete(waiter.user);
    this.#waiting -= 1;
    this.#dropIfEmpty(client);
  }

  #serve(client: Client): void {
    for (;;) {
      const waiter = this.#next(client);
      const port = waiter === undefined ? undefined : this.#portFor(client, waiter.user);
      if (waiter === undefined || port === undefined) return;
      const { user } = waiter;
      const slot: Slot = { address: client.address, user, port, deliver: undefined, quarantine: undefined };
      this.#leastRecent.delete(port);
      this.#leastRecent.add(port);
      client.slots.set(port, slot);
      client.held.set(user, (client.held.get(user) ?? 0) + 1);
      this.#pending += 1;
      this.#dequeue(client, waiter);
      waiter.resolve(slot);
    }
  }

  /** The oldest request of the user who holds the fewest slots. Where this one may not be granted, none may. */
  #next(client: Client): Waiter | undefined {
    let best: Waiter | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const [user, queue] of client.waiting) {
      const [first] = queue;
      const held = client.held.get(user) ?? 0;
      if (first === undefined || held > fewest) continue;
      if (best !== undefined && held === fewest && first.turn > best.turn) continue;
      best = first;
      fewest = held;
    }
    return best;
  }

  #portFor(client: Client, user: string): number | undefined {
    const free = this.#leastRecent.size - client.slots.size;
    if (free <= (client.held.has(user) ? this.#lastThird : 0)) return undefined;
    for (const port of this.#leastRecent) if (!client.slots.has(port)) return port;
    return undefined;
  }
}
