import { CreateMultipartUploadCommand, DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Ledger } from '../../src/fs/ledger.ts';
import { durableOf, durableRun, type LedgerRecord, resumable } from '../../src/fs/ledger-entry.ts';
import { type ObjectStore, openObjectStore } from '../../src/fs/s3.ts';
import type { Part } from '../../src/fs/s3-multipart.ts';
import { expectNothingParked, ledgerOf, MIB, openUploads } from '../support/broken.ts';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../support/ferry.ts';
import { putObject } from '../support/objects.ts';

const HOUR = 3_600_000;
const nothing = () => {};

/** A ledger of a process: its clock goes ahead by so many milliseconds. */
async function setUp() {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry: Ferry = await startFerry();
  const store = openObjectStore({
    endpoint: proxy.endpoint,
    pathStyle: true,
    checksums: 'full',
    downloads: 4,
    requests: 64,
  });
  onTestFinished(() => store.close());
  const place = { bucket: ferry.bucket, prefix: '.ferry/uploads/' };
  const onError = (error: unknown) => {
    throw error;
  };
  async function ledger(ahead = 0, keep = 24 * HOUR): Promise<Ledger> {
    const opened = new Ledger({ store, place, keep, onError, now: () => Date.now() + ahead });
    await opened.start();
    onTestFinished(() => opened.close());
    return opened;
  }
  const at = (key: string) => ({ bucket: ferry.bucket, key });
  const create = (key: string) => store.createUpload(at(key), 'nonce');
  return {
    proxy,
    ferry,
    store,
    ledger,
    at,
    create,
    [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose](),
  };
}

const DURABLE = { bytes: 8 * MIB, crc32: undefined };

test('what is parked can be resumed for FERRY_RESUME, and is discarded then, with its parts', async () => {
  await using set = await setUp();
  const first = await set.ledger();
  const claim = await first.open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.park(DURABLE);
  claim.end();
  await set.ledger(23 * HOUR);
  expect(await first.entries(set.at('a'), 'demo')).toHaveLength(1);
  expect(await openUploads(set.ferry)).toHaveLength(1);
  await set.ledger(25 * HOUR);
  await expectNothingParked(set.ferry);
});

test('what a process that died left live is discarded as late as what is parked', async () => {
  await using set = await setUp();
  // Never ended: nobody touches it any more but this process, whose heart beats once a minute.
  await (await set.ledger()).open(await set.create('a'), 'demo', 'nonce', nothing);
  await set.ledger(23 * HOUR);
  expect(await ledgerOf(set.ferry)).toHaveLength(1);
  await set.ledger(25 * HOUR);
  await expectNothingParked(set.ferry);
});

test('where nothing is parked, what a process that died left goes after a quarter of an hour', async () => {
  await using set = await setUp();
  await (await set.ledger(0, 0)).open(await set.create('a'), 'demo', 'nonce', nothing);
  await set.ledger(HOUR / 5, 0);
  expect(await ledgerOf(set.ferry)).toHaveLength(1);
  await set.ledger(HOUR / 3, 0);
  await expectNothingParked(set.ferry);
});

test('an upload that is under way in this process is never swept', async () => {
  await using set = await setUp();
  const ledger = await set.ledger(25 * HOUR);
  const claim = await ledger.open(await set.create('a'), 'demo', 'nonce', nothing);
  await ledger.sweep();
  expect(await openUploads(set.ferry)).toHaveLength(1);
  await claim.confirm();
  await claim.remove();
  claim.end();
  expect(await ledgerOf(set.ferry)).toEqual([]);
  await cleanUp(set.ferry, set.store);
});

test('an upload that another process has touched since the index was read is not swept', async () => {
  await using set = await setUp();
  const claim = await (await set.ledger()).open(await set.create('a'), 'demo', 'nonce', nothing);
  let ahead = 0;
  const sweeper = new Ledger({
    store: set.store,
    place: { bucket: set.ferry.bucket, prefix: '.ferry/uploads/' },
    keep: 0,
    onError: nothing,
    now: () => Date.now() + ahead,
  });
  await sweeper.start();
  sweeper.close();
  const [indexed] = await (await set.ledger()).entries(set.at('a'), 'demo');
  const written = indexed?.modified.getTime() ?? 0;
  await expect
    .poll(
      async () => {
        await claim.confirm();
        return (await (await set.ledger()).entries(set.at('a'), 'demo'))[0]?.modified.getTime();
      },
      { timeout: 5000 },
    )
    .toBeGreaterThan(written);
  const [now] = await (await set.ledger()).entries(set.at('a'), 'demo');
  // Older than a quarter of an hour by the index, but not by what S3 tells.
  ahead = HOUR / 4 + ((now?.modified.getTime() ?? 0) + written) / 2 - Date.now();
  await sweeper.sweep();
  expect(await ledgerOf(set.ferry)).toHaveLength(1);
  await claim.park(DURABLE);
});

test('what broke before something was stored under its name is void, also where another process has parked it', async () => {
  await using set = await setUp();
  const [first, later] = [await set.ledger(), await set.ledger(10_000)];
  const claim = await first.open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.park(DURABLE);
  claim.end();
  // The second process stores under the name, and its index does not know of the entry.
  await later.stored(set.at('a'));
  expect(await later.entries(set.at('a'), 'demo')).toEqual([]);
  await later.sweep();
  await expectNothingParked(set.ferry);
});

test('what S3 fails to abort stays in the ledger, is not resumed, and goes with the next sweep', async () => {
  await using set = await setUp();
  const [first, other] = [await set.ledger(), await set.ledger()];
  const claim = await first.open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.park(DURABLE);
  claim.end();
  const [entry] = await other.entries(set.at('a'), 'demo');
  if (!entry) throw new Error('no entry');
  const abort = set.proxy.fault('AbortMultipartUpload', { answer: 500 });
  await first.discard(set.at('a'), 'demo');
  expect(abort.hits).toBeGreaterThan(0);
  abort.remove();
  expect(await ledgerOf(set.ferry)).toHaveLength(1);
  expect(first.has(set.at('a'))).toBe(false);
  for (const ledger of [first, other]) expect(await ledger.entries(set.at('a'), 'demo')).toEqual([]);
  await expect(other.claim(entry, nothing)).rejects.toMatchObject({ failure: 'conflict' });
  await first.sweep();
  await expectNothingParked(set.ferry);
});

test('what its own session could not abort is not resumed either, and goes with the next sweep', async () => {
  await using set = await setUp();
  const ledger = await set.ledger();
  const claim = await ledger.open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.abandon();
  claim.end();
  expect(await ledger.entries(set.at('a'), 'demo')).toEqual([]);
  expect(await openUploads(set.ferry)).toHaveLength(1);
  await ledger.sweep();
  await expectNothingParked(set.ferry);
});

test('an entry of which S3 sends only a part is a failure of storage', async () => {
  await using set = await setUp();
  const ledger = await set.ledger();
  const claim = await ledger.open(await set.create('a'), 'demo', 'nonce', nothing);
  const cut = set.proxy.fault('GetObject', { cut: 10 });
  const asked = ledger.entries(set.at('a'), 'demo');
  await expect(asked).rejects.toMatchObject({ name: 'StorageError', failure: 'unavailable' });
  cut.remove();
  await claim.park(DURABLE);
});

test('of a directory with as many files as may be renamed at once, what is parked below is void', async () => {
  await using set = await setUp();
  const ledger = await set.ledger();
  const claim = await ledger.open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.park(DURABLE);
  claim.end();
  const others = Array.from({ length: 200_000 }, (_, index) => set.at(`b${index}`));
  await ledger.moved([...others, set.at('a')]);
  expect(await ledger.entries(set.at('a'), 'demo')).toEqual([]);
  await expectNothingParked(set.ferry);
});

test('what is stored under the name of an upload that may go on in another process keeps others from going on with it, not that one', async () => {
  await using set = await setUp();
  const [first, later] = [await set.ledger(), await set.ledger(10_000)];
  const claim = await first.open(await set.create('a'), 'demo', 'nonce', nothing);
  await later.stored(set.at('a'));
  await later.refresh();
  await later.sweep();
  expect(await later.entries(set.at('a'), 'demo')).toEqual([]);
  await claim.confirm();
  expect([claim.lost, await openUploads(set.ferry)]).toEqual([false, [expect.anything()]]);
  await claim.park(DURABLE);
});

test("other tools' multipart uploads are never touched", async () => {
  await using set = await setUp();
  const { s3, bucket } = set.ferry;
  await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'a' }));
  const ledger = await set.ledger(25 * HOUR);
  await ledger.discard(set.at('a'));
  expect(await openUploads(set.ferry)).toHaveLength(1);
  using client = await set.ferry.login();
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect((await client.upload('STOR a', 'x'))[1]).toMatchObject({ code: 226 });
  expect(await client.command('DELE a')).toMatchObject({ code: 250 });
  expect(await openUploads(set.ferry)).toHaveLength(1);
  await cleanUp(set.ferry, set.store);
});

test('of two that claim an upload the later one has it, and the other can neither park nor remove it', async () => {
  await using set = await setUp();
  const [first, second] = [await set.ledger(), await set.ledger()];
  const lost: string[] = [];
  const older = await first.open(await set.create('a'), 'demo', 'nonce', () => lost.push('older'));
  const [entry] = await second.entries(set.at('a'), 'demo');
  if (!entry) throw new Error('no entry');
  const newer = await second.claim(entry, () => lost.push('newer'));
  for (const act of [older.confirm(), older.park(DURABLE), older.remove()])
    await expect(act).rejects.toMatchObject({ failure: 'conflict' });
  expect([older.lost, newer.lost, lost]).toEqual([true, false, ['older']]);
  await newer.park(DURABLE);
  expect(await first.entries(set.at('a'), 'demo')).toMatchObject([
    { record: { state: 'parked', durable: { bytes: DURABLE.bytes } } },
  ]);
});

test('a claim in the same process is had when the session before it has let go', async () => {
  await using set = await setUp();
  const ledger = await set.ledger();
  const order: string[] = [];
  const older = await ledger.open(await set.create('a'), 'demo', 'nonce', () => {
    order.push('told');
    setImmediate(() => {
      order.push('let go');
      older.end();
    });
  });
  const [entry] = await ledger.entries(set.at('a'), 'demo');
  if (!entry) throw new Error('no entry');
  const newer = await ledger.claim(entry, nothing);
  order.push('claimed');
  expect(order).toEqual(['told', 'let go', 'claimed']);
  await newer.park(DURABLE);
});

test('an upload that is parked while it is being claimed is claimed all the same', async () => {
  await using set = await setUp();
  const [first, second] = [await set.ledger(), await set.ledger()];
  const older = await first.open(await set.create('a'), 'demo', 'nonce', nothing);
  const [entry] = await second.entries(set.at('a'), 'demo');
  if (!entry) throw new Error('no entry');
  await older.park(DURABLE);
  const newer = await second.claim(entry, nothing);
  await newer.park(DURABLE);
});

test('the entries of other processes are known from the start', async () => {
  await using set = await setUp();
  const ledger = await set.ledger();
  const claim = await ledger.open(await set.create('a'), 'demo', 'nonce', nothing);
  const other = await set.ledger();
  expect([other.has(set.at('a')), other.has(set.at('a'), 'demo')]).toEqual([true, true]);
  expect([other.has(set.at('b')), other.has(set.at('a'), 'other')]).toEqual([false, false]);
  await claim.park(DURABLE);
});

test('what a stranger puts among the entries is left alone, and hinders no sweep', async () => {
  await using set = await setUp();
  const Key = '.ferry/uploads/notes.txt';
  await putObject(set.ferry, Key, 'not ours');
  const claim = await (await set.ledger()).open(await set.create('a'), 'demo', 'nonce', nothing);
  await claim.park(DURABLE);
  await set.ledger(25 * HOUR);
  expect(await ledgerOf(set.ferry)).toEqual([Key]);
  expect(await openUploads(set.ferry)).toEqual([]);
  await set.ferry.s3.send(new DeleteObjectCommand({ Bucket: set.ferry.bucket, Key }));
});

const part = (number: number, size = 8 * MIB, crc32: number | undefined = undefined): Part => ({
  number,
  size,
  crc32,
  etag: `"${number}"`,
});

test('an entry that S3 refuses to delete by its own ETag is given up after a few times', async () => {
  await using set = await setUp();
  const claim = await (await set.ledger()).open(await set.create('a'), 'demo', 'nonce', nothing);
  set.proxy.forget();
  const rule = set.proxy.fault('DeleteObject', { answer: 412 });
  await expect(claim.remove()).rejects.toMatchObject({ failure: 'conflict' });
  expect(set.proxy.counts()).toMatchObject({ DeleteObject: 3 });
  rule.remove();
  claim.end();
  await cleanUp(set.ferry, set.store);
});
const record = (more: Partial<LedgerRecord> = {}): LedgerRecord => ({
  bucket: 'b',
  key: 'a',
  uploadId: 'id',
  state: 'live',
  user: 'demo',
  nonce: 'n',
  holder: 'h',
  ...more,
});
const numbers = (parts: readonly Part[] | undefined) => parts?.map(({ number }) => number);

test.for([
  ['nothing came behind', [part(1), part(2)], 16 * MIB, 8 * MIB],
  ['a byte came behind', [part(1), part(2)], 16 * MIB + 1, 16 * MIB],
  ['it is not known', [part(1), part(2)], undefined, 8 * MIB],
  ['a part is missing', [part(1), part(2), part(4)], 40 * MIB, 16 * MIB],
  ['the last one is short', [part(1), part(2), part(3, MIB)], 17 * MIB, 16 * MIB],
  ['there is one, and nothing behind', [part(1)], 8 * MIB, undefined],
  ['the first one is missing', [part(2)], 16 * MIB, undefined],
] as const)('what of a broken upload is durable, where %s', ([, parts, received, bytes]) => {
  expect(durableOf(parts, received)?.bytes).toBe(bytes);
});

test('a parked upload is resumed behind the parts that were parked, and not at all where they have changed', () => {
  const parts = [part(1, 8 * MIB, 1), part(2, 8 * MIB, 2), part(3, 8 * MIB, 3)];
  const durable = durableOf(parts.slice(0, 2), 20 * MIB);
  const parked = record({ state: 'parked', ...(durable && { durable }) });
  expect(numbers(durableRun(parked, parts))).toEqual([1, 2]);
  expect(durableRun(parked, [part(1, 8 * MIB, 1), part(2, 8 * MIB, 7)])).toBeUndefined();
  expect(durableRun(parked, [part(1, 8 * MIB, 1), part(2, 7 * MIB, 2), part(3)])).toBeUndefined();
  expect(durableRun(parked, parts.slice(0, 1))).toBeUndefined();
});

test('of a live one neither its last part counts nor any that an earlier session sent', () => {
  const parts = [part(1), part(2), part(3), part(4)];
  expect(numbers(durableRun(record(), parts))).toEqual([1, 2, 3]);
  expect(numbers(durableRun(record({ stale: ['3:"3"'] }), parts))).toEqual([1]);
  expect(durableRun(record(), parts.slice(0, 1))).toBeUndefined();
});

test('of several uploads the last is resumed, and none from before a whole upload broke', () => {
  const entry = (seconds: number, more: Partial<LedgerRecord> = {}) => ({
    name: `${seconds}`,
    etag: '',
    modified: new Date(seconds * 1000),
    record: record(more),
  });
  const broken = { state: 'broken', uploadId: '' } as const;
  expect(resumable([entry(3), entry(1), entry(2)])?.name).toBe('3');
  expect(resumable([entry(3), entry(1), entry(2, broken)])?.name).toBe('3');
  expect(resumable([entry(3), entry(3, broken)])).toBeUndefined();
});

/** Aborts what a test has left open on purpose. */
async function cleanUp(ferry: Ferry, store: ObjectStore): Promise<void> {
  for (const uploadId of await openUploads(ferry))
    await store.abortUpload({ bucket: ferry.bucket, key: 'a', uploadId });
}
