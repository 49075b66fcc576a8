import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import type { Ferry } from '../../support/ferry.ts';

/** An object's bytes, read past Ferry. */
export async function objectBytes({ s3, bucket }: Ferry, key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** An object's length in bytes, asked past Ferry. */
export async function objectSize({ s3, bucket }: Ferry, key: string): Promise<number | undefined> {
  const { ContentLength } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  return ContentLength;
}
