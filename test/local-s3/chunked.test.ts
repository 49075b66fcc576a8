import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../src/local-s3/chunked.ts';
import type { ChunkSigner } from '../../src/local-s3/sigv4.ts';

/** Decodes bytes that arrive in pieces cut at the given places. */
function decode(decoder: ChunkedDecoder, bytes: Buffer, cuts: readonly number[] = []): Buffer {
  const borders = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  const content = borders.slice(1).flatMap((end, i) => decoder.decode(bytes.subarray(borders[i], end)));
  decoder.finish();
  return Buffer.concat(content);
}

const frame = (chunks: readonly Buffer[], extension = ''): string =>
  [...chunks, Buffer.alloc(0)]
    .map(
      (chunk) =>
        `${chunk.length.toString(16)}${extension}\r\n${chunk.toString('latin1')}${chunk.length > 0 ? '\r\n' : ''}`,
    )
    .join('');

const unsigned = (hasTrailer: boolean): ChunkedDecoder => new ChunkedDecoder({ hasTrailer });
const refuse = (body: string, hasTrailer = false): void => {
  expect(() => decode(unsigned(hasTrailer), Buffer.from(body, 'latin1'))).toThrow();
};

describe('an aws-chunked body', () => {
  test('gives the same content wherever the network cuts it', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(
        chunks,
        fc.array(fc.nat(400), { maxLength: 30 }),
        fc.boolean(),
        (parts, cuts, hasTrailer) => {
          const buffers = parts.map((part) => Buffer.from(part));
          const trailer = hasTrailer ? 'x-amz-checksum-crc32:AAAAAA==\r\n' : '';
          const bytes = Buffer.from(`${frame(buffers)}${trailer}\r\n`, 'latin1');
          const decoder = unsigned(hasTrailer);
          const inside = cuts.filter((cut) => cut <= bytes.length);
          expect(decode(decoder, bytes, inside).equals(Buffer.concat(buffers))).toBe(true);
          expect(decoder.trailers.get('x-amz-checksum-crc32')).toBe(hasTrailer ? 'AAAAAA==' : undefined);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('may come byte by byte', () => {
    const bytes = Buffer.from('5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n');
    const every = Array.from({ length: bytes.length }, (_, i) => i);
    expect(decode(unsigned(true), bytes, every).toString()).toBe('hello');
  });

  test('never hangs nor gives content beyond the chunks, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const decoder = unsigned(true);
        try {
          const content = decode(decoder, Buffer.from(noise));
          expect(content.length).toBeLessThan(noise.length);
        } catch (error) {
          expect((error as Error).name).toBe('S3Error');
        }
      }),
    );
  });

  test.each([
    ['that ends in the middle of a chunk', '5\r\nhel'],
    ['that ends before the last chunk', '5\r\nhello\r\n'],
    ['with a size that is no number', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['with a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
    ['with an absurd size', 'fffffffffffffffff\r\n'],
    ['with a chunk longer than its size', '3\r\nhello\r\n0\r\n\r\n'],
    ['with a size line without end', 'a'.repeat(5000)],
    ['with bare LF behind the size', '5\nhello\n0\n\n'],
    ['with data behind the last chunk', '0\r\n\r\nmore'],
    ['with a trailer where none was announced', '0\r\nx-amz-checksum-crc32:a\r\n\r\n'],
  ])('%s is refused', (_, body) => refuse(body));

  test('with a trailer that is no header, or with very many, is refused', () => {
    refuse('0\r\nno colon\r\n\r\n', true);
    refuse(`0\r\n${Array.from({ length: 100 }, (_, i) => `x-${i}:a\r\n`).join('')}\r\n`, true);
  });
});

describe('signed chunks', () => {
  const digest = (data: string): string => createHash('sha256').update(data).digest('hex');
  const signer = (log: string[]): ChunkSigner => ({
    chunk: (sha256, signature) => {
      log.push(sha256);
      return signature === 'a'.repeat(64);
    },
    trailer: (sha256, signature) => sha256 === digest('x-amz-checksum-crc32:v\n') && signature === 'good',
  });
  const extension = `;chunk-signature=${'a'.repeat(64)}`;

  test('are hashed one by one, the empty last one too', () => {
    const log: string[] = [];
    const body = Buffer.from(`${frame([Buffer.from('one'), Buffer.from('two')], extension)}\r\n`);
    decode(new ChunkedDecoder({ signer: signer(log), hasTrailer: false }), body, [7, 80, 90]);
    expect(log).toEqual([digest('one'), digest('two'), digest('')]);
  });

  test('without a signature, or with a wrong one, are refused', () => {
    for (const bad of ['', `;chunk-signature=${'b'.repeat(64)}`]) {
      const decoder = new ChunkedDecoder({ signer: signer([]), hasTrailer: false });
      const body = Buffer.from(`${frame([Buffer.from('one')], bad)}\r\n`);
      expect(() => decode(decoder, body)).toThrow(/signature/i);
    }
  });

  test('with a trailer need its signature', () => {
    const body = (end: string): Buffer =>
      Buffer.from(`${frame([], extension)}x-amz-checksum-crc32:v\r\n${end}\r\n`);
    const decoder = (): ChunkedDecoder => new ChunkedDecoder({ signer: signer([]), hasTrailer: true });
    decode(decoder(), body('x-amz-trailer-signature:good\r\n'));
    expect(() => decode(decoder(), body('x-amz-trailer-signature:bad\r\n'))).toThrow();
    expect(() => decode(decoder(), body(''))).toThrow();
  });
});
