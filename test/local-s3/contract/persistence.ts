import { createHash, randomBytes } from 'node:crypto';
import { HeadObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { type EmbeddedServer, startEmbedded, temporaryDirectory } from '../embedded.ts';
import type { Check, Open } from './check.ts';
import { Multipart } from './multipart.ts';
import { Subject } from './subject.ts';

/** Persistence: 2 of the 103 checks; they start and stop a server of their own. */
export function persistenceChecks(check: Check, s3: Open): void {
  const on = async (server: EmbeddedServer, bucket?: string): Promise<Subject> => {
    const { endpoint, region, credentials } = server;
    const target = { endpoint, region, credentials, pathStyle: true, bucketPrefix: 'kept' };
    return Subject.open(target, s3().mode, bucket);
  };

  check.withProcess(
    'a restart keeps objects, metadata and a multipart upload that can be completed',
    async () => {
      const data = temporaryDirectory();
      try {
        const first = await startEmbedded(data.path);
        const before = await on(first);
        const { bucket } = before;
        const sent = { ContentType: 'text/css', Metadata: { a: '1' } };
        await before.put('object', 'content', sent);
        await before.put('odd//key', 'odd');
        const upload = await Multipart.create(before, 'by-parts', sent);
        const one = await upload.part(1, Buffer.alloc(5 * 1024 * 1024, 'a'));
        expect(await first.stop()).toBe(0);

        const second = await startEmbedded(data.path);
        const after = await on(second, bucket);
        expect((await after.read('object')).toString()).toBe('content');
        expect((await after.read('odd//key')).toString()).toBe('odd');
        expect(
          await after.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'object' })),
        ).toMatchObject(sent);
        const resumed = upload.on(after);
        const two = await resumed.part(2, 'end');
        await resumed.complete([one, two]);
        expect((await after.read('by-parts')).length).toBe(5 * 1024 * 1024 + 3);
        expect(
          await after.client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'by-parts' })),
        ).toMatchObject(sent);
        const { Uploads } = await after.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
        expect(Uploads ?? []).toEqual([]);
        await second.stop();
      } finally {
        data.remove();
      }
    },
  );

  check.withProcess(
    'kill -9 during writes: acknowledged objects are whole, no torn one is listed',
    async () => {
      const data = temporaryDirectory();
      try {
        const first = await startEmbedded(data.path);
        const before = await on(first);
        const { bucket } = before;
        const acknowledged = new Map<string, string>();
        const sent = new Map<string, Set<string>>();
        const writer = async (id: number): Promise<void> => {
          for (let i = 0; ; i++) {
            // Some keys are written once, some again and again.
            const key = i % 3 === 0 ? `again-${id}` : `dir-${i % 7}/${id}-${i}`;
            const body = randomBytes(1 + ((i * 7919) % 400_000));
            const md5 = createHash('md5').update(body).digest('hex');
            sent.set(key, (sent.get(key) ?? new Set()).add(md5));
            const put = await before.put(key, body).catch(() => undefined);
            if (!put) return;
            acknowledged.set(key, md5);
          }
        };
        const writers = Array.from({ length: 8 }, (_, id) => writer(id));
        await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(150);
        await first.kill();
        await Promise.all(writers);

        const second = await startEmbedded(data.path);
        const after = await on(second, bucket);
        const listed = new Map<string, string>();
        for (let token: string | undefined, more = true; more; more = token !== undefined) {
          const page = await after.client.send(
            new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }),
          );
          for (const { Key, ETag } of page.Contents ?? [])
            listed.set(Key ?? '', ETag?.replaceAll('"', '') ?? '');
          token = page.NextContinuationToken;
        }
        for (const [key, etag] of listed) {
          const body = await after.read(key);
          expect(createHash('md5').update(body).digest('hex')).toBe(etag);
          expect(sent.get(key)?.has(etag)).toBe(true);
        }
        for (const [key, md5] of acknowledged) {
          // A write of the same key that was under way when the server died may have been published.
          if (!key.startsWith('again')) expect(listed.get(key)).toBe(md5);
          expect(listed.has(key)).toBe(true);
        }
        await second.stop();
      } finally {
        data.remove();
      }
    },
  );
}
