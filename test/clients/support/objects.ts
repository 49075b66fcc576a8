import { readFile } from 'node:fs/promises';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Ferry } from '../../support/ferry.ts';
import type { Sample } from './samples.ts';

/** An object's length in bytes, asked past Ferry. */
export async function objectSize({ s3, bucket }: Ferry, key: string): Promise<number | undefined> {
  const { ContentLength } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  return ContentLength;
}

/** That the object has the sample's bytes, read past Ferry. */
export async function expectObject({ s3, bucket }: Ferry, key: string, sample: Sample): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
  // Not toEqual: its message would print both, byte after byte.
  const same = (await readFile(sample.file)).equals(bytes);
  expect(same, `the object ${key} has the ${sample.size} bytes that were put`).toBe(true);
}
