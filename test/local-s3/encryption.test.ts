import { CopyObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Multipart } from './contract/multipart.ts';
import { startInProcess } from './inprocess.ts';

const KMS = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'alias/ferry' } as const;

test('the KMS key that was named is told, by what began the object and by HEAD', async () => {
  const { s3, client } = await startInProcess();
  expect(await s3.put('put', 'x', KMS)).toMatchObject(KMS);
  const upload = await Multipart.create(s3, 'parts', KMS);
  await upload.complete([await upload.part(1, 'x')]);
  const copy = { Bucket: 'files', CopySource: 'files/put' };
  expect(await client.send(new CopyObjectCommand({ ...copy, Key: 'copy', ...KMS }))).toMatchObject(KMS);
  for (const Key of ['put', 'parts', 'copy'])
    expect(await client.send(new HeadObjectCommand({ Bucket: 'files', Key }))).toMatchObject(KMS);
});

test('a copy does not keep the encryption of its source, and one onto itself may change it', async () => {
  const { s3, client } = await startInProcess();
  await s3.put('put', 'x', KMS);
  const copyTo = (Key: string, more = {}) =>
    client.send(new CopyObjectCommand({ Bucket: 'files', Key, CopySource: 'files/put', ...more }));
  const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket: 'files', Key }));
  await copyTo('copy');
  expect((await head('copy')).ServerSideEncryption).toBeUndefined();
  await copyTo('put', { ServerSideEncryption: 'AES256' });
  const { ServerSideEncryption, SSEKMSKeyId } = await head('put');
  expect([ServerSideEncryption, SSEKMSKeyId]).toEqual(['AES256', undefined]);
});

test('a KMS key without KMS is refused', async () => {
  const { s3 } = await startInProcess();
  await expect(
    s3.put('put', 'x', { ServerSideEncryption: 'AES256', SSEKMSKeyId: 'k' }),
  ).rejects.toMatchObject({ name: 'InvalidArgument' });
});
