import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { expect, inject } from 'vitest';
import { taken } from './cuts.ts';
import { type Ferry, startFerry } from './ferry.ts';
import type { RawClient } from './raw-client.ts';

export const MIB = 2 ** 20;

/** A file that is broken off at 20 MiB, of which two parts, 16 MiB, are durable. */
export const FILE: Buffer = randomBytes(26 * MIB + 11);
export const BROKEN_AT = 20 * MIB;
export const DURABLE = 16 * MIB;

/** Begins an upload, sends its first bytes, and waits until the server has them; then the connection is reset. */
export async function breakUpload(
  client: RawClient,
  line: string,
  bytes: Buffer = FILE.subarray(0, BROKEN_AT),
  code = 426,
): Promise<void> {
  const data = await client.passive();
  data.on('error', () => {});
  expect(await client.command(line)).toMatchObject({ code: 150 });
  data.write(bytes);
  await taken(client, bytes.length);
  data.resetAndDestroy();
  expect(await client.reply()).toMatchObject({ code });
}

/** Another process over the same bucket, for the same user unless told otherwise. */
export function another(first: Ferry, settings: Readonly<Record<string, string>> = {}): Promise<Ferry> {
  return startFerry({ FERRY_BUCKET: first.bucket, ...settings });
}

/** Proves that an object is these bytes, and that S3, where it keeps checksums, has their CRC32 as a whole. */
export async function expectObject({ s3, bucket }: Ferry, key: string, bytes: Buffer): Promise<void> {
  const { Body, ChecksumCRC32, ChecksumType } = await s3.send(
    new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
  );
  const got = Buffer.from((await Body?.transformToByteArray()) ?? []);
  expect(got.length).toBe(bytes.length);
  expect(got.equals(bytes)).toBe(true);
  if (inject('s3').checksums !== 'full') return;
  const whole = Buffer.alloc(4);
  whole.writeUInt32BE(crc32(bytes));
  expect([ChecksumCRC32, ChecksumType]).toEqual([whole.toString('base64'), 'FULL_OBJECT']);
}

export async function expectNoObject({ s3, bucket }: Ferry, key: string): Promise<void> {
  await expect(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).rejects.toMatchObject({
    name: 'NotFound',
  });
}

/** Keys of the ledger's entries. */
export async function ledgerOf({ s3, bucket }: Ferry): Promise<string[]> {
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: '.ferry/uploads/' }));
  return (Contents ?? []).map(({ Key }) => Key ?? '');
}

/** Ids of all multipart uploads that are open. */
export async function openUploads({ s3, bucket }: Ferry): Promise<string[]> {
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return (Uploads ?? []).map(({ UploadId }) => UploadId ?? '');
}

/** Proves that nothing of broken uploads is left. */
export async function expectNothingParked(ferry: Ferry): Promise<void> {
  expect(await ledgerOf(ferry)).toEqual([]);
  expect(await openUploads(ferry)).toEqual([]);
}
