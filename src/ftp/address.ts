import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/**
 * The form in which addresses are compared: an IPv4 address that a dual-stack socket shows as `::ffff:1.2.3.4`
 * (RFC 4291 section 2.5.5.2) becomes `1.2.3.4`, any other IPv6 address its canonical spelling (RFC 5952), and
 * a zone id (`fe80::1%eth0`) goes, since it names a link of this host and never the client.
 * What is no IP address comes back unchanged.
 */
export function unmapAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const [bare = ''] = address.split('%');
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  const mapped = canonical.startsWith('::ffff:') ? canonical.slice('::ffff:'.length) : '';
  return isIPv4(mapped) ? mapped : canonical;
}

/** Whether two spellings mean one address; compared as unmapAddress() gives them. */
export function sameAddress(one: string, other: string): boolean {
  return unmapAddress(one) === unmapAddress(other);
}
