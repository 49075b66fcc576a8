import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { outcome } from './subject.ts';

const SIZES = [
  ['0 B', 0],
  ['1 KB', 1024],
  ['20 MB', 20_000_000],
] as const;

const quotedMd5 = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`;

/** PutObject: 6 of the 103 checks. */
export function putChecks(check: Check, s3: Open): void {
  for (const [name, size] of SIZES) {
    check(`a buffered body of ${name} comes back, with its MD5 for ETag`, async () => {
      const body = randomBytes(size);
      const put = await s3().put(`buffer-${size}`, body);
      expect(put.ETag).toBe(quotedMd5(body));
      const got = await s3().client.send(
        new GetObjectCommand({ Bucket: s3().bucket, Key: `buffer-${size}` }),
      );
      expect(got.ETag).toBe(put.ETag);
      expect(body.equals(Buffer.from((await got.Body?.transformToByteArray()) ?? []))).toBe(true);
    });
  }
  for (const [name, size] of SIZES) {
    check(`a streamed body of ${name} comes back`, async () => {
      const body = randomBytes(size);
      const pieces = Array.from({ length: Math.ceil(size / 65_536) }, (_, i) =>
        body.subarray(i * 65_536, (i + 1) * 65_536),
      );
      await s3().put(`stream-${size}`, Readable.from(pieces), { ContentLength: size });
      expect(body.equals(await s3().read(`stream-${size}`))).toBe(true);
    });
  }
}

/** Metadata: 3 of the 103 checks, and more. */
export function metadataChecks(check: Check, s3: Open): void {
  check('content headers and user metadata come back on HEAD and GET', async () => {
    const sent = {
      ContentType: 'text/plain; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentLanguage: 'de-DE',
      Metadata: { mtime: '1700000000.123456789', quoted: 'he said "yes"', 'with-dash': 'x' },
    };
    await s3().put('metadata', 'content', sent);
    const input = { Bucket: s3().bucket, Key: 'metadata' };
    expect(await s3().client.send(new HeadObjectCommand(input))).toMatchObject(sent);
    const got = await s3().client.send(new GetObjectCommand(input));
    expect(got).toMatchObject(sent);
    await got.Body?.transformToByteArray();
  });

  check('aws-chunked does not leak into ContentEncoding', async () => {
    await s3().put('not-encoded', Readable.from([Buffer.from('plain')]), { ContentLength: 5 });
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'not-encoded' }));
    expect(head.ContentEncoding ?? '').toBe('');
  });

  check('a real ContentEncoding is kept on a streamed put', async () => {
    await s3().put('encoded', Readable.from([Buffer.from('gzip?')]), {
      ContentLength: 5,
      ContentEncoding: 'gzip',
    });
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'encoded' }));
    expect(head.ContentEncoding).toBe('gzip');
  });

  check('an object without a content type has one all the same', async () => {
    await s3().client.send(new PutObjectCommand({ Bucket: s3().bucket, Key: 'untyped', Body: 'x' }));
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'untyped' }));
    expect(head.ContentType).toMatch(/octet-stream$/);
  });

  check('overwriting replaces all metadata', async () => {
    await s3().put('replaced', '1', { Metadata: { a: '1', b: '2' }, ContentType: 'text/css' });
    await s3().put('replaced', '2', { Metadata: { b: '3' } });
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'replaced' }));
    expect(head.Metadata).toEqual({ b: '3' });
    expect(head.ContentType).not.toBe('text/css');
  });

  check('user metadata above 2 KB is refused with 400 MetadataTooLarge', async () => {
    const put = s3().put('too-much', 'x', { Metadata: { a: 'x'.repeat(2048) } });
    expect(await outcome(put)).toBe('400 MetadataTooLarge');
  });

  check('response-... parameters override the headers of a GET', async () => {
    await s3().put('overridden', 'x', { ContentType: 'text/plain' });
    const got = await s3().client.send(
      new GetObjectCommand({
        Bucket: s3().bucket,
        Key: 'overridden',
        ResponseContentType: 'image/png',
        ResponseContentDisposition: 'inline',
        ResponseCacheControl: 'no-store',
      }),
    );
    expect(got).toMatchObject({
      ContentType: 'image/png',
      ContentDisposition: 'inline',
      CacheControl: 'no-store',
    });
    await got.Body?.transformToByteArray();
  });
}

/** Range: 5 of the 103 checks. */
export function rangeChecks(check: Check, s3: Open): void {
  const body = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  const ranged = async (Range: string) => {
    await s3().put('ranged', body);
    const got = await s3().client.send(new GetObjectCommand({ Bucket: s3().bucket, Key: 'ranged', Range }));
    return {
      status: got.$metadata.httpStatusCode,
      range: got.ContentRange,
      bytes: Buffer.from((await got.Body?.transformToByteArray()) ?? []),
    };
  };

  check('a range start-end is 206 with its Content-Range', async () => {
    expect(await ranged('bytes=100-199')).toEqual({
      status: 206,
      range: 'bytes 100-199/1000',
      bytes: body.subarray(100, 200),
    });
  });
  check('a range -100 is the last 100 bytes', async () => {
    expect(await ranged('bytes=-100')).toEqual({
      status: 206,
      range: 'bytes 900-999/1000',
      bytes: body.subarray(900),
    });
  });
  check('a range 900- is what begins there', async () => {
    expect(await ranged('bytes=900-')).toEqual({
      status: 206,
      range: 'bytes 900-999/1000',
      bytes: body.subarray(900),
    });
  });
  check('a range that ends behind the end is cut to it', async () => {
    expect(await ranged('bytes=990-5000')).toEqual({
      status: 206,
      range: 'bytes 990-999/1000',
      bytes: body.subarray(990),
    });
  });
  check('a range behind the end is 416 InvalidRange', async () => {
    expect(await outcome(ranged('bytes=1000-'))).toBe('416 InvalidRange');
  });
}

/** Head and errors: 4 of the 103 checks. */
export function headChecks(check: Check, s3: Open): void {
  check('HEAD gives length, ETag and a LastModified near now', async () => {
    const { ETag } = await s3().put('head', Buffer.alloc(1234));
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'head' }));
    expect(head.ContentLength).toBe(1234);
    expect(head.ETag).toBe(ETag);
    expect(Math.abs((head.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  });
  check('GET of a missing key is 404 NoSuchKey', async () => {
    expect(await outcome(s3().read('missing'))).toBe('404 NoSuchKey');
  });
  check('HEAD of a missing key is 404 NotFound', async () => {
    const head = s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'missing' }));
    expect(await outcome(head)).toBe('404 NotFound');
  });
  check('a missing bucket is 404 NoSuchBucket for GET, PUT and LIST', async () => {
    const Bucket = `${s3().bucket}-missing`;
    const { client } = s3();
    expect(await outcome(client.send(new GetObjectCommand({ Bucket, Key: 'a' })))).toBe('404 NoSuchBucket');
    expect(await outcome(client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' })))).toBe(
      '404 NoSuchBucket',
    );
    expect(await outcome(client.send(new ListObjectsV2Command({ Bucket })))).toBe('404 NoSuchBucket');
  });
}
