import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { inject } from 'vitest';
import type { Ferry } from './ferry.ts';

/** Stores an object past Ferry, as another writer of the bucket does. */
export async function putObject(
  { s3, bucket }: Ferry,
  key: string,
  body: string | Buffer = '',
): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body) }));
}

/** An object's text, past Ferry. */
export async function getObject({ s3, bucket }: Ferry, key: string): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return (await Body?.transformToString()) ?? '';
}

/** All keys of the bucket, at most 1,000, in S3's order. */
export async function keysOf({ s3, bucket }: Ferry): Promise<string[]> {
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
  return (Contents ?? []).map(({ Key }) => Key ?? '');
}

/** Drops many empty files into one folder of the embedded S3 by hand, which makes objects of them; others get PUTs. */
export async function dropFiles(ferry: Ferry, directory: string, names: readonly string[]): Promise<void> {
  const { data } = inject('s3');
  if (data === undefined) {
    const left = names.values();
    const putAll = async () => {
      for (const name of left) await putObject(ferry, `${directory}/${name}`);
    };
    await Promise.all(Array.from({ length: 32 }, putAll));
    return;
  }
  const folder = join(data, ferry.bucket, directory);
  await mkdir(folder, { recursive: true });
  await Promise.all(names.map((name) => writeFile(join(folder, name), '')));
}
