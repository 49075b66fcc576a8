import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unmapAddress } from '../../src/ftp/address.ts';
import { LONGEST_V1, LONGEST_V2, parseProxyHeader } from '../../src/ftp/proxy-protocol.ts';
import { proxyV1, proxyV2 } from '../support/proxy-header.ts';

const client = (address: string, localAddress: string, length: number) => ({
  kind: 'client',
  address,
  localAddress,
  length,
});

describe('version 1', () => {
  const read = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'));

  test.each([
    ['PROXY TCP4 192.0.2.1 198.51.100.2 56324 21\r\n', client('192.0.2.1', '198.51.100.2', 44)],
    ['PROXY TCP6 2001:db8::1 2001:DB8:0::2 1 65535\r\n', client('2001:db8::1', '2001:db8::2', 46)],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 56324 21\r\n', client('192.0.2.1', '198.51.100.2', 58)],
    ['PROXY UNKNOWN\r\n', { kind: 'local', length: 15 }],
    ['PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n', { kind: 'local', length: 43 }],
  ])('%j is understood, whatever follows', (text, expected) => {
    expect(read(text)).toEqual(expected);
    expect(read(`${text}USER a\r\n`)).toEqual(expected);
  });

  test.each([
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 21 \r\n',
    'PROXY TCP4 192.0.2.1  198.51.100.2 56324 21\r\n',
    'PROXY TCP4 192.0.2.256 198.51.100.2 56324 21\r\n',
    'PROXY TCP4 192.0.2.01 198.51.100.2 56324 21\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 056 21\r\n',
    'PROXY TCP4 ::1 ::2 56324 21\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.2 56324 21\r\n',
    'PROXY TCP6 fe80::1%eth0 ::2 56324 21\r\n',
    'PROXY TCP6 ::ffff:192.0.2.1 ::2 56324 21\r\n',
    'PROXY TCP5 192.0.2.1 198.51.100.2 56324 21\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.2 56324 21\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 21\n\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXYTCP4 192.0.2.1 198.51.100.2 56324 21\r\n',
    'proxy TCP4 192.0.2.1 198.51.100.2 56324 21\r\n',
    'USER ann\r\n',
    '\x16\x03\x01',
    `PROXY UNKNOWN ${'x'.repeat(LONGEST_V1)}\r\n`,
    `PROXY ${'x'.repeat(LONGEST_V1)}`,
  ])('%j is bad', (text) => {
    expect(read(text)).toEqual({ kind: 'bad' });
  });
});

describe('version 2', () => {
  const header = (options: Parameters<typeof proxyV2>[0]) => parseProxyHeader(proxyV2(options));

  test('tells addresses of IPv4 and IPv6, and its length with all TLVs', () => {
    const v4 = { source: '192.0.2.1', destination: '198.51.100.2' };
    expect(header(v4)).toEqual(client('192.0.2.1', '198.51.100.2', 28));
    expect(header({ ...v4, extra: 508 })).toEqual(client('192.0.2.1', '198.51.100.2', LONGEST_V2));
    const v6 = { source: '2001:db8::1', destination: '2001:db8::2' };
    expect(header(v6)).toEqual(client('2001:db8::1', '2001:db8::2', 52));
    expect(header({ source: '::ffff:192.0.2.1', destination: '::ffff:198.51.100.2' })).toEqual(
      client('192.0.2.1', '198.51.100.2', 52),
    );
  });

  test('LOCAL, and what is not TCP over IP, carry no client', () => {
    const v4 = { source: '192.0.2.1', destination: '198.51.100.2' };
    expect(header({ ...v4, command: 0x20 })).toEqual({ kind: 'local', length: 28 });
    for (const transport of [0x00, 0x12, 0x22, 0x31])
      expect(header({ ...v4, transport })).toEqual({ kind: 'local', length: 28 });
  });

  test('another version or command, one too long, or too short for its addresses is bad', () => {
    const v4 = { source: '192.0.2.1', destination: '198.51.100.2' };
    for (const command of [0x11, 0x31, 0x22, 0x2f])
      expect(header({ ...v4, command })).toEqual({ kind: 'bad' });
    expect(header({ ...v4, extra: 509 })).toEqual({ kind: 'bad' });
    expect(header({ ...v4, transport: 0x21 })).toEqual({ kind: 'bad' });
    expect(header({ source: '::ffff:192.0.2.1', destination: '2001:db8::1' })).toEqual({ kind: 'bad' });
  });
});

const V4 = fc.record({ source: fc.ipV4(), destination: fc.ipV4() });
const V6 = fc.record({ source: fc.ipV6(), destination: fc.ipV6() });
const HEADERS = fc.oneof(V4, V6).chain((addresses) =>
  fc.oneof(
    fc.constant({ addresses, bytes: proxyV1(addresses) }),
    fc.nat(400).map((extra) => ({ addresses, bytes: proxyV2({ ...addresses, extra }) })),
  ),
);

test('every header is read whole, and from no fewer bytes, however it comes', () => {
  fc.assert(
    fc.property(HEADERS, fc.uint8Array({ maxLength: 50 }), ({ addresses, bytes }, behind) => {
      const address = unmapAddress(addresses.source);
      const localAddress = unmapAddress(addresses.destination);
      if (address.includes('.') !== localAddress.includes('.')) return;
      const whole = client(address, localAddress, bytes.length);
      expect(parseProxyHeader(Buffer.concat([bytes, behind]))).toEqual(whole);
      for (let length = 0; length < bytes.length; length++) {
        const header = parseProxyHeader(bytes.subarray(0, length));
        expect(header.kind).toBe('partial');
        if (header.kind === 'partial') expect(header.wanted).toBeGreaterThan(length);
      }
    }),
  );
});

test('any bytes are judged within the longest header, and none of them throws', () => {
  const starts = fc.constantFrom(
    '',
    'PROXY ',
    'PROXY TCP4 ',
    '\r\n\r\n\0\r\nQUIT\n',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11',
  );
  fc.assert(
    fc.property(starts, fc.uint8Array({ minLength: 0, maxLength: 700 }), (start, rest) => {
      const bytes = Buffer.concat([Buffer.from(start, 'latin1'), rest]);
      const header = parseProxyHeader(bytes);
      if (header.kind === 'partial') expect(bytes.length).toBeLessThan(LONGEST_V2);
      if (header.kind === 'client' || header.kind === 'local')
        expect(header.length).toBeLessThanOrEqual(Math.min(bytes.length, LONGEST_V2));
    }),
    { numRuns: 1000 },
  );
});
