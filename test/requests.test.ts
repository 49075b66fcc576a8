import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from './support/fault-proxy.ts';
import { startFerry } from './support/ferry.ts';
import { dropFiles, putObject } from './support/objects.ts';
import type { RawClient } from './support/raw-client.ts';

/** How a cost is written: H HeadObject, L ListObjectsV2, P PutObject, G GetObject, C CopyObject, D DeleteObject. */
const LETTERS: Readonly<Record<string, string>> = {
  HeadObject: 'H',
  ListObjectsV2: 'L',
  PutObject: 'P',
  GetObject: 'G',
  CopyObject: 'C',
  DeleteObject: 'D',
};

/** Runs what is to be paid for, and writes down what S3 was asked, in order. */
async function setUp() {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry = await startFerry({}, proxy.endpoint);
  async function costOf(run: () => Promise<unknown>): Promise<string> {
    proxy.forget();
    await run();
    return proxy.requests.map(({ operation }) => LETTERS[operation] ?? operation).join(' ');
  }
  const says = async (client: RawClient, line: string, code: number) => {
    expect(await client.command(line), line).toMatchObject({ code });
  };
  return { proxy, ferry, costOf, says, [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose]() };
}

const BODY = Buffer.alloc(4096);

test('a login, and all that is not about files, costs nothing', async () => {
  await using set = await setUp();
  const cost = await set.costOf(async () => {
    using client = await set.ferry.login();
    for (const line of ['FEAT', 'PWD', 'SYST', 'TYPE I', 'EPSV', 'NOOP', 'STAT', 'CDUP', 'CWD /', 'QUIT'])
      await client.command(line);
  });
  expect(cost).toBe('');
});

test('CWD costs one LIST', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'dir/a');
  using client = await set.ferry.login();
  expect(await set.costOf(() => set.says(client, 'CWD dir', 250))).toBe('L');
  expect(await set.costOf(() => set.says(client, 'CWD missing', 550))).toBe('L');
});

test('STOR of a small file costs one PUT where its directory is known, new or not', async () => {
  await using set = await setUp();
  using client = await set.ferry.login();
  expect(await set.costOf(() => client.upload('STOR a', BODY))).toBe('P');
  expect(await set.costOf(() => client.upload('STOR a', BODY))).toBe('P');
  expect(await set.costOf(() => client.upload('STOU b', BODY))).toBe('P');
});

test('the first STOR into a directory not yet seen costs a LIST and a PUT, the next one a PUT', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'dir/a');
  using client = await set.ferry.login();
  expect(await set.costOf(() => client.upload('STOR dir/b', BODY))).toBe('L P');
  expect(await set.costOf(() => client.upload('STOR dir/c', BODY))).toBe('P');
});

test('STOR of 64 MiB costs a multipart upload of eight parts, and an entry in the ledger', async () => {
  await using set = await setUp();
  using client = await set.ferry.login();
  await set.costOf(() => client.upload('STOR a', Buffer.alloc(64 * 2 ** 20)));
  expect(set.proxy.counts()).toEqual({
    CreateMultipartUpload: 1,
    UploadPart: 8,
    CompleteMultipartUpload: 1,
    PutObject: 1,
    DeleteObject: 1,
  });
});

test('RETR costs one GET, also from an offset and of what is missing', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', BODY);
  using client = await set.ferry.login();
  expect(await set.costOf(() => client.download('RETR a'))).toBe('G');
  await client.command('REST 100');
  expect(await set.costOf(() => client.download('RETR a'))).toBe('G');
  expect(await set.costOf(() => client.download('RETR missing'))).toBe('G');
});

test('SIZE and MDTM cost one HEAD each', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', BODY);
  using client = await set.ferry.login();
  expect(await set.costOf(() => set.says(client, 'SIZE a', 213))).toBe('H');
  expect(await set.costOf(() => set.says(client, 'MDTM a', 213))).toBe('H');
  // What broke may have been sent to another process a moment ago.
  expect(await set.costOf(() => set.says(client, 'SIZE missing', 550))).toBe('H');
});

test('APPE to a small file costs a HEAD, a LIST, a GET and a PUT', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', BODY);
  using client = await set.ferry.login();
  const cost = await set.costOf(() => client.upload('APPE a', BODY));
  expect(cost.split(' ').toSorted().join(' ')).toBe('G H L P');
  expect((await set.costOf(() => client.upload('APPE new', BODY))).split(' ').toSorted().join(' ')).toBe(
    'H L P',
  );
});

test('APPE to a large file costs a HEAD, a LIST, and a multipart upload with one copied part', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', Buffer.alloc(6 * 2 ** 20));
  using client = await set.ferry.login();
  await set.costOf(() => client.upload('APPE a', BODY));
  expect(set.proxy.counts()).toEqual({
    HeadObject: 1,
    ListObjectsV2: 1,
    CreateMultipartUpload: 1,
    UploadPartCopy: 1,
    UploadPart: 1,
    CompleteMultipartUpload: 1,
  });
});

test.for(['LIST', 'NLST', 'MLSD'])('%s costs one LIST for every 1,000 entries', async (verb) => {
  await using set = await setUp();
  const names = Array.from({ length: 2500 }, (_, index) => `f${index}`);
  await dropFiles(set.ferry, 'big', names);
  await dropFiles(set.ferry, 'full', names.slice(0, 1000));
  await dropFiles(set.ferry, 'few', names.slice(0, 3));
  using client = await set.ferry.login();
  expect(await set.costOf(() => client.download(`${verb} few`))).toBe('L');
  expect(await set.costOf(() => client.download(`${verb} full`))).toBe('L');
  expect(await set.costOf(() => client.download(`${verb} big`))).toBe('L L L');
  expect(await set.costOf(() => client.download(verb))).toBe('L');
});

test('DELE costs a HEAD and a DELETE; of what is missing, the HEAD', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', BODY);
  using client = await set.ferry.login();
  expect(await set.costOf(() => set.says(client, 'DELE a', 250))).toBe('H D');
  expect(await set.costOf(() => set.says(client, 'DELE a', 550))).toBe('H');
});

test('MKD costs a LIST and a PUT where the parent is known, RMD a LIST and a DELETE', async () => {
  await using set = await setUp();
  using client = await set.ferry.login();
  expect(await set.costOf(() => set.says(client, 'MKD dir', 257))).toBe('L P');
  expect(await set.costOf(() => set.says(client, 'MKD dir/sub', 257))).toBe('L P');
  expect(await set.costOf(() => set.says(client, 'MKD dir/sub', 550))).toBe('L');
  expect(await set.costOf(() => set.says(client, 'RMD dir/sub', 250))).toBe('L D');
  expect(await set.costOf(() => set.says(client, 'RMD missing', 550))).toBe('L');
});

test('RNFR and RNTO of a file cost a HEAD, a LIST, a COPY and a DELETE where the parents are known', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', BODY);
  using client = await set.ferry.login();
  const cost = await set.costOf(async () => {
    await set.says(client, 'RNFR a', 350);
    await set.says(client, 'RNTO b', 250);
  });
  expect(cost).toBe('H L C D');
});
