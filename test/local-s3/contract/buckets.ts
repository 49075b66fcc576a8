import {
  CreateBucketCommand,
  DeleteBucketCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { sendRaw } from './sign.ts';
import { outcome } from './subject.ts';

/** Buckets: 3 of the 103 checks, and more. */
export function bucketChecks(check: Check, s3: Open): void {
  check('CreateBucket creates a bucket through PUT /bucket/', async () => {
    const bucket = await s3().newBucket();
    await s3().client.send(new HeadBucketCommand({ Bucket: bucket }));
    expect(await s3().keysUnder('', bucket)).toEqual([]);
  });

  check('HeadBucket and ListBuckets find a bucket; HeadBucket of a missing one is 404 NotFound', async () => {
    const { client, bucket } = s3();
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    const { Buckets } = await client.send(new ListBucketsCommand({}));
    const found = Buckets?.find(({ Name }) => Name === bucket);
    expect(Math.abs((found?.CreationDate?.getTime() ?? 0) - Date.now())).toBeLessThan(10 * 60_000);
    expect(await outcome(client.send(new HeadBucketCommand({ Bucket: `${bucket}-missing` })))).toBe(
      '404 NotFound',
    );
  });

  check('DeleteBucket of a bucket that is not empty is 409 BucketNotEmpty', async () => {
    const { client } = s3();
    const bucket = await s3().newBucket();
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a/b', Body: 'x' }));
    expect(await outcome(client.send(new DeleteBucketCommand({ Bucket: bucket })))).toBe(
      '409 BucketNotEmpty',
    );
    await s3().delete('a/b', bucket);
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    expect(await outcome(client.send(new HeadBucketCommand({ Bucket: bucket })))).toBe('404 NotFound');
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  check('a bucket name that S3 does not allow is refused with 400', async () => {
    const answer = await sendRaw(
      { method: 'PUT', url: new URL(`/UPPER_case`, s3().target.endpoint) },
      await s3().keys(),
      s3().target.region,
    );
    expect(answer.status).toBe(400);
  });
}
