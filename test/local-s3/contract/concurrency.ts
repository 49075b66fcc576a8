import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { openRequest, signedHeaders } from './sign.ts';
import { inParallel, outcome } from './subject.ts';

const MIB = 1024 * 1024;

/** Aborted PUT, atomicity and concurrency: 1 + 5 of the 103 checks. */
export function concurrencyChecks(check: Check, s3: Open): void {
  /** Sends 3 of 8 MiB and cuts the connection. */
  const cut = async (key: string): Promise<void> => {
    const url = s3().url(key);
    const request = { method: 'PUT', url, contentSha256: 'UNSIGNED-PAYLOAD' };
    const headers = await signedHeaders(request, await s3().keys(), s3().target.region);
    const open = openRequest('PUT', url, { ...headers, 'content-length': String(8 * MIB) });
    await new Promise<void>((resolve) => {
      open.on('error', () => resolve());
      open.on('close', resolve);
      open.write(Buffer.alloc(3 * MIB, 'n'), () => open.destroy());
    });
  };

  check('a connection cut after 3 of 8 MiB leaves no new object and the old one untouched', async () => {
    await s3().put('cut-old', 'old');
    await cut('cut-old');
    await cut('cut-new');
    // Requests that come later see what the cut ones left.
    for (let i = 0; i < 5; i++) {
      expect((await s3().read('cut-old')).toString()).toBe('old');
      expect(await outcome(s3().read('cut-new'))).toBe('404 NoSuchKey');
      expect(await s3().keysUnder('cut-')).toEqual(['cut-old']);
    }
  });

  check('overwriting under three readers: every read is one whole value', async () => {
    const value = (i: number): Buffer => Buffer.alloc(300_000 + i * 1000, 97 + i);
    await s3().put('overwritten', value(0));
    let writing = true;
    const reader = async (): Promise<number> => {
      let reads = 0;
      for (; writing; reads++) {
        const got = await s3().client.send(new GetObjectCommand({ Bucket: s3().bucket, Key: 'overwritten' }));
        const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
        expect(bytes.equals(value((bytes[0] ?? 0) - 97))).toBe(true);
        expect(got.ContentLength).toBe(bytes.length);
      }
      return reads;
    };
    const readers = [reader(), reader(), reader()];
    for (let i = 1; i <= 20; i++) await s3().put('overwritten', value(i % 10));
    writing = false;
    for (const reads of await Promise.all(readers)) expect(reads).toBeGreaterThan(0);
  });

  check('a slow reader spans an overwrite and still gets the old bytes', async () => {
    const old = randomBytes(24 * MIB);
    await s3().put('spanned', old);
    const { Body } = await s3().client.send(new GetObjectCommand({ Bucket: s3().bucket, Key: 'spanned' }));
    const chunks: Buffer[] = [];
    for await (const chunk of Body as AsyncIterable<Buffer>) {
      if (chunks.length === 0) await s3().put('spanned', randomBytes(24 * MIB));
      chunks.push(chunk);
    }
    expect(old.equals(Buffer.concat(chunks))).toBe(true);
  });

  check('during a slow write the old object stays visible on GET and HEAD', async () => {
    await s3().put('slow', 'old');
    const body = new PassThrough();
    const put = s3().put('slow', body, { ContentLength: 2 * MIB });
    // Where a check before its end fails, nobody awaits it.
    put.catch(() => undefined);
    body.write(Buffer.alloc(MIB, 'n'));
    expect((await s3().read('slow')).toString()).toBe('old');
    const head = await s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: 'slow' }));
    expect(head.ContentLength).toBe(3);
    body.end(Buffer.alloc(MIB, 'n'));
    await put;
    expect((await s3().read('slow')).equals(Buffer.alloc(2 * MIB, 'n'))).toBe(true);
  });

  check('64 parallel PUTs of 256 KB are all stored', async () => {
    const bodies = Array.from({ length: 64 }, () => randomBytes(256 * 1024));
    await Promise.all(bodies.map((body, i) => s3().put(`parallel/${i}`, body)));
    const indexes = bodies.map((_, i) => i);
    await inParallel(indexes, 16, async (i) => {
      expect(bodies[i]?.equals(await s3().read(`parallel/${i}`))).toBe(true);
    });
  });

  check('64 parallel PUTs to one key give one whole value', async () => {
    const bodies = Array.from({ length: 64 }, (_, i) => Buffer.alloc(100_000 + i, i));
    await Promise.all(bodies.map((body) => s3().put('contended', body)));
    const bytes = await s3().read('contended');
    expect(bytes.equals(bodies[bytes[0] ?? 0] ?? Buffer.alloc(0))).toBe(true);
    expect(await s3().keysUnder('contended')).toEqual(['contended']);
  });
}
