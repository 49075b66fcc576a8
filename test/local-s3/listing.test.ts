import { mkdirSync, writeFileSync } from 'node:fs';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBucket, findBucket } from '../../src/local-s3/store/buckets.ts';
import { compareUtf8, statistics } from '../../src/local-s3/store/directories.ts';
import type { BucketPaths } from '../../src/local-s3/store/layout.ts';
import { publish, removeObject } from '../../src/local-s3/store/objects.ts';
import { NO_ATTRIBUTES } from '../../src/local-s3/store/records.ts';
import { openDataDirectory } from '../../src/local-s3/store/start.ts';
import { type Position, walk } from '../../src/local-s3/store/walk.ts';
import { newData, startInProcess } from './inprocess.ts';

async function newBucket(): Promise<BucketPaths> {
  const data = await openDataDirectory(newData());
  createBucket(data, 'files');
  return findBucket(data, 'files');
}

function pageThrough(bucket: BucketPaths, prefix: string, delimiter: string, size: number): string[] {
  const shown: string[] = [];
  let from: Position | undefined = { after: '', isPrefix: false };
  while (from) {
    let count = 0;
    const start: Position = from;
    from = undefined;
    for (const item of walk(bucket, prefix, delimiter, start)) {
      const isPrefix = 'commonPrefix' in item;
      const after = isPrefix ? item.commonPrefix : item.object.key;
      shown.push(isPrefix ? `${after}*` : after);
      if (++count === size) {
        from = { after, isPrefix };
        break;
      }
    }
  }
  return shown;
}

/** What S3 would list, worked out from all keys at once. */
function expected(keys: readonly string[], prefix: string, delimiter: string): string[] {
  const shown = [...keys].sort(compareUtf8).flatMap((key) => {
    if (!key.startsWith(prefix)) return [];
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    return [cut < 0 ? key : `${key.slice(0, cut + delimiter.length)}*`];
  });
  return [...new Set(shown)];
}

const put = (bucket: BucketPaths, key: string) =>
  publish(
    bucket,
    key,
    Buffer.from('x'),
    { ...NO_ATTRIBUTES, etag: '9dd4e461268c8034f5c8564e155c67a6' },
    () => undefined,
  );

describe('a listing', () => {
  test('is what S3 would show, for any keys, prefix, delimiter and page size', async () => {
    const bucket = await newBucket();
    const word = fc.constantFrom('a', 'a-', 'a0', 'b', '', 'A', '!', '\u{1f600}', '\uffee', 'ab');
    const key = fc
      .array(word, { minLength: 1, maxLength: 4 })
      .map((words) => words.join('/'))
      .filter((text) => text !== '');
    const prefix = fc.oneof(fc.constantFrom('', 'a', 'a/', 'a/a', 'b/', '/', 'a//'), key);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 12 }),
        prefix,
        fc.constantFrom('', '/', 'a', '-', 'a/'),
        fc.integer({ min: 1, max: 5 }),
        async (keys, start, delimiter, size) => {
          for (const one of keys) await put(bucket, one);
          expect(pageThrough(bucket, start, delimiter, size)).toEqual(expected(keys, start, delimiter));
          for (const one of keys) await removeObject(bucket, one);
          expect(pageThrough(bucket, '', '', 5)).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('that begins behind any key shows what comes after it', async () => {
    const bucket = await newBucket();
    const keys = ['a', 'a-b', 'a/', 'a/b', 'a/c/d', 'a0', 'b//c', 'b/c', '\u{1f600}'];
    for (const one of keys) await put(bucket, one);
    for (const after of [...keys, '', '!', 'a/a', 'a/b/c', 'a/c', 'a/c/', 'a//', 'b', 'zz', '\uffff']) {
      for (const delimiter of ['', '/']) {
        const shown = [...walk(bucket, '', delimiter, { after, isPrefix: false })].map((item) =>
          'commonPrefix' in item ? `${item.commonPrefix}*` : item.object.key,
        );
        const behind = keys.filter((one) => compareUtf8(one, after) > 0);
        expect(shown).toEqual(expected(behind, '', delimiter));
      }
    }
  });

  test('of one large directory in 100 pages reads it at most twice', async () => {
    const { client, folder } = await startInProcess();
    mkdirSync(`${folder}/large`);
    for (let i = 0; i < 2000; i++) writeFileSync(`${folder}/large/${String(i).padStart(5, '0')}`, '');
    const before = statistics.directoryReads;
    let token: string | undefined;
    let count = 0;
    do {
      const page = await client.send(
        new ListObjectsV2Command({
          Bucket: 'files',
          Prefix: 'large/',
          MaxKeys: 20,
          ContinuationToken: token,
        }),
      );
      count += page.KeyCount ?? 0;
      token = page.NextContinuationToken;
    } while (token !== undefined);
    expect(count).toBe(2000);
    expect(statistics.directoryReads - before).toBeLessThanOrEqual(2);
  });

  test('reads a large directory seldom while others write to it, and misses none of their objects', async () => {
    const bucket = await newBucket();
    for (let i = 0; i < 1000; i++) await put(bucket, `d/${String(i).padStart(4, '0')}`);
    const first = (after: string): string | undefined => {
      const next = walk(bucket, 'd/', '', { after, isPrefix: false }).next();
      return next.done || 'commonPrefix' in next.value ? undefined : next.value.object.key;
    };
    first('');
    const before = statistics.directoryReads;
    for (let i = 0; i < 200; i++) {
      const key = `d/${String(i).padStart(4, '0')}-new`;
      await put(bucket, key);
      expect(first(`d/${String(i).padStart(4, '0')}`)).toBe(key);
      if (i % 2 === 0) {
        await removeObject(bucket, key);
        expect(first(`d/${String(i).padStart(4, '0')}`)).toBe(`d/${String(i + 1).padStart(4, '0')}`);
      }
    }
    expect(statistics.directoryReads - before).toBeLessThan(50);
  });
});
