import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { Multipart } from './multipart.ts';
import { outcome } from './subject.ts';

const WRONG = '"00000000000000000000000000000000"';

/** Conditional requests: 6 of the 103 checks, and more. */
export function conditionChecks(check: Check, s3: Open): void {
  const get = (key: string, more: Partial<GetObjectCommandInput>) => outcome(s3().read(key, more));

  check('PUT with If-None-Match: * is refused where the key exists, and the first value kept', async () => {
    await s3().put('if-none', 'first', { IfNoneMatch: '*' });
    expect(await outcome(s3().put('if-none', 'second', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect((await s3().read('if-none')).toString()).toBe('first');
  });
  check('of 16 PUTs with If-None-Match: * at once exactly one wins', async () => {
    const results = await Promise.all(
      Array.from({ length: 16 }, (_, i) => outcome(s3().put('race', `writer ${i}`, { IfNoneMatch: '*' }))),
    );
    const winners = results.flatMap((result, i) => (result === 'succeeded' ? [i] : []));
    expect(winners.length).toBe(1);
    // S3 may answer 409 to a writer that comes at the same time.
    expect(
      results.filter((result) => result !== 'succeeded').every((result) => /^(412|409) /.test(result)),
    ).toBe(true);
    expect((await s3().read('race')).toString()).toBe(`writer ${winners[0]}`);
  });
  check(
    'PUT with If-Match: a wrong ETag is refused, the right one replaces, a missing key is refused',
    async () => {
      const { ETag } = await s3().put('if-match', 'first');
      expect(await outcome(s3().put('if-match', 'second', { IfMatch: WRONG }))).toBe(
        '412 PreconditionFailed',
      );
      await s3().put('if-match', 'third', { IfMatch: ETag });
      expect((await s3().read('if-match')).toString()).toBe('third');
      expect(await outcome(s3().put('if-match-missing', 'x', { IfMatch: ETag }))).toMatch(
        /^(404 NoSuchKey|412 PreconditionFailed)$/,
      );
    },
  );
  check('CompleteMultipartUpload with If-None-Match: * is refused where the key exists', async () => {
    const upload = await Multipart.create(s3(), 'complete-none');
    const part = await upload.part(1, 'by parts');
    await s3().put('complete-none', 'put before');
    expect(await outcome(upload.complete([part], { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect((await s3().read('complete-none')).toString()).toBe('put before');
    await upload.abort();
  });
  check('GET with If-None-Match is 304, with a wrong If-Match 412', async () => {
    const { ETag } = await s3().put('get-if', 'x');
    expect(await get('get-if', { IfNoneMatch: ETag })).toMatch(/^304 /);
    expect(await get('get-if', { IfNoneMatch: WRONG })).toBe('succeeded');
    expect(await get('get-if', { IfMatch: WRONG })).toBe('412 PreconditionFailed');
    expect(await get('get-if', { IfMatch: ETag })).toBe('succeeded');
  });
  check('DeleteObject with a wrong If-Match is refused', async () => {
    const { ETag } = await s3().put('delete-if', 'x');
    const remove = (IfMatch?: string) =>
      s3().client.send(new DeleteObjectCommand({ Bucket: s3().bucket, Key: 'delete-if', IfMatch }));
    expect(await outcome(remove(WRONG))).toBe('412 PreconditionFailed');
    expect((await s3().read('delete-if')).toString()).toBe('x');
    await remove(ETag);
    expect(await outcome(s3().read('delete-if'))).toBe('404 NoSuchKey');
  });

  check('GET and HEAD with If-Modified-Since and If-Unmodified-Since judge the time', async () => {
    await s3().put('since', 'x');
    const past = new Date(Date.now() - 3_600_000);
    // S3 ignores a time that lies in the future.
    const { LastModified = past } = await s3().client.send(
      new HeadObjectCommand({ Bucket: s3().bucket, Key: 'since' }),
    );
    expect(await get('since', { IfModifiedSince: LastModified })).toMatch(/^304 /);
    expect(await get('since', { IfModifiedSince: past })).toBe('succeeded');
    expect(await get('since', { IfUnmodifiedSince: past })).toBe('412 PreconditionFailed');
    expect(await get('since', { IfUnmodifiedSince: LastModified })).toBe('succeeded');
    const head = s3().client.send(
      new HeadObjectCommand({ Bucket: s3().bucket, Key: 'since', IfModifiedSince: LastModified }),
    );
    expect(await outcome(head)).toMatch(/^304 /);
  });
  check(
    'a right If-Match goes before If-Unmodified-Since, a wrong If-None-Match before If-Modified-Since',
    async () => {
      const { ETag } = await s3().put('both', 'x');
      const past = new Date(Date.now() - 3_600_000);
      expect(await get('both', { IfMatch: ETag, IfUnmodifiedSince: past })).toBe('succeeded');
      expect(await get('both', { IfNoneMatch: ETag, IfModifiedSince: past })).toMatch(/^304 /);
    },
  );
  check('a range with a wrong If-Match is refused, with the right one served', async () => {
    const { ETag } = await s3().put('pinned', '0123456789');
    expect(await get('pinned', { IfMatch: WRONG, Range: 'bytes=2-4' })).toBe('412 PreconditionFailed');
    const got = await s3().client.send(
      new GetObjectCommand({ Bucket: s3().bucket, Key: 'pinned', IfMatch: ETag, Range: 'bytes=2-4' }),
    );
    expect(await got.Body?.transformToString()).toBe('234');
  });
  check('CompleteMultipartUpload with If-Match replaces only what has that ETag', async () => {
    const { ETag } = await s3().put('complete-if', 'old');
    const upload = await Multipart.create(s3(), 'complete-if');
    const part = await upload.part(1, 'new');
    expect(await outcome(upload.complete([part], { IfMatch: WRONG }))).toBe('412 PreconditionFailed');
    expect((await s3().read('complete-if')).toString()).toBe('old');
    const again = await Multipart.create(s3(), 'complete-if');
    await again.complete([await again.part(1, 'new')], { IfMatch: ETag });
    expect((await s3().read('complete-if')).toString()).toBe('new');
    await upload.abort();
  });
  check('CompleteMultipartUpload with a wrong MpuObjectSize is refused with 400', async () => {
    const upload = await Multipart.create(s3(), 'mpu-size');
    const part = await upload.part(1, 'five!');
    expect(await outcome(upload.complete([part], { MpuObjectSize: 6 }))).toMatch(/^400 /);
    expect(await outcome(s3().read('mpu-size'))).toBe('404 NoSuchKey');
    await upload.complete([part], { MpuObjectSize: 5 });
    expect((await s3().read('mpu-size')).toString()).toBe('five!');
  });

  check('CompleteMultipartUpload with If-Match of a missing key is 404, and stores nothing', async () => {
    const upload = await Multipart.create(s3(), 'complete-missing');
    const part = await upload.part(1, 'x');
    expect(await outcome(upload.complete([part], { IfMatch: WRONG }))).toMatch(
      /^(404 NoSuchKey|412 PreconditionFailed)$/,
    );
    expect(await outcome(s3().read('complete-missing'))).toBe('404 NoSuchKey');
    await upload.abort();
  });
  check('DeleteObject with If-Match of a missing key is 204', async () => {
    const { $metadata } = await s3().client.send(
      new DeleteObjectCommand({ Bucket: s3().bucket, Key: 'delete-missing', IfMatch: WRONG }),
    );
    expect($metadata.httpStatusCode).toBe(204);
  });
}
