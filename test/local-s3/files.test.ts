import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { outcome } from './contract/subject.ts';
import { type InProcess, newData, startInProcess } from './inprocess.ts';

const md5 = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`;

async function list({ client }: InProcess, Prefix = '', Delimiter?: string) {
  const page = await client.send(new ListObjectsV2Command({ Bucket: 'files', Prefix, Delimiter }));
  return [
    ...(page.Contents ?? []).map(({ Key }) => Key),
    ...(page.CommonPrefixes ?? []).map(({ Prefix: p }) => p),
  ];
}

const head = ({ client }: InProcess, Key: string) =>
  client.send(new HeadObjectCommand({ Bucket: 'files', Key }));

describe('objects on the disk', () => {
  test('are files by their own names, which a person can read', async () => {
    const server = await startInProcess();
    await server.s3.put('reports/2026/März & Co.txt', 'content');
    expect(readFileSync(`${server.folder}/reports/2026/März & Co.txt`, 'utf8')).toBe('content');
  });

  test('leave no folder behind that stood only for them', async () => {
    const server = await startInProcess();
    await server.s3.put('a/b/c/one', '1');
    await server.s3.put('a/two', '2');
    await server.s3.delete('a/b/c/one');
    expect(readdirSync(`${server.folder}/a`)).toEqual(['two']);
    await server.s3.delete('a/two');
    expect(readdirSync(server.folder)).toEqual([]);
  });

  test('whose keys cannot be file names lie outside the bucket folder', async () => {
    const server = await startInProcess();
    for (const key of ['a//b', '/c', 'd/../e', '..', 'f\ng', `${'x'.repeat(300)}`, '.', 'h/./i'])
      await server.s3.put(key, key);
    expect(readdirSync(server.folder)).toEqual([]);
    expect(readdirSync(server.data).sort()).toEqual(['.ferry-s3', 'files']);
  });

  test('a marker is a folder, and a record of its own', async () => {
    const server = await startInProcess();
    await server.s3.put('dir/', Buffer.alloc(0), { Metadata: { a: '1' } });
    expect(readdirSync(server.folder)).toEqual(['dir']);
    expect((await head(server, 'dir/')).Metadata).toEqual({ a: '1' });
    await server.s3.put('dir/x', 'x');
    await server.s3.delete('dir/x');
    expect(await list(server)).toEqual(['dir/']);
    await server.s3.delete('dir/');
    expect(readdirSync(server.folder)).toEqual([]);
    expect(await list(server)).toEqual([]);
  });
});

describe('a file dropped into the folder by hand', () => {
  test('is an object at once, with its ETag', async () => {
    const server = await startInProcess();
    mkdirSync(`${server.folder}/by/hand`, { recursive: true });
    writeFileSync(`${server.folder}/by/hand/file.txt`, 'dropped');
    expect(await list(server)).toEqual(['by/hand/file.txt']);
    expect(await head(server, 'by/hand/file.txt')).toMatchObject({
      ETag: md5('dropped'),
      ContentLength: 7,
      ContentType: 'binary/octet-stream',
    });
    expect((await server.s3.read('by/hand/file.txt')).toString()).toBe('dropped');
  });

  test('shows between two listings of a directory that is held in memory', async () => {
    const server = await startInProcess();
    await server.s3.put('d/a', 'a');
    expect(await list(server, 'd/')).toEqual(['d/a']);
    // A moment that the time stamp of the folder can tell from the one before.
    utimesSync(`${server.folder}/d`, 1, 1);
    expect(await list(server, 'd/')).toEqual(['d/a']);
    writeFileSync(`${server.folder}/d/b`, 'b');
    expect(await list(server, 'd/')).toEqual(['d/a', 'd/b']);
    unlinkSync(`${server.folder}/d/a`);
    await expect.poll(() => list(server, 'd/')).toEqual(['d/b']);
  });

  test('is hashed once only', async () => {
    const server = await startInProcess();
    const file = `${server.folder}/once`;
    writeFileSync(file, 'first');
    utimesSync(file, 1_000_000, 1_000_000);
    expect((await head(server, 'once')).ETag).toBe(md5('first'));
    // The same size, time and inode: nothing tells it from the file whose ETag is remembered.
    writeFileSync(file, 'other');
    utimesSync(file, 1_000_000, 1_000_000);
    expect((await head(server, 'once')).ETag).toBe(md5('first'));
    utimesSync(file, 1_000_001, 1_000_001);
    expect((await head(server, 'once')).ETag).toBe(md5('other'));
  });

  test('takes part in conditional writes', async () => {
    const server = await startInProcess();
    writeFileSync(`${server.folder}/cond`, 'by hand');
    expect(await outcome(server.s3.put('cond', 'x', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect(await outcome(server.s3.put('cond', 'x', { IfMatch: md5('other') }))).toBe(
      '412 PreconditionFailed',
    );
    await server.s3.put('cond', 'x', { IfMatch: md5('by hand') });
    expect(readFileSync(`${server.folder}/cond`, 'utf8')).toBe('x');
  });

  test('goes before an object of that key that was kept elsewhere, and is deleted with it', async () => {
    const server = await startInProcess();
    await server.s3.put('a/b', 'b');
    await server.s3.put('a', 'kept, for a is a folder');
    rmSync(`${server.folder}/a`, { recursive: true });
    writeFileSync(`${server.folder}/a`, 'by hand');
    expect((await server.s3.read('a')).toString()).toBe('by hand');
    expect(await list(server)).toEqual(['a']);
    await server.s3.delete('a');
    expect(await outcome(server.s3.read('a'))).toBe('404 NoSuchKey');
    expect(await list(server)).toEqual([]);
  });
});

describe('an object whose file was changed by hand', () => {
  test('has its new content and ETag, and no metadata of the old content', async () => {
    const server = await startInProcess();
    await server.s3.put('edited', 'before', { Metadata: { a: '1' }, ContentType: 'text/css' });
    appendFileSync(`${server.folder}/edited`, ' and after');
    const now = await head(server, 'edited');
    expect(now).toMatchObject({ ETag: md5('before and after'), ContentLength: 16, Metadata: {} });
    expect((await server.s3.read('edited')).toString()).toBe('before and after');
  });

  test('is gone where the file is gone', async () => {
    const server = await startInProcess();
    await server.s3.put('removed', 'x');
    unlinkSync(`${server.folder}/removed`);
    expect(await outcome(server.s3.read('removed'))).toBe('404 NoSuchKey');
    await server.s3.put('removed', 'again', { IfNoneMatch: '*' });
    expect((await server.s3.read('removed')).toString()).toBe('again');
  });

  test.skipIf(process.platform === 'win32')(
    'keeps its metadata where the data directory was copied with its times',
    async () => {
      const server = await startInProcess();
      await server.s3.put('moved', 'content', { Metadata: { a: '1' } });
      await server.close();
      const copy = newData();
      execFileSync('cp', ['-a', `${server.data}/.`, copy]);
      const other = await startInProcess(copy);
      expect(await head(other, 'moved')).toMatchObject({ ETag: md5('content'), Metadata: { a: '1' } });
    },
  );
});

describe('an empty folder made by hand', () => {
  test('counts as its own marker', async () => {
    const server = await startInProcess();
    mkdirSync(`${server.folder}/empty/inner`, { recursive: true });
    expect(await list(server)).toEqual(['empty/inner/']);
    expect(await list(server, '', '/')).toEqual(['empty/']);
    expect(await head(server, 'empty/inner/')).toMatchObject({ ContentLength: 0, ETag: md5('') });
    expect(await outcome(head(server, 'empty/'))).toBe('404 NotFound');
    expect(await outcome(server.s3.put('empty/inner/', 'x', { IfNoneMatch: '*' }))).toBe(
      '412 PreconditionFailed',
    );
    await server.s3.delete('empty/inner/');
    expect(await list(server)).toEqual([]);
    expect(existsSync(`${server.folder}/empty`)).toBe(false);
  });

  test('can be given tags, and is a marker like any other then', async () => {
    const server = await startInProcess();
    mkdirSync(`${server.folder}/empty`);
    const input = { Bucket: 'files', Key: 'empty/' };
    await server.client.send(
      new PutObjectTaggingCommand({ ...input, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }),
    );
    const { TagSet } = await server.client.send(new GetObjectTaggingCommand(input));
    expect(TagSet).toEqual([{ Key: 'a', Value: 'b' }]);
    await server.s3.put('empty/x', 'x');
    await server.s3.delete('empty/x');
    expect(await list(server)).toEqual(['empty/']);
  });
});

describe('what is not an ordinary file', () => {
  test('symbolic links lead nowhere, out of the folder or within it', async () => {
    const server = await startInProcess();
    const outside = newData();
    writeFileSync(`${outside}/secret`, 'secret');
    symlinkSync(`${outside}/secret`, `${server.folder}/file`);
    symlinkSync(outside, `${server.folder}/folder`);
    symlinkSync('nowhere', `${server.folder}/dangling`);
    expect(await list(server)).toEqual([]);
    expect(await outcome(server.s3.read('file'))).toBe('404 NoSuchKey');
    expect(await outcome(server.s3.read('folder/secret'))).toBe('404 NoSuchKey');
    expect(await list(server, 'folder/')).toEqual([]);
  });

  test('an object may be put where a link is: the link and what it leads to stay as they are', async () => {
    const server = await startInProcess();
    const outside = newData();
    writeFileSync(`${outside}/secret`, 'secret');
    symlinkSync(`${outside}/secret`, `${server.folder}/file`);
    symlinkSync(outside, `${server.folder}/folder`);
    symlinkSync('nowhere', `${server.folder}/dangling`);
    const keys = ['file', 'folder/secret', 'folder/new', 'dangling/x', 'dangling'];
    for (const key of keys) await server.s3.put(key, `mine: ${key}`);
    for (const key of keys) expect((await server.s3.read(key)).toString()).toBe(`mine: ${key}`);
    expect(await list(server)).toEqual([...keys].sort());
    expect(readdirSync(outside)).toEqual(['secret']);
    for (const key of keys) await server.s3.delete(key);
    expect(await list(server)).toEqual([]);
    expect(readFileSync(`${outside}/secret`, 'utf8')).toBe('secret');
    expect(readdirSync(server.folder).sort()).toEqual(['dangling', 'file', 'folder']);
  });

  test.skipIf(process.platform === 'win32')(
    'a named pipe is no object, and nobody waits for it',
    async () => {
      const server = await startInProcess();
      execFileSync('mkfifo', [`${server.folder}/pipe`]);
      expect(await list(server)).toEqual([]);
      expect(await outcome(server.s3.read('pipe'))).toBe('404 NoSuchKey');
      await server.s3.put('pipe', 'an object all the same');
      expect((await server.s3.read('pipe')).toString()).toBe('an object all the same');
    },
  );
});

test('a folder made beside the buckets by hand is a bucket, and can be written to', async () => {
  const { s3, data } = await startInProcess();
  mkdirSync(`${data}/by-hand`);
  await s3.put('a', 'x', { Bucket: 'by-hand' });
  expect(await s3.keysUnder('', 'by-hand')).toEqual(['a']);
});
