import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { carry } from './flow.ts';
import type { Target, TargetGroup } from './target-group.ts';
import type { Times } from './times.ts';

interface Listener {
  readonly group: TargetGroup;
  /** Whether a zone leaves DNS where this listener has no healthy target. */
  readonly inDns: boolean;
  readonly servers: readonly Server[];
}

/** A stand-in for the Network Load Balancer: one address a zone, and on each the same listeners. */
export class LoadBalancer {
  /** By zone. */
  readonly addresses: readonly string[];
  readonly #times: Times;
  readonly #listeners = new Map<number, Listener>();
  readonly #flows = new Map<Socket, { readonly target: Target; readonly cut: () => void }>();

  constructor(addresses: readonly string[], times: Times) {
    this.addresses = addresses;
    this.#times = times;
  }

  /**
   * Adds a listener in every zone.
   * @param inDns whether a zone leaves DNS where this listener has no healthy target
   * @throws what listening throws
   */
  async listen(port: number, group: TargetGroup, inDns: boolean): Promise<void> {
    const options = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true };
    const servers = this.addresses.map((_, zone) =>
      createServer(options, (client) => this.#accept(client, zone, group)),
    );
    this.#listeners.set(port, { group, inDns, servers });
    await Promise.all(
      servers.map((server, zone) =>
        once(server.listen({ host: this.addresses[zone], port, backlog: 1024 }), 'listening'),
      ),
    );
  }

  /** Takes a listener away; flows that came by it live on. */
  unlisten(port: number): void {
    for (const server of this.#listeners.get(port)?.servers ?? []) server.close();
    this.#listeners.delete(port);
  }

  /** Ports that are listened on, ascending. */
  get ports(): readonly number[] {
    return [...this.#listeners.keys()].sort((a, b) => a - b);
  }

  /** What DNS tells: addresses of the zones that have a healthy target; all of them where no zone has. */
  resolve(): readonly string[] {
    const deciding = [...this.#listeners.values()].filter(({ inDns }) => inDns);
    const good = this.addresses.filter((_, zone) => deciding.every(({ group }) => group.healthyIn(zone)));
    return good.length > 0 ? good : this.addresses;
  }

  /** Connections that are being carried to a host. */
  flowsTo(host: string): number {
    return [...this.#flows.values()].filter(({ target }) => target.host === host).length;
  }

  close(): void {
    for (const [port, { group }] of this.#listeners) {
      this.unlisten(port);
      group.close();
    }
    for (const { cut } of this.#flows.values()) cut();
  }

  #accept(client: Socket, zone: number, group: TargetGroup): void {
    const { remoteAddress, remotePort, localAddress, localPort } = client;
    const tuple = `tcp ${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
    const target = group.route(Number.parseInt(hash('sha1', tuple).slice(0, 8), 16), zone);
    if (!target) {
      client.on('error', () => {}).resetAndDestroy();
      return;
    }
    const cut = carry(client, target, this.#times.idle, () => this.#flows.delete(client));
    this.#flows.set(client, { target, cut });
  }
}
