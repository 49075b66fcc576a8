import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StorageError } from '../../src/fs/errors.ts';
import { freeName } from '../../src/fs/free-name.ts';
import type { ObjectStore } from '../../src/fs/s3.ts';

const EPOCH = new Date(0);

/** A bucket that holds keys in their order, lists `pageSize` at a time, and counts its requests. */
function bucketOf(keys: readonly string[], pageSize = 1000) {
  const requests = { head: 0, list: 0 };
  const store: Pick<ObjectStore, 'head' | 'list'> = {
    head: async ({ key }) => {
      requests.head++;
      if (!keys.includes(key)) throw new StorageError('not-found', key);
      const info = { size: 0, etag: '', modified: EPOCH, attributes: { metadata: {} }, tagCount: 0 };
      return { ...info, crc32: undefined, nonce: undefined };
    },
    list: async (_, { prefix, continuation = '0' }) => {
      requests.list++;
      const cut = (key: string) => `${key}/`.slice(0, `${key}/`.indexOf('/', prefix.length) + 1);
      const names = keys
        .filter((key) => key.startsWith(prefix))
        .map((key) => (key.includes('/', prefix.length) ? cut(key) : key));
      const all = [...new Set(names)].toSorted();
      const end = Number(continuation) + pageSize;
      const page = all.slice(Number(continuation), end);
      const objects = page.filter((name) => !name.endsWith('/'));
      return {
        objects: objects.map((key) => ({
          key,
          size: 0,
          etag: '',
          modified: EPOCH,
          storageClass: 'STANDARD',
        })),
        prefixes: page.filter((name) => name.endsWith('/')),
        next: end < all.length ? String(end) : undefined,
      };
    },
  };
  return { requests, free: (key: string) => freeName(store, { bucket: 'b', key }) };
}

test('a name that is free is taken as it is, for one HeadObject', async () => {
  const { free, requests } = bucketOf(['in/a.1.csv']);
  expect(await free('in/a.csv')).toBe('in/a.csv');
  expect(requests).toEqual({ head: 1, list: 0 });
});

test.each([
  ['the first number', ['a.csv'], 'a.csv', 'a.1.csv'],
  ['one more than the largest, not the first gap', ['a.csv', 'a.2.csv', 'a.10.csv'], 'a.csv', 'a.11.csv'],
  ['a number behind a name without extension', ['in.d/a', 'in.d/a.1'], 'in.d/a', 'in.d/a.2'],
  ['a number behind a dotfile', ['.profile'], '.profile', '.profile.1'],
  ['a number before the last extension only', ['a.tar.gz'], 'a.tar.gz', 'a.tar.1.gz'],
  ['a number behind a dot at the end', ['a.'], 'a.', 'a..1'],
  [
    'no account of other names',
    ['a.csv', 'a.7.txt', 'a.x.csv', 'a.007.csv', 'a.9.csv.bak', 'b.8.csv'],
    'a.csv',
    'a.1.csv',
  ],
  ['no account of dates', ['a.csv', 'a.20261124.csv'], 'a.csv', 'a.1.csv'],
  ['account of directories', ['a.csv', 'a.4.csv/x'], 'a.csv', 'a.5.csv'],
])('a name that is taken gets %s', async (_, keys, key, expected) => {
  expect(await bucketOf(keys).free(key)).toBe(expected);
});

test('numbers are looked for over pages, but not behind the last that can hold one', async () => {
  const numbered = Array.from({ length: 2500 }, (_, index) => `a.${index + 1}.csv`);
  const others = Array.from({ length: 5000 }, (_, index) => `a.x${index}.csv`);
  const { free, requests } = bucketOf(['a.csv', ...numbered, ...others]);
  expect(await free('a.csv')).toBe('a.2501.csv');
  expect(requests).toEqual({ head: 1, list: 3 });
});

test('beyond ten pages, and beyond the largest number, the name is random', async () => {
  const many = Array.from({ length: 11 }, (_, index) => `a.${index + 1}.csv`);
  const { free, requests } = bucketOf(['a.csv', ...many], 1);
  expect(await free('a.csv')).toMatch(/^a\.[\da-f]{12}\.csv$/);
  expect(requests.list).toBe(10);
  expect(await bucketOf(['a.csv', 'a.999999.csv']).free('a.csv')).toMatch(/^a\.[\da-f]{12}\.csv$/);
});

test('whatever stands there, the name found is free', async () => {
  const names = fc.stringMatching(/^[a.1]{1,5}(\/[a.1]{1,3})?$/);
  await fc.assert(
    fc.asyncProperty(fc.array(names, { maxLength: 30 }), names, async (keys, key) => {
      const found = await bucketOf(keys).free(key);
      expect(keys).not.toContain(found);
      expect(keys.includes(key)).toBe(found !== key);
    }),
  );
});

test('a store that cannot tell is no free name', async () => {
  const head = () => Promise.reject(new StorageError('unavailable', 'x'));
  const list = () => Promise.reject(new Error('not asked'));
  await expect(freeName({ head, list }, { bucket: 'b', key: 'a' })).rejects.toMatchObject({
    failure: 'unavailable',
  });
});
