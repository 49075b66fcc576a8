import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inNetworks, openTo, sourceOf } from '../../src/identity/networks.ts';

test.each([
  ['203.0.113.0/24', '203.0.113.255', true],
  ['203.0.113.0/24', '203.0.114.0', false],
  ['203.0.113.0/24', '::ffff:203.0.113.7', true],
  ['203.0.113.7/32', '203.0.113.7', true],
  ['0.0.0.0/0', '198.51.100.1', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['2001:db8::/32', '32.1.13.184', false],
  ['::ffff:10.0.0.0/104', '10.1.2.3', true],
  ['::1/128', '::1', true],
  ['0.0.0.0/0', '', false],
  ['0.0.0.0/0', 'unknown', false],
])('%s has %s: %s', (network, address, expected) => {
  expect(inNetworks([network])(address)).toBe(expected);
});

test('where networks are allowed all others are denied, and what is denied goes before', () => {
  const open = openTo({ allowed: ['10.0.0.0/8'], denied: ['10.66.0.0/16'] });
  expect(['10.1.1.1', '10.66.1.1', '192.0.2.1', '::1'].map(open)).toEqual([true, false, false, false]);
  expect(openTo({ allowed: [], denied: [] })('192.0.2.1')).toBe(true);
  expect(openTo({ allowed: [], denied: ['192.0.2.0/24'] })('192.0.2.1')).toBe(false);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
])('%s comes from %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});

test('two IPv6 addresses come from one source if and only if their first 64 bits agree', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), (one, other) => {
      const both = inNetworks([`${one}/64`])(other);
      expect(sourceOf(one) === sourceOf(other)).toBe(both);
    }),
  );
});
