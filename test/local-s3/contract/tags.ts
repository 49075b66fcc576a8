import {
  CopyObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectTaggingCommand,
  type Tag,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { Multipart } from './multipart.ts';
import { copySource, outcome } from './subject.ts';

/** Object tags. */
export function tagChecks(check: Check, s3: Open): void {
  const input = (Key: string) => ({ Bucket: s3().bucket, Key });
  const tagsOf = async (key: string): Promise<Record<string, string>> => {
    const { TagSet } = await s3().client.send(new GetObjectTaggingCommand(input(key)));
    return Object.fromEntries((TagSet ?? []).map(({ Key, Value }) => [Key, Value]));
  };
  const tag = (key: string, TagSet: Tag[]) =>
    s3().client.send(new PutObjectTaggingCommand({ ...input(key), Tagging: { TagSet } }));

  check('tags are put, replaced and deleted; content, ETag and metadata stay', async () => {
    const { ETag } = await s3().put('tagged', 'content', { Metadata: { a: '1' } });
    expect(await tagsOf('tagged')).toEqual({});
    await tag('tagged', [
      { Key: 'sha256', Value: 'abc/+=' },
      { Key: 'a b', Value: '' },
    ]);
    expect(await tagsOf('tagged')).toEqual({ sha256: 'abc/+=', 'a b': '' });
    await tag('tagged', [{ Key: 'only', Value: 'this' }]);
    expect(await tagsOf('tagged')).toEqual({ only: 'this' });
    const head = await s3().client.send(new HeadObjectCommand(input('tagged')));
    expect(head).toMatchObject({ ETag, Metadata: { a: '1' } });
    await s3().client.send(new DeleteObjectTaggingCommand(input('tagged')));
    expect(await tagsOf('tagged')).toEqual({});
    expect((await s3().read('tagged')).toString()).toBe('content');
  });
  check('x-amz-tagging sets tags with PutObject', async () => {
    await s3().put('tagged-put', 'x', { Tagging: 'a=1&b%20c=2%2B3' });
    expect(await tagsOf('tagged-put')).toEqual({ a: '1', 'b c': '2+3' });
  });
  check('x-amz-tagging sets tags with CreateMultipartUpload', async () => {
    const upload = await Multipart.create(s3(), 'tagged-parts', { Tagging: 'a=1' });
    await upload.complete([await upload.part(1, 'x')]);
    expect(await tagsOf('tagged-parts')).toEqual({ a: '1' });
  });
  check('HEAD tells the number of tags', async () => {
    await s3().put('counted', 'x', { Tagging: 'a=1&b=2' });
    expect((await s3().client.send(new HeadObjectCommand(input('counted')))).TagCount).toBe(2);
    await s3().put('counted', 'x');
    expect((await s3().client.send(new HeadObjectCommand(input('counted')))).TagCount ?? 0).toBe(0);
  });
  check('an overwrite removes tags', async () => {
    await s3().put('untagged', 'x', { Tagging: 'a=1' });
    await s3().put('untagged', 'y');
    expect(await tagsOf('untagged')).toEqual({});
  });
  check('CopyObject copies tags', async () => {
    await s3().put('tags/from', 'x', { Tagging: 'a=1' });
    const CopySource = copySource(s3().bucket, 'tags/from');
    await s3().client.send(new CopyObjectCommand({ ...input('tags/kept'), CopySource }));
    expect(await tagsOf('tags/kept')).toEqual({ a: '1' });
  });
  check('CopyObject replaces tags where told to', async () => {
    await s3().put('tags/from', 'x', { Tagging: 'a=1' });
    const CopySource = copySource(s3().bucket, 'tags/from');
    await s3().client.send(
      new CopyObjectCommand({
        ...input('tags/new'),
        CopySource,
        TaggingDirective: 'REPLACE',
        Tagging: 'b=2',
      }),
    );
    expect(await tagsOf('tags/new')).toEqual({ b: '2' });
  });
  check('tags of a missing key are 404 NoSuchKey, more than 10 are refused with 400', async () => {
    expect(await outcome(tagsOf('missing'))).toBe('404 NoSuchKey');
    expect(await outcome(tag('missing', [{ Key: 'a', Value: 'b' }]))).toBe('404 NoSuchKey');
    await s3().put('many-tags', 'x');
    const eleven = Array.from({ length: 11 }, (_, i) => ({ Key: `k${i}`, Value: 'v' }));
    expect(await outcome(tag('many-tags', eleven))).toMatch(/^400 /);
    expect(await tagsOf('many-tags')).toEqual({});
  });
}
