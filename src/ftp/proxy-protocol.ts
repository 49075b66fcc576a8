import { isIP, isIPv4 } from 'node:net';
import { unmapAddress } from './address.ts';

/**
 * The PROXY protocol, versions 1 and 2, as its receiver (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2): what a
 * proxy puts before the bytes of a connection, to tell whose they are.
 */

/** What the bytes so far say. */
export type ProxyHeader =
  /** A client's connection. Addresses are un-mapped; `length` bytes are the header's. */
  | {
      readonly kind: 'client';
      readonly address: string;
      readonly localAddress: string;
      readonly length: number;
    }
  /** The proxy's own connection, such as a health check: LOCAL, UNKNOWN, or no TCP over IP. */
  | { readonly kind: 'local'; readonly length: number }
  /** The header goes on: that many bytes in all are wanted before it is looked at again. */
  | { readonly kind: 'partial'; readonly wanted: number }
  | { readonly kind: 'bad' };

/** Section 2.1: with the longest addresses and the line end. */
export const LONGEST_V1 = 107;

/** Section 2.2: what every receiver must take; TLVs beyond what the addresses need are skipped. */
export const LONGEST_V2 = 536;

const BAD: ProxyHeader = { kind: 'bad' };
const V1 = Buffer.from('PROXY ');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and transport, length. */
const V2_FIXED = 16;

/**
 * Reads a header from the first bytes of a connection.
 * @param bytes what has come so far; nothing behind the header is looked at
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return { kind: 'partial', wanted: 1 };
  const signature = bytes[0] === V2[0] ? V2 : V1;
  const known = Math.min(bytes.length, signature.length);
  if (signature.compare(bytes, 0, known, 0, known) !== 0) return BAD;
  if (known < signature.length) return { kind: 'partial', wanted: bytes.length + 1 };
  return signature === V2 ? version2(bytes) : version1(bytes);
}

function version1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, LONGEST_V1).indexOf('\r\n');
  if (end < 0) return bytes.length < LONGEST_V1 ? { kind: 'partial', wanted: bytes.length + 1 } : BAD;
  const length = end + 2;
  const line = bytes.toString('latin1', 0, end);
  // Whatever follows UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { kind: 'local', length };
  const [, family, source = '', destination = '', ...ports] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? [];
  const good =
    [source, destination].every((address) => String(isIP(address)) === family && !address.includes('%')) &&
    // Decimal, without leading zeros.
    ports.every((port) => String(Number(port)) === port && Number(port) < 65_536);
  return family !== undefined && good ? client(source, destination, length) : BAD;
}

function version2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_FIXED) return { kind: 'partial', wanted: V2_FIXED };
  const command = bytes.readUInt8(12);
  const transport = bytes.readUInt8(13);
  const length = V2_FIXED + bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 15) > 1 || length > LONGEST_V2) return BAD;
  if (bytes.length < length) return { kind: 'partial', wanted: length };
  if ((command & 15) === 0) return { kind: 'local', length };
  const size = { 17: 4, 33: 16 }[transport];
  // UNSPEC, datagrams and Unix sockets carry no client that could log in.
  if (size === undefined) return { kind: 'local', length };
  if (length < V2_FIXED + 2 * size + 4) return BAD;
  const at = (index: number) =>
    addressFrom(bytes.subarray(V2_FIXED + index * size, V2_FIXED + (index + 1) * size));
  return client(at(0), at(1), length);
}

function addressFrom(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
}

function client(source: string, destination: string, length: number): ProxyHeader {
  const address = unmapAddress(source);
  const localAddress = unmapAddress(destination);
  // Both ends of one connection; a mapped one is IPv4.
  if (isIPv4(address) !== isIPv4(localAddress)) return BAD;
  return { kind: 'client', address, localAddress, length };
}
