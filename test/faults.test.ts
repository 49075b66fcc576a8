import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import {
  type Fault,
  type FaultProxy,
  faultProxyForTest,
  type Rule,
  type S3Request,
} from './support/fault-proxy.ts';
import { type Ferry, startFerry } from './support/ferry.ts';
import { putObject } from './support/objects.ts';
import type { RawClient } from './support/raw-client.ts';

const MIB = 2 ** 20;
const SMALL = randomBytes(4096);
/** Two parts and a bit, so that parts, ledger and commit all have their request. */
const LARGE = randomBytes(17 * MIB);
/** Large enough for S3 to copy it into a part. */
const BASE = randomBytes(6 * MIB);

/** What went wrong at S3, and whether S3 may have acted all the same. */
const FAULTS: Readonly<Record<string, { fault: Fault; times?: number; refused?: boolean }>> = {
  'one 500': { fault: { answer: 500 }, times: 1 },
  '500 for ever': { fault: { answer: 500 } },
  '503 for ever': { fault: { answer: 503 } },
  '403': { fault: { answer: 403 }, refused: true },
  'a reset before the request': { fault: { reset: 'before' } },
  'one reset in the body': { fault: { reset: 'during' }, times: 1 },
  'resets after the request': { fault: { reset: 'after' } },
  'one lost answer': { fault: { lose: true }, times: 1 },
  'lost answers': { fault: { lose: true } },
  'a truncated answer': { fault: { cut: 10 }, times: 1 },
};

/** The bytes under a key, as a digest; undefined where there is none. */
type State = string | undefined;

interface Operation {
  /** What stands under the directory's names before. */
  readonly before: Readonly<Record<string, Buffer>>;
  /** What stands there when the operation has succeeded. */
  readonly after: Readonly<Record<string, Buffer>>;
  /** Runs it in the client's directory. @returns the code of its final reply */
  run(client: RawClient): Promise<number>;
}

const stores = (line: string, bytes: Buffer) => async (client: RawClient) => {
  const data = await client.passive();
  // What is refused may be reset.
  data.on('error', () => {});
  const { code } = await client.command(line);
  if (code !== 150) return code;
  data.end(bytes);
  return (await client.reply()).code;
};

const says = (line: string) => async (client: RawClient) => (await client.command(line)).code;

/** A 226 to a download that is not what stands there is the worst of all. */
const loads = (line: string, isRight: (bytes: Buffer) => boolean) => async (client: RawClient) => {
  const { replies, bytes } = await client.download(line);
  const code = replies.at(-1)?.code ?? 0;
  if (code === 226) expect(isRight(bytes), `${line}: 226, but not the bytes`).toBe(true);
  return code;
};

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'STOR of a new small file': { before: {}, after: { a: SMALL }, run: stores('STOR a', SMALL) },
  'STOR over a small file': { before: { a: BASE }, after: { a: SMALL }, run: stores('STOR a', SMALL) },
  'STOR of a large file': { before: {}, after: { a: LARGE }, run: stores('STOR a', LARGE) },
  'STOR of a large file over another': {
    before: { a: SMALL },
    after: { a: LARGE },
    run: stores('STOR a', LARGE),
  },
  'APPE to a small file': {
    before: { a: SMALL },
    after: { a: Buffer.concat([SMALL, SMALL]) },
    run: stores('APPE a', SMALL),
  },
  'APPE to a large file': {
    before: { a: BASE },
    after: { a: Buffer.concat([BASE, SMALL]) },
    run: stores('APPE a', SMALL),
  },
  'APPE to nothing': { before: {}, after: { a: SMALL }, run: stores('APPE a', SMALL) },
  'RETR of a small file': {
    before: { a: SMALL },
    after: { a: SMALL },
    run: loads('RETR a', (bytes) => bytes.equals(SMALL)),
  },
  'RETR of a large file': {
    before: { a: BASE },
    after: { a: BASE },
    run: loads('RETR a', (bytes) => bytes.equals(BASE)),
  },
  LIST: {
    before: { a: SMALL, b: SMALL },
    after: { a: SMALL, b: SMALL },
    run: loads('LIST', (bytes) => /^-.* 4096 .* a\r\n-.* 4096 .* b\r\n$/.test(bytes.toString())),
  },
  DELE: { before: { a: SMALL, b: SMALL }, after: { b: SMALL }, run: says('DELE a') },
  'RNFR and RNTO': {
    before: { a: SMALL },
    after: { b: SMALL },
    async run(client) {
      const { code } = await client.command('RNFR a');
      return code === 350 ? (await client.command('RNTO b')).code : code;
    },
  },
  MKD: { before: { a: SMALL }, after: { a: SMALL, 'd/': Buffer.alloc(0) }, run: says('MKD d') },
};

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function stateOf({ s3, bucket }: Ferry, key: string): Promise<State> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return digest(Buffer.from((await Body?.transformToByteArray()) ?? []));
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** One case in a directory of its own. @param onReady called when only the operation itself is still to be asked */
async function runCase(
  ferry: Ferry,
  directory: string,
  { before, run }: Operation,
  onReady: () => void,
): Promise<number> {
  // The directory stays when its only file goes.
  await putObject(ferry, `${directory}/`);
  for (const [name, bytes] of Object.entries(before)) await putObject(ferry, `${directory}/${name}`, bytes);
  using client = await ferry.login();
  expect((await client.command(`CWD ${directory}`)).code).toBe(250);
  onReady();
  const code = await run(client);
  // The session goes on, whatever happened.
  expect((await client.command('NOOP')).code).toBe(200);
  return code;
}

/** Requests of the case in this directory; those to the ledger have no name of it. */
const concerns = (directory: string) => (request: S3Request) =>
  !request.query.get('prefix')?.startsWith('.ferry/') &&
  (request.key.startsWith(`${directory}/`) || request.query.get('prefix')?.startsWith(directory) === true);

const isLedger = ({ key, query }: S3Request) =>
  key.startsWith('.ferry/') || query.get('prefix')?.startsWith('.ferry/') === true;

/** The operations that a case is made of, in the order of their first request, without the CWD before it. */
function kindsOf(proxy: FaultProxy, match: (request: S3Request) => boolean): string[] {
  const kinds = proxy.requests.filter(match).map(({ operation }) => operation);
  return [...new Set(kinds)];
}

async function abortUploads({ s3, bucket }: Ferry, directory: string): Promise<void> {
  const { Uploads } = await s3.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${directory}/` }),
  );
  for (const { Key, UploadId } of Uploads ?? [])
    await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
}

async function judge(ferry: Ferry, directory: string, operation: Operation, code: number, refused: boolean) {
  const names = new Set([...Object.keys(operation.before), ...Object.keys(operation.after)]);
  const states = await Promise.all(
    [...names].map(async (name) => [name, await stateOf(ferry, `${directory}/${name}`)] as const),
  );
  const fits = (wanted: Readonly<Record<string, Buffer>>) =>
    states.every(([name, state]) => state === (wanted[name] && digest(wanted[name])));
  // A rename that ends between copy and delete leaves both names, each whole.
  const between = fits({ ...operation.before, ...operation.after });
  expect(
    fits(operation.before) || fits(operation.after) || between,
    'neither the old state nor the new',
  ).toBe(true);
  if (code < 300) expect(fits(operation.after), `${code}, but not done`).toBe(true);
  else if (refused) expect(code, 'refused for good').toBeGreaterThanOrEqual(500);
  else expect(code >= 400 && code < 500, `${code} to what may succeed when tried again`).toBe(true);
}

test.for(Object.entries(OPERATIONS))(
  'whatever S3 does at any request of %s, the reply is right and the old state or the new one stands',
  { timeout: 120_000 },
  async ([name, operation]) => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry({}, proxy.endpoint);
    const first = name.replaceAll(/\W+/g, '-');
    expect(await runCase(ferry, first, operation, () => proxy.forget())).toBeLessThan(300);
    const kinds = kindsOf(proxy, concerns(first));
    expect(kinds).not.toEqual([]);
    const cases = kinds.flatMap((kind) =>
      Object.entries(FAULTS).map(([told, fault]) => ({ kind, told, ...fault })),
    );
    await Promise.all(
      cases.map(async ({ kind, told, fault, times, refused = false }, index) => {
        const directory = `${first}-${index}`;
        const mine = concerns(directory);
        const meets = (request: S3Request) => request.operation === kind && mine(request);
        let rule: Rule | undefined;
        const code = await runCase(ferry, directory, operation, () => {
          rule = proxy.fault(meets, fault, { times });
        });
        rule?.remove();
        await judge(ferry, directory, operation, code, refused).catch((cause: unknown) => {
          throw new Error(`${told} at ${kind}: ${code}`, { cause });
        });
      }),
    );
    // Nobody learned their ids: S3's lifecycle rule is all that is left for these (docs/SEMANTICS.md).
    for (const [index, { kind }] of cases.entries())
      if (kind === 'CreateMultipartUpload') await abortUploads(ferry, `${first}-${index}`);
  },
);

test.for(Object.entries(FAULTS))(
  'uploads do not suffer where the ledger meets with %s',
  { timeout: 60_000 },
  async ([, { fault, times }]) => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry({}, proxy.endpoint);
    using client = await ferry.login();
    proxy.fault((request) => isLedger(request) && request.operation === 'PutObject', fault, { times });
    expect((await client.upload('STOR a', LARGE))[1]).toMatchObject({ code: 226 });
    expect(await stateOf(ferry, 'a')).toBe(digest(LARGE));
  },
);
