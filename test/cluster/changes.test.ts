import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { ListMultipartUploadsCommand, ListPartsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFleet, type TestFleet } from './support/fleet.ts';
import { enterShard, visitor } from './support/visitor.ts';

const MIB = 2 ** 20;
const FILE = randomBytes(24 * MIB);
const SMALL = Buffer.from('small\n');

let running: TestFleet;

beforeAll(async () => {
  running = await startFleet({ shards: 2 });
});

afterAll(() => running[Symbol.asyncDispose]());

/** Parts that S3 has of a key's open upload. */
async function partsOf(key: string): Promise<number> {
  const { s3, bucket } = running;
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key }));
  const UploadId = Uploads.find(({ Key }) => Key === key)?.UploadId;
  if (UploadId === undefined) return 0;
  const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket: bucket, Key: key, UploadId }));
  return Parts.length;
}

test('a shard that is killed takes nobody with it, and its clients go on elsewhere where they were', async () => {
  const { fleet } = running;
  const [lost, survivor] = [visitor(fleet, 1), visitor(fleet, 2)];
  using doomed = await enterShard(lost, 0);
  using safe = await enterShard(survivor, 1);
  const theirs = await safe.begin('STOR safe');
  theirs.write(FILE.subarray(0, 12 * MIB));
  const ours = await doomed.begin('STOR resumed');
  ours.write(FILE.subarray(0, 20 * MIB));
  await expect.poll(() => partsOf('resumed'), { timeout: 20_000 }).toBeGreaterThanOrEqual(2);

  const killed = once(fleet, 'ended');
  const replaced = fleet.kill(0);
  await killed;
  await expect(doomed.client.reply()).rejects.toThrow(/ended/);
  const offsets: number[] = [];
  const shards = new Set<number>();
  await lost.storeResuming('resumed', FILE, {
    onResumed: (at) => offsets.push(at),
    onEntered: (shard) => shards.add(shard),
  });
  expect(offsets.at(-1)).toBeGreaterThanOrEqual(5 * MIB);
  expect([...shards]).toEqual([1]);
  expect((await running.object('resumed')).equals(FILE)).toBe(true);

  theirs.end(FILE.subarray(12 * MIB));
  await safe.expect(226);
  await safe.store('STOR after', SMALL);
  expect((await running.object('safe')).equals(FILE)).toBe(true);

  await replaced;
  using again = await enterShard(lost, 0);
  expect((await again.retrieve('resumed')).equals(FILE)).toBe(true);
});

test('a shard is added and removed without a port changing hands', async () => {
  const { fleet } = running;
  const before = fleet.plan.shards.map(({ ports }) => ports);
  using first = await enterShard(visitor(fleet, 3), 0);
  using second = await enterShard(visitor(fleet, 4), 1);
  const data = await first.begin('STOR across');
  data.write(FILE.subarray(0, 12 * MIB));

  await fleet.scale(3);
  expect(fleet.plan.shards.slice(0, 2).map(({ ports }) => ports)).toEqual(before);
  const added = fleet.plan.shards[2]?.ports ?? [];
  expect(fleet.balancer.ports).toEqual([2121, ...before.flat(), ...added]);
  using third = await enterShard(visitor(fleet, 5), 2);
  await third.store('STOR third', SMALL);
  await second.store('STOR second', SMALL);

  await fleet.scale(2);
  expect((await third.client.reply()).code).toBe(421);
  expect(fleet.balancer.ports).toEqual([2121, ...before.flat()]);
  for (const port of added) {
    const stray = connect({ host: fleet.balancer.addresses[0], port });
    const [error] = await once(stray, 'error');
    expect(error.code).toBe('ECONNREFUSED');
  }
  data.end(FILE.subarray(12 * MIB));
  await first.expect(226);
  await second.store('STOR second', SMALL);
  expect((await running.object('across')).equals(FILE)).toBe(true);
  // The sessions of the others are where they were, on ports of their own shard.
  for (const session of [first, second])
    for (let transfer = 0; transfer < 6; transfer++) {
      const listing = await session.begin('NLST');
      expect(before[session.shard]).toContain(listing.remotePort);
      await Promise.all([buffer(listing), session.expect(226)]);
    }
});
