import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Between whom a header says that a connection is; ports do not matter. */
export interface HeaderAddresses {
  readonly source: string;
  readonly destination: string;
}

/** The header of version 1, as a proxy writes it. */
export function proxyV1({ source, destination }: HeaderAddresses): Buffer {
  return Buffer.from(`PROXY TCP${isIPv4(source) ? 4 : 6} ${source} ${destination} 40000 21\r\n`);
}

/**
 * The header of version 2.
 * @param options.command version and command; 0x21 (PROXY) unless given
 * @param options.transport by the addresses unless given
 * @param options.extra bytes behind the addresses
 */
export function proxyV2(
  options: HeaderAddresses & { command?: number; transport?: number; extra?: number },
): Buffer {
  const { source, destination, command = 0x21, extra = 0 } = options;
  const addresses = Buffer.concat([bytesOf(source), bytesOf(destination), Buffer.from([0x9c, 0x40, 0, 21])]);
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n....', 'latin1');
  head.writeUInt8(command, 12);
  head.writeUInt8(options.transport ?? (isIPv6(source) ? 0x21 : 0x11), 13);
  head.writeUInt16BE(addresses.length + extra, 14);
  return Buffer.concat([head, addresses, Buffer.alloc(extra)]);
}

function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  const [, before = '', v4] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(canonical) ?? [];
  const hex = v4 ? before + (bytesOf(v4).toString('hex').match(/.{4}/g) ?? []).join(':') : canonical;
  const [head = '', tail = ''] = hex.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const zeros = new Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  const all = hex.includes('::') ? [...groups(head), ...zeros, ...groups(tail)] : groups(hex);
  return Buffer.concat(
    all.map((group) => Buffer.from([Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])),
  );
}
