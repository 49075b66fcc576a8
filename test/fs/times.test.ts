import { expect, inject, onTestFinished, test } from 'vitest';
import { StorageError } from '../../src/fs/errors.ts';
import { type Entry, fileEntry } from '../../src/fs/listing.ts';
import { type ObjectStore, openObjectStore } from '../../src/fs/s3.ts';
import type { ObjectHead } from '../../src/fs/s3-objects.ts';
import { StoredTimes, setTime, storedTime } from '../../src/fs/times.ts';
import { startFerry } from '../support/ferry.ts';
import { getObject, putObject } from '../support/objects.ts';

const modified = new Date('2026-01-02T03:04:05Z');
const SET = new Date('2002-07-17T21:07:15Z');

const withMtime = (mtime: string) => ({ attributes: { metadata: { mtime } } });

const headOf = (mtime: string): ObjectHead => ({
  ...withMtime(mtime),
  size: 1,
  etag: '"a"',
  modified,
  tagCount: 0,
  crc32: undefined,
  nonce: undefined,
});

const listed = { size: 1, etag: '"a"', modified };

/** A store of objects that all have this head, or fail. */
function storeOf(head: ObjectHead | Error = headOf(String(SET.getTime() / 1000))) {
  const asked: string[] = [];
  let atOnce = 0;
  let most = 0;
  async function answer({ key }: { key: string }): Promise<ObjectHead> {
    asked.push(key);
    most = Math.max(most, ++atOnce);
    await new Promise(setImmediate);
    atOnce--;
    if (head instanceof Error) throw head;
    return head;
  }
  return { store: { head: answer }, asked, most: () => most };
}

const at = (key: string) => ({ bucket: 'b', key });
const later = () => modified.getTime() + 5000;

test.each([
  ['1026940035', '2002-07-17T21:07:15.000Z'],
  ['1026940035.123456789', '2002-07-17T21:07:15.123Z'],
  ['1026940035.5', '2002-07-17T21:07:15.500Z'],
  ['-1', '1969-12-31T23:59:59.000Z'],
  ['0', '1970-01-01T00:00:00.000Z'],
])('metadata %s is the time %s', (text, time) => {
  expect(storedTime(withMtime(text))?.toISOString()).toBe(time);
});

test.each(['', 'yesterday', '1e9', '2002-07-17', '9999999999999'])('metadata "%s" is no time', (text) => {
  expect(storedTime(withMtime(text))).toBeUndefined();
});

test('a time is asked for once as long as ETag and LastModified stay', async () => {
  const { store, asked } = storeOf();
  const times = new StoredTimes(store, { now: later });
  expect(await times.of(at('a'), listed)).toEqual(SET);
  // A listing may tell milliseconds, where HeadObject tells seconds.
  expect(await times.of(at('a'), { ...listed, modified: new Date(modified.getTime() + 999) })).toEqual(SET);
  expect(asked).toHaveLength(1);
  await times.of(at('a'), { ...listed, etag: '"b"' });
  expect(asked).toHaveLength(2);
  await times.of(at('a'), { ...listed, modified: new Date(modified.getTime() + 1000) });
  expect(asked).toHaveLength(3);
});

test('what changed less than five seconds ago is asked for again', async () => {
  const { store, asked } = storeOf();
  const times = new StoredTimes(store, { now: () => modified.getTime() + 4999 });
  await times.of(at('a'), listed);
  await times.of(at('a'), listed);
  expect(asked).toHaveLength(2);
});

test('what was learned longest ago is forgotten where there is too much', async () => {
  const { store, asked } = storeOf();
  const times = new StoredTimes(store, { most: 2, now: later });
  for (const key of ['a', 'b', 'c', 'b', 'c', 'a']) await times.of(at(key), listed);
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});

const entriesOf = (keys: readonly string[]): Entry[] =>
  keys.map((key) => ({ ...fileEntry(key, listed), object: { ...at(key), ...listed } }));

test('a listing asks for 32 times at once and keeps its order and pages', async () => {
  const { store, most, asked } = storeOf();
  const times = new StoredTimes(store, { now: later });
  const pages = [entriesOf(Array.from({ length: 100 }, (_, index) => `f${index}`)), entriesOf(['z'])];
  const shown: Entry[][] = [];
  for await (const page of times.timed(pages)) {
    shown.push(page);
    // The page after this one is not asked for before it is wanted.
    expect(asked).toHaveLength(shown.length === 1 ? 100 : 101);
  }
  expect(shown).toEqual(pages.map((page) => page.map((entry) => ({ ...entry, modified: SET }))));
  expect(most()).toBe(32);
});

test('a file that is gone or denied meanwhile is listed with the time of the listing', async () => {
  for (const failure of ['not-found', 'denied'] as const) {
    const times = new StoredTimes(storeOf(new StorageError(failure, 'no')).store, { now: later });
    expect(await times.of(at('a'), listed)).toEqual(modified);
  }
});

test('a time that cannot be told fails the listing', async () => {
  const { store } = storeOf(new StorageError('throttled', 'busy'));
  const batches = new StoredTimes(store, { now: later }).timed([entriesOf(['a'])]);
  await expect(batches.next()).rejects.toMatchObject({ failure: 'throttled' });
});

test('a copy is refused where something else stands than what it is to replace', async () => {
  await using ferry = await startFerry();
  const { endpoint } = inject('s3');
  const store = openObjectStore({ endpoint, pathStyle: true, checksums: 'full', downloads: 4, requests: 32 });
  onTestFinished(() => store.close());
  const [from, to] = [
    { bucket: ferry.bucket, key: 'from' },
    { bucket: ferry.bucket, key: 'to' },
  ];
  await putObject(ferry, 'from', 'old');
  await putObject(ferry, 'to', 'new');
  const { etag: ifMatch } = await store.head(from);
  await expect(store.copy(from, to, { ifMatch })).rejects.toMatchObject({ failure: 'changed' });
  expect(await getObject(ferry, 'to')).toBe('new');
  await store.copy(from, to, { ifMatch: (await store.head(to)).etag });
  expect(await getObject(ferry, 'to')).toBe('old');
});

test('the copy that sets a time is bound to the version on both of its sides', async () => {
  const asked: unknown[] = [];
  const store = {
    head: async () => headOf('1'),
    copy: async (...args: unknown[]) => void asked.push(args[2]),
  } as unknown as ObjectStore;
  await setTime(store, at('a'), SET);
  expect(asked).toEqual([expect.objectContaining({ sourceEtag: '"a"', ifMatch: '"a"', replaced: true })]);
});

test('a time that a copy has set although its answer was lost is set', async () => {
  const heads = [headOf('1'), headOf(String(SET.getTime() / 1000))];
  const store = {
    head: async () => heads.shift(),
    copy: async () => {
      // The copy that was sent again found another ETag, its own.
      throw new StorageError('changed', 'no such version');
    },
  } as unknown as ObjectStore;
  await setTime(store, at('a'), SET);
  expect(heads).toEqual([]);
});
