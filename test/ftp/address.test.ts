import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sameAddress, unmapAddress } from '../../src/ftp/address.ts';

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['::FFFF:1.2.3.4', '1.2.3.4'],
  ['::ffff:102:304', '1.2.3.4'],
  ['0:0:0:0:0:ffff:102:304', '1.2.3.4'],
  ['::ffff:1.2.3.4%eth0', '1.2.3.4'],
  ['fe80::1%eth0', 'fe80::1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['::1', '::1'],
  ['::1.2.3.4', '::1.2.3.4'],
  ['2001:db8::ffff:1.2.3.4', '2001:db8::ffff:102:304'],
  ['unknown', 'unknown'],
  ['', ''],
])('%s is compared as %s', (given, compared) => {
  expect(unmapAddress(given)).toBe(compared);
});

test('addresses are the same by meaning, not by spelling', () => {
  expect(sameAddress('::ffff:10.0.0.1', '10.0.0.1')).toBe(true);
  expect(sameAddress('2001:db8::1', '2001:0DB8:0:0:0:0:0:1')).toBe(true);
  expect(sameAddress('10.0.0.1', '10.0.0.2')).toBe(false);
  expect(sameAddress('::1', '127.0.0.1')).toBe(false);
});

test('any IPv4 address and its mapped form are the same, and comparing forms are final', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), (four, six) => {
      expect(unmapAddress(`::ffff:${four}`)).toBe(four);
      expect(unmapAddress(unmapAddress(six))).toBe(unmapAddress(six));
    }),
  );
});
