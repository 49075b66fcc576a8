import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DIRECTORY_TIME, type Entry, entriesOf, firstPage, type Level } from '../../src/fs/listing.ts';
import { encodeName } from '../../src/fs/names.ts';
import type { ObjectStore } from '../../src/fs/s3.ts';
import type { ListPage } from '../../src/fs/s3-objects.ts';
import { startFerry } from '../support/ferry.ts';
import { dropFiles, putObject } from '../support/objects.ts';

const modified = new Date('2026-01-02T03:04:05Z');
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** ListObjectsV2 with a delimiter over these keys, as S3 does it: pages of keys and prefixes in one order. */
function storeOf(keys: readonly string[], pageSize: number) {
  let requests = 0;
  async function list(
    _: string,
    { prefix, continuation = '' }: { prefix: string; continuation?: string },
  ): Promise<ListPage> {
    requests++;
    const names = new Set<string>();
    for (const key of keys.filter((each) => each.startsWith(prefix))) {
      const end = key.indexOf('/', prefix.length);
      names.add(end < 0 ? key : key.slice(0, end + 1));
    }
    const left = [...names].sort(byBytes).filter((name) => byBytes(name, continuation) > 0);
    const page = left.slice(0, pageSize);
    // The directory's own marker is a key, though its name ends in the delimiter.
    const isPrefix = (name: string) => name.endsWith('/') && name !== prefix;
    return {
      objects: page
        .filter((name) => !isPrefix(name))
        .map((key) => ({ key, size: key.length, etag: '', modified })),
      prefixes: page.filter(isPrefix),
      next: left.length > pageSize ? page.at(-1) : undefined,
    };
  }
  return { store: { list } as unknown as ObjectStore, requests: () => requests };
}

async function batchesOf(store: ObjectStore, directory = '', namePrefix = ''): Promise<Entry[][]> {
  const level: Level = { bucket: 'b', directory, namePrefix };
  const batches: Entry[][] = [];
  for await (const batch of entriesOf(store, level, await firstPage(store, level))) batches.push(batch);
  return batches;
}

const shown = (batches: readonly Entry[][]) =>
  batches.flat().map(({ name, type }) => (type === 'directory' ? `${name}/` : name));

test('a page gives a batch, of which files have their size and time and directories the constant time', async () => {
  const { store } = storeOf(['in/', 'in/a', 'in/b/c', 'in/d'], 1000);
  const object = (key: string) => ({ bucket: 'b', key, size: key.length, etag: '', modified });
  expect(await batchesOf(store, 'in/')).toEqual([
    [
      { name: 'a', type: 'file', size: 4, modified, object: object('in/a') },
      { name: 'b', type: 'directory', size: 0, modified: DIRECTORY_TIME },
      { name: 'd', type: 'file', size: 4, modified, object: object('in/d') },
    ],
  ]);
});

test('a file and a directory of one name are one directory, on one page or thousands of names apart', async () => {
  const between = Array.from({ length: 3000 }, (_, index) => `a-${String(index).padStart(4, '0')}`);
  for (const pageSize of [1000, 7, 1]) {
    const keys = pageSize === 1000 ? between : between.slice(0, 20);
    const { store } = storeOf(['a', ...keys, 'a/x', 'b'], pageSize);
    const names = shown(await batchesOf(store));
    expect(names.filter((name) => /^a\/?$/.test(name))).toEqual(['a/']);
    expect(names).toHaveLength(keys.length + 2);
  }
});

test('a file whose directory did not come is shown once, when that is sure', async () => {
  const between = Array.from({ length: 20 }, (_, index) => `a-${String(index).padStart(2, '0')}`);
  for (const pageSize of [1, 2, 3, 7, 1000]) {
    const { store } = storeOf(['a', ...between, 'b'], pageSize);
    expect(shown(await batchesOf(store)).sort(byBytes)).toEqual(['a', ...between, 'b']);
  }
});

test('entries of a page come in the order of their bytes, as S3 lists them', async () => {
  // In UTF-16 the last two would change places.
  const names = ['!', 'A', 'a', 'b/', 'é', '\ufffd', '\u{1f600}'];
  const { store } = storeOf(
    names.map((name) => (name.endsWith('/') ? `${name}x` : name)),
    1000,
  );
  expect(shown(await batchesOf(store))).toEqual(names);
});

test('files and directories whose names only UTF-8 puts in this order are merged in it', async () => {
  const names = ['\ufffd/', '\u{1f600}', '\u{1f601}/'];
  const { store } = storeOf(
    names.map((name) => (name.endsWith('/') ? `${name}x` : name)),
    1000,
  );
  expect(shown(await batchesOf(store))).toEqual(names);
});

test('whatever the keys and the page size, each name comes once, and as a directory where it is one', async () => {
  const name = fc.stringMatching(/^[ab.\-!~é\u{1f600}\ufffd]{1,3}$/u);
  const key = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      async (keys, size) => {
        const { store, requests } = storeOf(keys, size);
        const expected = new Set<string>();
        for (const each of keys)
          expected.add(each.includes('/') ? each.slice(0, each.indexOf('/') + 1) : each);
        for (const each of expected) if (expected.has(`${each}/`)) expected.delete(each);
        const names = [...expected].map((each) => each.replace(/^[^/]*/, encodeName));
        expect(shown(await batchesOf(store)).sort(byBytes)).toEqual(names.sort(byBytes));
        const listed = new Set(keys.map((each) => each.replace(/\/.*/, '/'))).size;
        expect(requests()).toBe(Math.max(1, Math.ceil(listed / size)));
      },
    ),
    { numRuns: 300 },
  );
});

test('a name prefix is asked of S3, and names only what begins so', async () => {
  const { store, requests } = storeOf(['in/', 'in/a', 'in/ab', 'in/ab/c', 'in/b'], 1000);
  expect(shown(await batchesOf(store, 'in/', 'ab'))).toEqual(['ab/']);
  expect(requests()).toBe(1);
});

test('the real S3 lists a file and its directory, three thousand names apart, as the directory', async () => {
  await using ferry = await startFerry();
  await dropFiles(
    ferry,
    'dir',
    Array.from({ length: 3000 }, (_, index) => `a-${String(index).padStart(4, '0')}`),
  );
  await putObject(ferry, 'dir/a', 'file');
  await putObject(ferry, 'dir/a/inside', 'x');
  using client = await ferry.login();
  const names = (await client.download('MLSD dir')).bytes.toString().split('\r\n').slice(0, -1);
  expect(names).toHaveLength(3001);
  expect(names.filter((line) => / a$/.test(line))).toEqual([expect.stringContaining('type=dir;')]);
  // It stays reachable by its name.
  expect((await client.download('RETR dir/a')).bytes.toString()).toBe('file');
});
