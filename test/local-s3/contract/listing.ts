import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { decodeKey, inParallel, outcome, type Subject } from './subject.ts';

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

// 100 in each of 40 directories, names around the slash's place in the order, and above the surrogates.
function makeKeys(): string[] {
  const keys: string[] = [];
  for (let directory = 0; directory < 40; directory++) {
    for (let file = 0; file < 100; file++) keys.push(`d${directory}/f${String(file).padStart(3, '0')}`);
  }
  for (let i = 0; i < 200; i++) {
    keys.push(`order-${i}`, `order/${i}`, `order0${i}`, `p+q/${i}`, `\u{1f600}${i}`);
  }
  return keys;
}

interface Listed {
  keys: string[];
  prefixes: string[];
  pages: ListObjectsV2CommandOutput[];
}

async function listAll(s3: Subject, input: Omit<ListObjectsV2CommandInput, 'Bucket'>): Promise<Listed> {
  const all: Listed = { keys: [], prefixes: [], pages: [] };
  for (let token: string | undefined, more = true; more; ) {
    const page = await s3.client.send(
      new ListObjectsV2Command({ Bucket: s3.bucket, ...input, ContinuationToken: token }),
    );
    const limit = input.MaxKeys ?? 1000;
    expect((page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0)).toBeLessThanOrEqual(limit);
    expect(page.IsTruncated).toBe(page.NextContinuationToken !== undefined);
    all.pages.push(page);
    all.keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
    all.prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''));
    token = page.NextContinuationToken;
    more = token !== undefined;
  }
  return all;
}

/** Listing 5,000 keys: 11 of the 103 checks, and more. They build on the first, which puts the keys. */
export function listingChecks(check: Check, open: Open): void {
  const keys = makeKeys();
  const sorted = [...keys].sort(byBytes);
  // A bucket of its own: the other checks leave objects behind.
  let own: Subject | undefined;
  const s3 = (): Subject => own ?? open();
  const under = (prefix: string): string[] => sorted.filter((key) => key.startsWith(prefix));

  check('5,000 keys are put, 32 at a time', async () => {
    own = await open().withOwnBucket();
    await inParallel(keys, 32, (key) => s3().put(key, 'x'));
  });
  check('a full listing is the exact set in UTF-8 byte order', async () => {
    expect((await listAll(s3(), {})).keys).toEqual(sorted);
  });
  check('pages of 333 keys make up the whole', async () => {
    const { keys: listed, pages } = await listAll(s3(), { MaxKeys: 333 });
    expect(listed).toEqual(sorted);
    expect(pages.length).toBe(Math.ceil(5000 / 333));
  });
  check('a prefix selects what starts with it', async () => {
    for (const Prefix of ['d7/', 'd1', 'p+q/', 'order', 'order/1', '\u{1f600}']) {
      expect((await listAll(s3(), { Prefix })).keys).toEqual(under(Prefix));
    }
  });
  check('a delimiter groups keys into CommonPrefixes', async () => {
    const { keys: listed, prefixes } = await listAll(s3(), { Delimiter: '/' });
    expect(listed).toEqual(sorted.filter((key) => !key.includes('/')));
    expect(prefixes).toEqual([
      ...new Set(sorted.filter((key) => key.includes('/')).map((key) => key.slice(0, key.indexOf('/') + 1))),
    ]);
  });
  check('a delimiter groups in pages of 7 without duplicates', async () => {
    const { keys: listed, prefixes } = await listAll(s3(), { Delimiter: '/', MaxKeys: 7 });
    expect(listed).toEqual(sorted.filter((key) => !key.includes('/')));
    expect(new Set(prefixes).size).toBe(prefixes.length);
    expect(prefixes.length).toBe(42);
  });
  check('StartAfter begins behind a key, alone and with a prefix', async () => {
    const after = sorted[1234] ?? '';
    expect((await listAll(s3(), { StartAfter: after })).keys).toEqual(sorted.slice(1235));
    expect((await listAll(s3(), { Prefix: 'd7/', StartAfter: 'd7/f049x' })).keys).toEqual(
      under('d7/').slice(50),
    );
    expect((await listAll(s3(), { Prefix: 'd7/', StartAfter: 'a' })).keys).toEqual(under('d7/'));
    expect((await listAll(s3(), { Prefix: 'd7/', StartAfter: 'z' })).keys).toEqual([]);
  });
  check('EncodingType=url is echoed and encodes keys', async () => {
    const {
      pages,
      keys: listed,
      prefixes,
    } = await listAll(s3(), { Prefix: 'p', Delimiter: '/', EncodingType: 'url' });
    expect(pages[0]?.EncodingType).toBe('url');
    expect(prefixes).toEqual(['p%2Bq/']);
    expect(listed).toEqual([]);
    const faces = await listAll(s3(), { Prefix: '\u{1f600}', EncodingType: 'url' });
    expect(faces.keys.map(decodeKey)).toEqual(under('\u{1f600}'));
    expect(faces.keys[0]).toMatch(/^%F0%9F%98%80/i);
  });
  check('KeyCount, IsTruncated and the fields of Contents are there', async () => {
    const { pages } = await listAll(s3(), { MaxKeys: 1000 });
    expect(pages.map(({ KeyCount }) => KeyCount)).toEqual([1000, 1000, 1000, 1000, 1000]);
    expect(pages.map(({ IsTruncated }) => IsTruncated)).toEqual([true, true, true, true, false]);
    const [first] = pages[0]?.Contents ?? [];
    expect(first).toMatchObject({ ETag: '"9dd4e461268c8034f5c8564e155c67a6"', Size: 1 });
    expect(Math.abs((first?.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(10 * 60_000);
  });
  check('an empty prefix gives no keys, a query for one key gives one', async () => {
    const none = await listAll(s3(), { Prefix: 'nothing-here/' });
    expect(none.keys).toEqual([]);
    expect(none.pages[0]?.KeyCount).toBe(0);
    const one = await s3().client.send(
      new ListObjectsV2Command({ Bucket: s3().bucket, Prefix: 'd7/', MaxKeys: 1 }),
    );
    expect(one.Contents?.map(({ Key }) => Key)).toEqual(['d7/f000']);
    expect(one.IsTruncated).toBe(true);
  });
  check('one directory of 100 keys among 5,000 is listed', async () => {
    const { keys: listed, prefixes, pages } = await listAll(s3(), { Prefix: 'd31/', Delimiter: '/' });
    expect(listed).toEqual(under('d31/'));
    expect(prefixes).toEqual([]);
    expect(pages.length).toBe(1);
  });

  check('a delimiter of several characters groups, too', async () => {
    const { keys: listed, prefixes } = await listAll(s3(), { Prefix: 'd', Delimiter: '/f0', MaxKeys: 9 });
    expect(prefixes).toEqual([...new Set(under('d').map((key) => key.slice(0, key.indexOf('/f0') + 3)))]);
    expect(listed).toEqual([]);
  });
  check('a page shows what was put and deleted since the page before', async () => {
    const input = { Bucket: s3().bucket, Prefix: 'd8/', MaxKeys: 10 };
    const first = await s3().client.send(new ListObjectsV2Command(input));
    await s3().put('d8/f055x', 'x');
    await s3().delete('d8/f054');
    const rest: string[] = [];
    for (let token = first.NextContinuationToken; token !== undefined; ) {
      const page = await s3().client.send(new ListObjectsV2Command({ ...input, ContinuationToken: token }));
      rest.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
      token = page.NextContinuationToken;
    }
    const expected = under('d8/').filter((key) => key !== 'd8/f054');
    expect(rest).toEqual([...expected, 'd8/f055x'].sort(byBytes).slice(10));
  });
  check('the first version of ListObjects pages with Marker and NextMarker', async () => {
    const prefixes: string[] = [];
    for (let marker: string | undefined, more = true; more; ) {
      const page = await s3().client.send(
        new ListObjectsCommand({
          Bucket: s3().bucket,
          Delimiter: '/',
          Prefix: 'd',
          MaxKeys: 7,
          Marker: marker,
        }),
      );
      prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''));
      marker = page.NextMarker;
      more = page.IsTruncated === true;
    }
    expect(prefixes.length).toBe(40);
    expect(new Set(prefixes).size).toBe(40);
  });
  check('a bad continuation token is refused with 400', async () => {
    const list = s3().client.send(new ListObjectsV2Command({ Bucket: s3().bucket, ContinuationToken: '!' }));
    expect(await outcome(list)).toMatch(/^400 /);
  });
}
