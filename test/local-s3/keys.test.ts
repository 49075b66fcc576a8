import { readdirSync } from 'node:fs';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBucket, findBucket } from '../../src/local-s3/store/buckets.ts';
import { compareUtf8 } from '../../src/local-s3/store/directories.ts';
import {
  bucketPaths,
  isFileName,
  keptDirectory,
  keptPath,
  readKeptName,
  recordPath,
} from '../../src/local-s3/store/layout.ts';
import { findObject, publish } from '../../src/local-s3/store/objects.ts';
import { NO_ATTRIBUTES } from '../../src/local-s3/store/records.ts';
import { openDataDirectory } from '../../src/local-s3/store/start.ts';
import { walk } from '../../src/local-s3/store/walk.ts';
import { decodeKey } from './contract/subject.ts';
import { newData, startInProcess } from './inprocess.ts';

const bucket = bucketPaths('/data', 'files', false);

// Segments that are trouble for somebody, and characters from everywhere.
const segment = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    ' ',
    'a',
    'A',
    '.ferry-s3',
    'o-',
    'd-a',
    'c-',
    '%2f',
    '..%2f..',
    'x'.repeat(255),
    'ü'.repeat(200),
    'nul',
    '\\',
    '\u0000',
    '\n',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const key = fc
  .array(segment, { minLength: 1, maxLength: 6 })
  .map((segments) => segments.join('/'))
  .filter((text) => text !== '' && Buffer.byteLength(text) <= 1024 && text.isWellFormed());

/** Reads a path of the kept area back into its key. */
function keyOfKept(path: string): string {
  let bytes: Buffer = Buffer.alloc(0);
  for (const name of path.slice(bucket.kept.length + 1).split('/')) {
    const read = readKeptName(name);
    if (!read) throw new Error(`${name} is no name of the kept area`);
    bytes = Buffer.concat([bytes, read.bytes, Buffer.from(read.kind === 'd' ? '/' : '')]);
  }
  return bytes.toString();
}

test('any key has a place of its own in the kept area, inside it, and can be read back from its path', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const path = keptPath(bucket, a);
      expect(path).toMatch(/^\/data\/\.ferry-s3\/files\/kept(\/[doc]-[a-z0-9_%-]*)+$/);
      expect(path.split('/').every((name) => name.length <= 255)).toBe(true);
      expect(keyOfKept(path)).toBe(a);
      expect(path.startsWith(`${keptDirectory(bucket, a.slice(0, a.lastIndexOf('/') + 1))}/`)).toBe(true);
      if (a !== b) {
        // Neither may be a folder on the way to the other, nor differ in case only.
        expect(keptPath(bucket, b).toLowerCase()).not.toBe(path.toLowerCase());
        expect(keptPath(bucket, b).startsWith(`${path}/`)).toBe(false);
        expect(recordPath(bucket, b)).not.toBe(recordPath(bucket, a));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a key that may be a file name stays below the bucket folder when it is resolved', () => {
  fc.assert(
    fc.property(key, (text) => {
      if (!isFileName(text)) return;
      expect(
        new URL(`file:///data/files/${text.split('/').map(encodeURIComponent).join('/')}`).pathname,
      ).toMatch(/^\/data\/files\/./);
      expect(text.split('/')).not.toContain('..');
      expect(text.split('/')).not.toContain('');
    }),
    { numRuns: 2000 },
  );
});

test('order by UTF-8 bytes is that of the bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      fc.pre(a.isWellFormed() && b.isWellFormed());
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2000 },
  );
});

test('any set of keys is put, listed in order, read and deleted, and nothing else appears on the disk', async () => {
  const { s3, client, data, folder } = await startInProcess();
  const sets = fc.uniqueArray(key, { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(sets, async (keys) => {
      for (const one of keys) await s3.put(one, `content of ${one}`);
      const page = await client.send(new ListObjectsV2Command({ Bucket: 'files', EncodingType: 'url' }));
      expect(page.Contents?.map(({ Key }) => decodeKey(Key))).toEqual([...keys].sort(compareUtf8));
      for (const one of keys) expect((await s3.read(one)).toString()).toBe(`content of ${one}`);
      for (const one of keys) await s3.delete(one);
      expect(readdirSync(folder)).toEqual([]);
      expect(readdirSync(`${data}/.ferry-s3/files/kept`)).toEqual([]);
      expect(readdirSync(data).sort()).toEqual(['.ferry-s3', 'files']);
    }),
    { numRuns: 60 },
  );
});

test('where the file system holds upper and lower case for one, keys are looked up by their exact spelling', async () => {
  const data = await openDataDirectory(newData());
  createBucket(data, 'files');
  const folding = { ...findBucket(data, 'files'), foldsCase: true };
  const attributes = { ...NO_ATTRIBUTES, etag: '9dd4e461268c8034f5c8564e155c67a6' };
  for (const one of ['Dir/File', 'Dir/other', 'plain']) {
    await publish(folding, one, Buffer.from('x'), attributes, () => undefined);
    expect(findObject(folding, one)?.path).toBe(`${folding.objects}/${one}`);
  }
  const shown = [...walk(folding, '', '', { after: '', isPrefix: false })].map(
    (item) => 'object' in item && item.object.key,
  );
  expect(shown).toEqual(['Dir/File', 'Dir/other', 'plain']);
});
