import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import type { RawClient } from '../../support/raw-client.ts';

const WITH_TLS = { FERRY_TLS_PORT: '0', FERRY_PASSIVE_PORTS: Array.from({ length: 20 }, () => 0).join() };

const UPLOADS = 200;
const BYTES = 300_000;
const BODY = Buffer.from(Uint8Array.from({ length: BYTES }, (_, n) => n % 251));
const DIGEST = createHash('md5').update(BODY).digest('hex');

const WAYS = (['TLSv1_2', 'TLSv1_3'] as const).flatMap((version) =>
  (['close-notify', 'bare-fin', 'reset'] as const).map((ending) => ({ version, ending })),
);

async function uploadByPython(ferry: Ferry, version: string, ending: string): Promise<string[]> {
  const program = join(import.meta.dirname, '../../support/tls-uploads.py');
  const client = [`${ferry.port}`, USER.name, USER.password, version, ending, `${UPLOADS}`, `${BYTES}`];
  const { stdout } = await promisify(execFile)('python3', [program, ...client]);
  return stdout.trim().split('\n');
}

async function wholeObjects({ s3, bucket }: Ferry): Promise<number> {
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'file-' }));
  return (Contents ?? []).filter(({ Size, ETag }) => Size === BYTES && ETag === `"${DIGEST}"`).length;
}

test.for(WAYS)(
  'of 200 uploads in $version by a client that reads nothing, and ends by $ending, none loses a byte',
  { timeout: 60_000 },
  async ({ version, ending }) => {
    await using ferry = await startFerry(WITH_TLS);
    const codes = await uploadByPython(ferry, version, ending);
    const broken = ending === 'reset';
    expect(new Set(codes)).toEqual(new Set([broken ? '426' : '226']));
    expect(codes).toHaveLength(UPLOADS);
    expect(await wholeObjects(ferry)).toBe(broken ? 0 : UPLOADS);
    const transfers = ferry.records.filter(({ event }) => event === 'transfer');
    expect(new Set(transfers.map((record) => record.ending))).toEqual(new Set([broken ? undefined : ending]));
  },
);

/** What is left of an upload's data connection when all is sent: how a client ends it. */
type End = 'close-notify' | 'bare-fin' | 'reset';

/** @returns the code of the last reply */
async function upload(client: RawClient, name: string, end: End, resume: boolean): Promise<number> {
  const plain = await client.passiveInClear();
  const data = client.secureData(plain, { resume });
  expect((await client.command(`STOR ${name}`)).code).toBe(150);
  if (!data.getCipher()?.name) await once(data, 'secureConnect');
  await new Promise((resolve) => data.write(BODY, resolve));
  if (end === 'close-notify') data.end();
  else if (end === 'bare-fin') plain.end();
  else plain.resetAndDestroy();
  const { code } = await client.reply();
  data.destroy();
  return code;
}

const PATHS = (['TLSv1.2', 'TLSv1.3'] as const).flatMap((version) =>
  [true, false].map((resume) => ({ version, resume })),
);

describe.for(PATHS)('in $version, resumed: $resume', ({ version, resume }) => {
  const tls = { minVersion: version, maxVersion: version };

  test('a FIN without close_notify is an end, from a client that has never sent one', async () => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security: 'explicit', tls });
    for (let n = 0; n < 3; n++) expect(await upload(client, `${n}`, 'bare-fin', resume)).toBe(226);
  });

  test('after a close_notify a FIN without one means a broken upload, in this session only', async () => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security: 'explicit', tls });
    expect(await upload(client, 'first', 'close-notify', resume)).toBe(226);
    expect(await upload(client, 'second', 'bare-fin', resume)).toBe(426);
    const second = new HeadObjectCommand({ Bucket: ferry.bucket, Key: 'second' });
    await expect(ferry.s3.send(second)).rejects.toMatchObject({ name: 'NotFound' });
    expect(await upload(client, 'second', 'close-notify', resume)).toBe(226);
    using other = await ferry.login({ security: 'explicit', tls });
    expect(await upload(other, 'third', 'bare-fin', resume)).toBe(226);
  });

  test('with FERRY_TLS_CLOSE_NOTIFY=require a FIN without one is always a broken upload', async () => {
    await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS_CLOSE_NOTIFY: 'require' });
    using client = await ferry.login({ security: 'explicit', tls });
    expect(await upload(client, 'first', 'bare-fin', resume)).toBe(426);
    expect(await upload(client, 'first', 'close-notify', resume)).toBe(226);
  });

  test('a reset is a broken upload', async () => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security: 'explicit', tls });
    expect(await upload(client, 'first', 'reset', resume)).toBe(426);
    expect(await upload(client, 'first', 'close-notify', resume)).toBe(226);
  });

  test('an empty upload is an empty file', async () => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security: 'explicit', tls: { ...tls, resume } });
    const [, stored] = await client.upload('STOR empty', '');
    expect(stored.code).toBe(226);
  });
});
