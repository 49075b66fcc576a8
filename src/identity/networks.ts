import { BlockList, isIPv6, SocketAddress } from 'node:net';

/** Tells whether an IP address lies in one of some networks; an IPv4-mapped one counts as IPv4. */
export type InNetworks = (address: string) => boolean;

/**
 * @param networks in CIDR notation, as parsed by the settings: an IPv4 or IPv6 address, `/`, bits
 * @returns false for whatever is no IP address
 */
export function inNetworks(networks: readonly string[]): InNetworks {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), family(address));
  }
  return (address) => address !== '' && list.check(address, family(address));
}

/**
 * Where clients may come from.
 * @param rules where `allowed` is not empty all others are denied; `denied` goes before `allowed`
 */
export function openTo(rules: {
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
}): InNetworks {
  const allowed = rules.allowed.length > 0 ? inNetworks(rules.allowed) : () => true;
  const denied = inNetworks(rules.denied);
  return (address) => allowed(address) && !denied(address);
}

/**
 * What counts as one source of connections: an IPv4 address, or the /64 of an IPv6 one, which a provider gives to
 * one customer whole (RFC 6177), and in which a client takes any address it likes.
 * @param address IPv4-mapped ones as plain IPv4
 */
export function sourceOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [bare = ''] = address.split('%');
  const [head = '', tail] = new SocketAddress({ address: bare, family: 'ipv6' }).address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail ? tail.split(':').length : 0;
  const zeros = tail === undefined ? 0 : 8 - groups.length - behind;
  const whole = [...groups, ...new Array<string>(zeros).fill('0'), ...(tail?.split(':') ?? [])];
  return `${whole.slice(0, 4).join(':')}::/64`;
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
