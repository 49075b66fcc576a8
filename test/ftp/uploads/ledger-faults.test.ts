import { expect, inject, test } from 'vitest';
import {
  breakUpload,
  DURABLE,
  expectNothingParked,
  expectObject,
  FILE,
  ledgerOf,
  MIB,
} from '../../support/broken.ts';
import { faultProxyForTest, type S3Request } from '../../support/fault-proxy.ts';
import { startFerry } from '../../support/ferry.ts';

const ofLedger = ({ key }: S3Request) => key.startsWith('.ferry/');

test.for(['PutObject', 'DeleteObject'])(
  'a lost answer to the ledger, of a %s, is not taken for a lost claim',
  async (operation) => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry({}, proxy.endpoint);
    using client = await ferry.login();
    for (const times of [1, 2, 3]) {
      await breakUpload(client, 'STOR a');
      const lost = proxy.fault(
        (request) => request.operation === operation && ofLedger(request),
        { lose: true },
        {
          from: operation === 'PutObject' ? times : 1,
          times: 1,
        },
      );
      expect((await client.upload('APPE a', FILE.subarray(DURABLE)))[1], `${times}`).toMatchObject({
        code: 226,
      });
      lost.remove();
      await expectObject(ferry, 'a', FILE);
      await expectNothingParked(ferry);
      expect(await client.command('DELE a')).toMatchObject({ code: 250 });
    }
  },
);

test('a ledger out of reach does not break uploads', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  const beyond = (request: S3Request) =>
    ofLedger(request) || (request.query.get('prefix') ?? '').startsWith('.ferry/');
  const out = proxy.fault(beyond, { answer: 503 });
  expect((await client.upload('STOR a', FILE))[1]).toMatchObject({ code: 226 });
  await breakUpload(client, 'STOR b');
  out.remove();
  expect(await client.command('SIZE b')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
  // Out of reach from the middle on.
  const late = proxy.fault(
    (request) => request.operation === 'DeleteObject' && ofLedger(request),
    { answer: 503 },
    { times: 3 },
  );
  expect((await client.upload('STOR c', FILE))[1]).toMatchObject({ code: 226 });
  expect(late.hits).toBe(3);
  await expectObject(ferry, 'c', FILE);
  await expectNothingParked(ferry);
});

test('an upload that S3 fails to park stays in the ledger as it is, and is resumed', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  const parking = proxy.fault(
    (request) => request.operation === 'PutObject' && ofLedger(request),
    { answer: 503 },
    { from: 2 },
  );
  await breakUpload(client, 'STOR a');
  expect(parking.hits).toBeGreaterThan(0);
  parking.remove();
  const from = Number((await client.command('SIZE a')).text.slice(4));
  expect(from).toBe(DURABLE / 2);
  expect((await client.upload('APPE a', FILE.subarray(from)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test('DELE of a broken upload that S3 fails to abort is 250, and it is not shown again', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  const abort = proxy.fault('AbortMultipartUpload', { answer: 500 });
  expect(await client.command('DELE a')).toMatchObject({ code: 250 });
  abort.remove();
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect(await ledgerOf(ferry)).toHaveLength(1);
  // Whatever is stored there tries again.
  expect((await client.upload('STOR a', 'x'))[1]).toMatchObject({ code: 226 });
  await expectNothingParked(ferry);
});

test('an answer of the ledger that is cut stops no commit, and is told as 451 where it was needed', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  const cut = proxy.fault((request) => request.operation === 'GetObject' && ofLedger(request), { cut: 10 });
  const told = await client.command('SIZE a');
  expect(told).toMatchObject({ code: 451 });
  expect(told.text).not.toContain('Internal error');
  const refused = proxy.fault(
    (request) => request.operation === 'DeleteObject' && ofLedger(request),
    { answer: 412 },
    { times: 1 },
  );
  expect((await client.upload('STOR b', FILE))[1]).toMatchObject({ code: 226 });
  expect([cut.hits, refused.hits]).toEqual([2, 1]);
  await expectObject(ferry, 'b', FILE);
});

test('a commit that S3 fails leaves the upload parked, and it is finished without the parts that S3 has', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  const commit = proxy.fault('CompleteMultipartUpload', { answer: 500 });
  expect((await client.upload('STOR a', FILE))[1]).toMatchObject({ code: 451 });
  commit.remove();
  const from = Number((await client.command('SIZE a')).text.slice(4));
  expect(from).toBe(3 * 8 * MIB);
  expect((await client.upload('APPE a', FILE.subarray(from)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});
