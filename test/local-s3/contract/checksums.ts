import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { Crc32c } from '@aws-crypto/crc32c';
import { type ChecksumAlgorithm, GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { Crc64Nvme } from '@aws-sdk/crc64-nvme';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { type Framing, putChunked } from './chunked.ts';
import { Multipart } from './multipart.ts';
import { sendRaw } from './sign.ts';
import { outcome } from './subject.ts';

const MIB = 1024 * 1024;

function bigEndian(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString('base64');
}

const COMPUTE: Record<string, (data: Buffer) => Promise<string>> = {
  CRC32: async (data) => bigEndian(crc32(data)),
  CRC32C: async (data) => bigEndian(new Crc32c().update(data).digest()),
  CRC64NVME: async (data) => {
    const crc = new Crc64Nvme();
    crc.update(data);
    return Buffer.from(await crc.digest()).toString('base64');
  },
  SHA1: async (data) => createHash('sha1').update(data).digest('base64'),
  SHA256: async (data) => createHash('sha256').update(data).digest('base64'),
};

/** Checksums: 6 of the 103 checks, and more. */
export function checksumChecks(check: Check, s3: Open): void {
  const absent = async (key: string) => expect(await outcome(s3().read(key))).toBe('404 NoSuchKey');
  const raw = async (key: string, headers: Record<string, string>, body: string, contentSha256?: string) =>
    sendRaw(
      { method: 'PUT', url: s3().url(key), headers, body, ...(contentSha256 && { contentSha256 }) },
      await s3().keys(),
      s3().target.region,
    );
  const chunked = async (key: string, framing: Framing) =>
    putChunked(s3().url(key), framing, await s3().keys(), s3().target.region);
  const chunks = [Buffer.from('hello '), Buffer.from('world, this is long enough')];
  const whole = Buffer.concat(chunks);

  check('a wrong CRC32 header is refused', async () => {
    const answer = await raw('bad-crc', { 'x-amz-checksum-crc32': 'AAAAAA==' }, 'content');
    expect(answer.status).toBe(400);
    await absent('bad-crc');
  });
  check('a wrong Content-MD5 is refused', async () => {
    const answer = await raw('bad-md5', { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 'content');
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('<Code>BadDigest</Code>');
    await absent('bad-md5');
  });
  check('an aws-chunked body with a wrong trailing CRC is refused', async () => {
    const answer = await chunked('bad-trailer', {
      chunks,
      trailer: ['x-amz-checksum-crc32', 'AAAAAA=='],
      signed: false,
    });
    expect(answer.status).toBe(400);
    await absent('bad-trailer');
  });
  check('a wrong x-amz-content-sha256 is refused', async () => {
    const answer = await raw('bad-sha', {}, 'content', createHash('sha256').update('other').digest('hex'));
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('<Code>XAmzContentSHA256Mismatch</Code>');
    await absent('bad-sha');
  });
  check('an aws-chunked body with a good trailing CRC is accepted', async () => {
    const crc = await COMPUTE.CRC32?.(whole);
    const answer = await chunked('good-trailer', {
      chunks,
      trailer: ['x-amz-checksum-crc32', crc ?? ''],
      signed: false,
    });
    expect(answer.status).toBe(200);
    expect(whole.equals(await s3().read('good-trailer'))).toBe(true);
  });
  check('CRC32 is returned on GET with ChecksumMode', async () => {
    const body = randomBytes(1000);
    await s3().put('crc', body, { ChecksumAlgorithm: 'CRC32' });
    const got = await s3().client.send(
      new GetObjectCommand({ Bucket: s3().bucket, Key: 'crc', ChecksumMode: 'ENABLED' }),
    );
    expect(got.ChecksumCRC32).toBe(bigEndian(crc32(body)));
    await got.Body?.transformToByteArray();
  });

  for (const [algorithm, compute] of Object.entries(COMPUTE)) {
    const field = `Checksum${algorithm}` as 'ChecksumCRC32';
    check(`${algorithm} is verified in the header and in the trailer, kept, and returned`, async () => {
      const body = randomBytes(70_000);
      const value = await compute(body);
      const input = { Bucket: s3().bucket, Key: `sum-${algorithm}`, ChecksumMode: 'ENABLED' } as const;
      for (const content of [body, Readable.from([body])]) {
        const put = await s3().put(input.Key, content, {
          ContentLength: body.length,
          ChecksumAlgorithm: algorithm as ChecksumAlgorithm,
        });
        expect(put[field]).toBe(value);
        expect((await s3().client.send(new HeadObjectCommand(input)))[field]).toBe(value);
      }
      const wrong = await compute(Buffer.from('other'));
      expect(await outcome(s3().put(`wrong-${algorithm}`, body, { [field]: wrong }))).toMatch(/^400 /);
      const trailer = [`x-amz-checksum-${algorithm.toLowerCase()}`, wrong] as const;
      expect((await chunked(`wrong-${algorithm}`, { chunks, trailer, signed: false })).status).toBe(400);
      await absent(`wrong-${algorithm}`);
    });
  }

  for (const trailer of [undefined, ['x-amz-checksum-crc32c', 'GOOD']] as const) {
    check(
      `signed chunks ${trailer ? 'with a signed trailer' : 'without a trailer'} are accepted, and refused where a byte was changed`,
      async () => {
        const value = (await COMPUTE.CRC32C?.(whole)) ?? '';
        const framing: Framing = {
          chunks,
          signed: true,
          ...(trailer && { trailer: [trailer[0], value] as const }),
        };
        const answer = await chunked('signed-chunks', framing);
        expect(answer.body).toBe('');
        expect(answer.status).toBe(200);
        expect(whole.equals(await s3().read('signed-chunks'))).toBe(true);
        const spoilt = await chunked('spoilt-chunks', {
          ...framing,
          spoil: (body) => body.replace('world', 'World'),
        });
        expect([400, 403]).toContain(spoilt.status);
        await absent('spoilt-chunks');
      },
    );
  }
}

/** Checksums of multipart uploads. */
export function multipartChecksumChecks(check: Check, s3: Open): void {
  const body = randomBytes(11 * MIB + 12_345);
  const pieces = [body.subarray(0, 5 * MIB), body.subarray(5 * MIB, 10 * MIB), body.subarray(10 * MIB)];
  const fields = ['CRC32', 'CRC32C', 'CRC64NVME'] as const;

  for (const algorithm of fields) {
    const field = `Checksum${algorithm}` as const;
    check(`a multipart upload of type FULL_OBJECT has the ${algorithm} of the whole`, async () => {
      const key = `full-${algorithm}`;
      const value = (await COMPUTE[algorithm]?.(body)) ?? '';
      const upload = await Multipart.create(s3(), key, {
        ChecksumAlgorithm: algorithm,
        ChecksumType: 'FULL_OBJECT',
      });
      const parts = await Promise.all(
        pieces.map((piece, i) => upload.part(i + 1, piece, { ChecksumAlgorithm: algorithm })),
      );
      const wrong = (await COMPUTE[algorithm]?.(Buffer.from('other'))) ?? '';
      expect(await outcome(upload.complete(parts, { [field]: wrong, ChecksumType: 'FULL_OBJECT' }))).toBe(
        '400 BadDigest',
      );
      expect(await outcome(s3().read(key))).toBe('404 NoSuchKey');
      const done = await upload.complete(parts, { [field]: value, ChecksumType: 'FULL_OBJECT' });
      expect([done[field], done.ChecksumType]).toEqual([value, 'FULL_OBJECT']);
      const head = await s3().client.send(
        new HeadObjectCommand({ Bucket: s3().bucket, Key: key, ChecksumMode: 'ENABLED' }),
      );
      expect([head[field], head.ChecksumType]).toEqual([value, 'FULL_OBJECT']);
      expect(body.equals(await s3().read(key, { ChecksumMode: 'ENABLED' }))).toBe(true);
    });
  }

  for (const algorithm of ['CRC32', 'SHA256'] as const) {
    const field = `Checksum${algorithm}` as const;
    check(
      `a multipart upload of type COMPOSITE has the ${algorithm} of its parts' checksums, with their number`,
      async () => {
        const upload = await Multipart.create(s3(), `composite-${algorithm}`, {
          ChecksumAlgorithm: algorithm,
          ChecksumType: 'COMPOSITE',
        });
        const parts = await Promise.all(
          pieces.map((piece, i) => upload.part(i + 1, piece, { ChecksumAlgorithm: algorithm })),
        );
        const done = await upload.complete(parts);
        const digests = Buffer.concat(parts.map((part) => Buffer.from(part[field] ?? '', 'base64')));
        expect(done[field]).toBe(`${await COMPUTE[algorithm]?.(digests)}-3`);
      },
    );
  }

  check('the FULL_OBJECT checksum covers parts that were copied', async () => {
    await s3().put('sum-source', body);
    const upload = await Multipart.create(s3(), 'sum-copied', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    const copied = await upload.copyPart(1, 'sum-source', `bytes=0-${5 * MIB - 1}`);
    const part = await upload.part(2, body.subarray(5 * MIB), { ChecksumAlgorithm: 'CRC32' });
    expect(copied.CopyPartResult?.ChecksumCRC32).toBe(bigEndian(crc32(body.subarray(0, 5 * MIB))));
    const { Parts } = await upload.listParts(1);
    expect(Parts?.[0]?.ChecksumCRC32).toBe(copied.CopyPartResult?.ChecksumCRC32);
    const done = await upload.complete([copied.CopyPartResult ?? {}, part], {
      ChecksumCRC32: bigEndian(crc32(body)),
      ChecksumType: 'FULL_OBJECT',
    });
    expect(done.ChecksumCRC32).toBe(bigEndian(crc32(body)));
  });

  check('the FULL_OBJECT checksum is that of the parts listed, whatever their numbers', async () => {
    const upload = await Multipart.create(s3(), 'sum-gaps', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = pieces;
    const one = await upload.part(1, first, { ChecksumAlgorithm: 'CRC32' });
    await upload.part(2, second, { ChecksumAlgorithm: 'CRC32' });
    const nine = await upload.part(9, third, { ChecksumAlgorithm: 'CRC32' });
    const page = await upload.listParts(2, '1');
    expect(page.Parts?.map(({ PartNumber, ChecksumCRC32 }) => [PartNumber, ChecksumCRC32])).toEqual([
      [2, bigEndian(crc32(second))],
      [9, bigEndian(crc32(third))],
    ]);
    const Parts = [one, nine].map(({ ETag }, index) => ({ ETag, PartNumber: [1, 9][index] }));
    const whole = Buffer.concat([first, third]);
    await upload.complete([], {
      MultipartUpload: { Parts },
      ChecksumCRC32: bigEndian(crc32(whole)),
      ChecksumType: 'FULL_OBJECT',
    });
    expect(whole.equals(await s3().read('sum-gaps'))).toBe(true);
  });

  check('a GET of a range tells no checksum of the whole', async () => {
    await s3().put('sum-range', body.subarray(0, 1000), { ChecksumAlgorithm: 'CRC32' });
    const got = await s3().client.send(
      new GetObjectCommand({
        Bucket: s3().bucket,
        Key: 'sum-range',
        ChecksumMode: 'ENABLED',
        Range: 'bytes=10-19',
      }),
    );
    expect(got.ChecksumCRC32).toBeUndefined();
    expect((await got.Body?.transformToByteArray())?.length).toBe(10);
  });

  check('a part with a wrong checksum is refused, and is not there', async () => {
    const upload = await Multipart.create(s3(), 'bad-part', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    expect(await outcome(upload.part(1, 'content', { ChecksumCRC32: 'AAAAAA==' }))).toBe('400 BadDigest');
    expect((await upload.listParts()).Parts ?? []).toEqual([]);
    await upload.abort();
  });

  check('ListParts tells the checksums of parts and the type of the upload', async () => {
    const upload = await Multipart.create(s3(), 'listed-sums', {
      ChecksumAlgorithm: 'CRC32',
      ChecksumType: 'FULL_OBJECT',
    });
    const part = await upload.part(1, 'content', { ChecksumAlgorithm: 'CRC32' });
    const listed = await upload.listParts();
    expect(listed.Parts?.[0]?.ChecksumCRC32).toBe(part.ChecksumCRC32);
    expect([listed.ChecksumAlgorithm, listed.ChecksumType]).toEqual(['CRC32', 'FULL_OBJECT']);
    await upload.abort();
  });
}
