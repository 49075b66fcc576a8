import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { combineCrc32, crc32OfParts } from '../../src/fs/crc32.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

test('two pieces, also empty ones, have the CRC32 of their bytes put together', () => {
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      const combined = combineCrc32(crc32(first), crc32(second), second.length);
      expect(combined).toBe(crc32(Buffer.concat([first, second])));
    }),
  );
});

test('any number of parts have the CRC32 of their bytes put together', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 40 }), (pieces) => {
      const parts = pieces.map((piece) => ({ size: piece.length, crc32: crc32(piece) }));
      expect(crc32OfParts(parts)).toBe(crc32(Buffer.concat(pieces)));
    }),
  );
});

test('a part whose CRC32 is not known leaves that of the whole unknown', () => {
  const known = { size: 1, crc32: crc32('a') };
  expect(crc32OfParts([known, { size: 1, crc32: undefined }, known])).toBeUndefined();
});

test('pieces above 4 GiB are exact: doubled as one piece or as two, up to 64 TiB', () => {
  const mebibyte = Buffer.alloc(2 ** 20, 'ferry');
  let doubled = crc32(mebibyte);
  let size = mebibyte.length;
  // Independent of the length's bits: whole and halves have to agree at sizes that are no power of two.
  let odd = combineCrc32(crc32(mebibyte), crc32('end'), 3);
  let oddSize = size + 3;
  while (size < 2 ** 46) {
    const next = combineCrc32(doubled, doubled, size);
    const nextOdd = combineCrc32(doubled, odd, oddSize);
    expect(combineCrc32(next, crc32('end'), 3)).toBe(nextOdd);
    [doubled, size, odd, oddSize] = [next, size * 2, nextOdd, oddSize + size];
  }
  // zlib's own, over 64 MiB of the same bytes.
  const small = Array.from({ length: 64 }, () => ({ size: 2 ** 20, crc32: crc32(mebibyte) }));
  expect(crc32OfParts(small)).toBe(
    Array.from({ length: 64 }).reduce<number>((sum) => crc32(mebibyte, sum), 0),
  );
});
