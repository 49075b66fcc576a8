import { lookup as systemLookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { PassiveAddressRule } from '../setting-values.ts';

/** How long a resolved name holds. Milliseconds. */
const REFRESH = 60_000;

/** Resolves a host name to one IPv4 address. */
export type Lookup = (host: string) => Promise<string>;

/** What 227 tells: an address for each client. */
export interface PassiveAddresses {
  /**
   * @param client un-mapped address of the control connection's peer
   * @returns an IPv4 address; undefined where none is configured for this client: the connection's own holds
   * @throws Error for a name that has never been resolved
   */
  for(client: string): string | undefined;
  /** Resolves the names; from then on again and again. Never rejects. */
  start(): Promise<void>;
  close(): void;
}

/**
 * The addresses of FERRY_PASSIVE_ADDRESS: literal ones or names, for all clients or for those of a network; the first
 * rule that fits holds. A name that cannot be resolved for a while keeps its last address.
 * @param onFailure told once when a name cannot be resolved, and again only after it could
 */
export function passiveAddresses(
  rules: readonly PassiveAddressRule[],
  onFailure: (host: string, error: unknown) => void,
  { lookup = resolve, refresh = REFRESH }: { lookup?: Lookup; refresh?: number } = {},
): PassiveAddresses {
  const names = [...new Set(rules.map(({ host }) => host).filter((host) => isIP(host) === 0))];
  const resolved = new Map<string, string>();
  const failing = new Set<string>();
  const table = rules.map(({ network, host }) => ({
    host,
    covers: network === undefined ? () => true : within(network),
  }));
  let timer: NodeJS.Timeout | undefined;
  const resolveAll = async () => {
    await Promise.all(
      names.map(async (host) => {
        try {
          resolved.set(host, await lookup(host));
          failing.delete(host);
        } catch (error) {
          if (!failing.has(host)) onFailure(host, error);
          failing.add(host);
        }
      }),
    );
  };
  return {
    for(client) {
      const host = table.find(({ covers }) => covers(client))?.host;
      if (host === undefined || isIP(host) !== 0) return host;
      const address = resolved.get(host);
      if (address === undefined) throw new Error(`${host} has not been resolved`);
      return address;
    },
    async start() {
      if (names.length === 0) return;
      await resolveAll();
      timer = setInterval(() => void resolveAll(), refresh).unref();
    },
    close: () => clearInterval(timer),
  };
}

async function resolve(host: string): Promise<string> {
  return (await systemLookup(host, { family: 4 })).address;
}

function within(network: string): (client: string) => boolean {
  const [address = '', bits] = network.split('/');
  const list = new BlockList();
  list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (client) => list.check(client, isIP(client) === 6 ? 'ipv6' : 'ipv4');
}
