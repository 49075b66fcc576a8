import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { Multipart } from './multipart.ts';
import { copySource, outcome } from './subject.ts';

/** Storage classes and encryption. */
export function storageChecks(check: Check, s3: Open): void {
  const input = (Key: string) => ({ Bucket: s3().bucket, Key });
  const head = (key: string) => s3().client.send(new HeadObjectCommand(input(key)));
  const get = (key: string) => s3().client.send(new GetObjectCommand(input(key)));
  const copy = (from: string, to: string, more = {}) =>
    s3().client.send(
      new CopyObjectCommand({ ...input(to), CopySource: copySource(s3().bucket, from), ...more }),
    );

  check('a storage class is told by HEAD and by listings; a copy does not keep it', async () => {
    await s3().put('class/put', 'x', { StorageClass: 'STANDARD_IA' });
    const upload = await Multipart.create(s3(), 'class/parts', { StorageClass: 'STANDARD_IA' });
    await upload.complete([await upload.part(1, 'x')]);
    await copy('class/put', 'class/copied');
    await copy('class/copied', 'class/given', { StorageClass: 'STANDARD_IA' });
    expect((await head('class/put')).StorageClass).toBe('STANDARD_IA');
    expect((await head('class/copied')).StorageClass ?? 'STANDARD').toBe('STANDARD');
    const { Contents } = await s3().client.send(
      new ListObjectsV2Command({ Bucket: s3().bucket, Prefix: 'class/' }),
    );
    expect(Contents?.map(({ Key, StorageClass }) => [Key, StorageClass])).toEqual([
      ['class/copied', 'STANDARD'],
      ['class/given', 'STANDARD_IA'],
      ['class/parts', 'STANDARD_IA'],
      ['class/put', 'STANDARD_IA'],
    ]);
  });
  for (const StorageClass of ['GLACIER', 'DEEP_ARCHIVE'] as const) {
    check(`what is archived as ${StorageClass} is told by HEAD, but neither read nor copied`, async () => {
      const key = `archived/${StorageClass}`;
      await s3().put(key, 'x', { StorageClass });
      expect(await head(key)).toMatchObject({ StorageClass, ContentLength: 1 });
      expect(await outcome(get(key))).toBe('403 InvalidObjectState');
      expect(await outcome(copy(key, `${key}-copy`))).toBe('403 InvalidObjectState');
      const upload = await Multipart.create(s3(), `${key}-part`);
      expect(await outcome(upload.copyPart(1, key))).toBe('403 InvalidObjectState');
      await upload.abort();
    });
  }
  for (const ServerSideEncryption of ['AES256', 'aws:kms'] as const) {
    check(
      `encryption by ${ServerSideEncryption} is told by PUT, HEAD and GET, parts and copies`,
      async () => {
        const key = `sse/${ServerSideEncryption}`;
        const put = await s3().put(key, 'x', { ServerSideEncryption });
        const created = await Multipart.create(s3(), `${key}-parts`, { ServerSideEncryption });
        await created.complete([await created.part(1, 'x')]);
        const copied = await copy(key, `${key}-copy`, { ServerSideEncryption });
        const got = await get(key);
        await got.Body?.transformToByteArray();
        const heads = await Promise.all(['', '-parts', '-copy'].map((end) => head(key + end)));
        const told = [put, copied, got, ...heads].map((answer) => answer.ServerSideEncryption);
        expect(new Set(told)).toEqual(new Set([ServerSideEncryption]));
      },
    );
  }
  check('an unknown encryption is refused with 400', async () => {
    const wrong = s3().put('sse/wrong', 'x', { ServerSideEncryption: 'rot13' as 'AES256' });
    expect(await outcome(wrong)).toMatch(/^400 /);
    expect(await outcome(head('sse/wrong'))).toBe('404 NotFound');
  });
}
