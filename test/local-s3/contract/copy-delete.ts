import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  DeleteObjectsCommand,
  HeadObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { copySource, inParallel, outcome } from './subject.ts';

/** Delete: 2 of the 103 checks. */
export function deleteChecks(check: Check, s3: Open): void {
  check('DeleteObject succeeds whether or not the key is there', async () => {
    await s3().put('deleted', 'x');
    expect((await s3().delete('deleted')).$metadata.httpStatusCode).toBe(204);
    expect((await s3().delete('deleted')).$metadata.httpStatusCode).toBe(204);
    expect(await outcome(s3().read('deleted'))).toBe('404 NoSuchKey');
  });

  check('DeleteObjects takes 1,000 keys, special and missing ones among them; Quiet tells none', async () => {
    const { client, bucket } = s3();
    const odd = [
      'bulk/a b',
      'bulk/<&>"\'',
      'bulk/\u{1f600}',
      'bulk//',
      'bulk/%41',
      'bulk/marker/',
      'bulk/\n',
    ];
    const keys = [...odd, ...Array.from({ length: 1000 - odd.length }, (_, i) => `bulk/${i}`)];
    // Every third of the plain ones is missing.
    await inParallel(
      keys.filter((_, i) => i < odd.length || i % 3 > 0),
      32,
      (key) => s3().put(key, 'x'),
    );
    const result = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
    );
    expect(result.Errors ?? []).toEqual([]);
    expect(result.Deleted?.map(({ Key }) => Key).sort()).toEqual([...keys].sort());
    expect(await s3().keysUnder('bulk/')).toEqual([]);
    await s3().put('bulk/quiet', 'x');
    const quiet = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Quiet: true, Objects: [{ Key: 'bulk/quiet' }] } }),
    );
    expect([quiet.Deleted ?? [], quiet.Errors ?? []]).toEqual([[], []]);
    expect(await s3().keysUnder('bulk/')).toEqual([]);
  });

  check('DeleteObjects judges the ETag of each key that has one', async () => {
    const { client, bucket } = s3();
    const { ETag } = await s3().put('judged/right', 'x');
    await s3().put('judged/wrong', 'y');
    const Objects = [
      { Key: 'judged/right', ETag },
      { Key: 'judged/wrong', ETag },
      { Key: 'judged/missing', ETag },
    ];
    const { Deleted, Errors } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }),
    );
    expect(Deleted?.map(({ Key }) => Key)).toEqual(['judged/right', 'judged/missing']);
    expect(Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([['judged/wrong', 'PreconditionFailed']]);
    expect(await s3().keysUnder('judged/')).toEqual(['judged/wrong']);
  });
}

/** Copy: 6 of the 103 checks, and more. */
export function copyChecks(check: Check, s3: Open): void {
  const copy = (from: string, to: string, more: Partial<CopyObjectCommandInput> = {}) =>
    s3().client.send(
      new CopyObjectCommand({
        Bucket: s3().bucket,
        Key: to,
        CopySource: copySource(s3().bucket, from),
        ...more,
      }),
    );
  const head = (key: string) => s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: key }));

  check('CopyObject keeps content and metadata', async () => {
    const { ETag } = await s3().put('copy/from', 'content', {
      ContentType: 'text/css',
      Metadata: { a: '1' },
    });
    const { CopyObjectResult } = await copy('copy/from', 'copy/to');
    // Some servers leave out the quotes here.
    expect(CopyObjectResult?.ETag?.replaceAll('"', '')).toBe(ETag?.replaceAll('"', ''));
    expect(await head('copy/to')).toMatchObject({ ContentType: 'text/css', Metadata: { a: '1' }, ETag });
    expect((await s3().read('copy/to')).toString()).toBe('content');
  });
  check('CopyObject with REPLACE gives the new key other metadata', async () => {
    await s3().put('replace/from', 'x', { ContentType: 'text/css', Metadata: { a: '1' } });
    await copy('replace/from', 'replace/to', {
      MetadataDirective: 'REPLACE',
      ContentType: 'text/html',
      Metadata: { b: '2' },
    });
    expect(await head('replace/to')).toMatchObject({ ContentType: 'text/html', Metadata: { b: '2' } });
    expect(await head('replace/from')).toMatchObject({ ContentType: 'text/css', Metadata: { a: '1' } });
  });
  check('CopyObject with REPLACE onto itself changes metadata only', async () => {
    await s3().put('self', 'content', { Metadata: { a: '1' } });
    await copy('self', 'self', { MetadataDirective: 'REPLACE', Metadata: { mtime: '12.5' } });
    expect((await head('self')).Metadata).toEqual({ mtime: '12.5' });
    expect((await s3().read('self')).toString()).toBe('content');
  });
  check('CopyObject onto itself without a change is 400 InvalidRequest', async () => {
    await s3().put('self-same', 'x');
    expect(await outcome(copy('self-same', 'self-same'))).toBe('400 InvalidRequest');
  });
  check('CopyObject of a missing source is 404 NoSuchKey', async () => {
    expect(await outcome(copy('missing', 'copy-of-missing'))).toBe('404 NoSuchKey');
  });
  check('a wrong CopySourceIfMatch is refused', async () => {
    await s3().put('copy-if', 'x');
    const wrong = '"00000000000000000000000000000000"';
    expect(await outcome(copy('copy-if', 'copy-if-to', { CopySourceIfMatch: wrong }))).toBe(
      '412 PreconditionFailed',
    );
    expect(await outcome(head('copy-if-to'))).toBe('404 NotFound');
  });

  check('a CopySourceIfNoneMatch of the source is refused, the right CopySourceIfMatch copies', async () => {
    const { ETag } = await s3().put('copy-cond', 'x');
    expect(await outcome(copy('copy-cond', 'copy-cond-to', { CopySourceIfNoneMatch: ETag }))).toBe(
      '412 PreconditionFailed',
    );
    await copy('copy-cond', 'copy-cond-to', { CopySourceIfMatch: ETag });
    expect((await s3().read('copy-cond-to')).toString()).toBe('x');
  });
  check('CopyObject with IfNoneMatch: * does not replace, with IfMatch only what has that ETag', async () => {
    await s3().put('dest/from', 'new');
    const { ETag } = await s3().put('dest/to', 'old');
    expect(await outcome(copy('dest/from', 'dest/to', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect(
      await outcome(copy('dest/from', 'dest/to', { IfMatch: '"00000000000000000000000000000000"' })),
    ).toBe('412 PreconditionFailed');
    expect((await s3().read('dest/to')).toString()).toBe('old');
    await copy('dest/from', 'dest/to', { IfMatch: ETag });
    expect((await s3().read('dest/to')).toString()).toBe('new');
    await copy('dest/from', 'dest/fresh', { IfNoneMatch: '*' });
    expect((await s3().read('dest/fresh')).toString()).toBe('new');
  });
  check(
    'a refused CopyObject names the condition: that on the source, or that on the destination',
    async () => {
      const { ETag } = await s3().put('named/from', 'new');
      await s3().put('named/to', 'old');
      const condition = (more: Partial<CopyObjectCommandInput>) =>
        copy('named/from', 'named/to', more).then(
          () => 'none',
          ({ Condition }: { Condition?: string }) => Condition,
        );
      const wrong = '"00000000000000000000000000000000"';
      expect(await condition({ CopySourceIfMatch: wrong })).toBe('x-amz-copy-source-If-Match');
      expect(await condition({ CopySourceIfNoneMatch: ETag })).toBe('x-amz-copy-source-If-None-Match');
      expect(await condition({ IfNoneMatch: '*' })).toBe('If-None-Match');
      expect(await condition({ CopySourceIfMatch: ETag, IfNoneMatch: '*' })).toBe('If-None-Match');
      expect((await s3().read('named/to')).toString()).toBe('old');
    },
  );
  check('CopyObject copies between buckets', async () => {
    const other = await s3().newBucket();
    await s3().put('across', 'x');
    await copy('across', 'arrived', { Bucket: other });
    expect(await s3().keysUnder('', other)).toEqual(['arrived']);
  });
}
