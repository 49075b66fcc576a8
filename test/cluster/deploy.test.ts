import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Fleet } from '../../cluster/fleet.ts';
import type { Task } from '../../cluster/task.ts';
import { startFleet } from './support/fleet.ts';
import { enterShard, TurnedAway, type Visitor, visitor } from './support/visitor.ts';

const MIB = 2 ** 20;
const SHARDS = 4;

/** 200 clients in all. */
const BUSY = 150;
const IDLE = 40;

/** Between two transfers of a busy client. Milliseconds. */
const PAUSE = 2000;

const FILE = randomBytes(24 * MIB);

/** Small enough that nobody must wait long, large enough that one of them is under way at every moment. */
const contentOf = (name: string) => Buffer.from(`${name}\n`.repeat(500));

const md5 = (bytes: Buffer) => hash('md5', bytes);

/** When ECS takes the task of a shard out. */
async function leaving(fleet: Fleet, shard: number): Promise<Task> {
  for (;;) {
    const [task] = await once(fleet, 'leaving');
    if (task.shard.index === shard) return task;
  }
}

/** Stores and reads small files until the deployment is over, again and again after it was turned away. */
async function work(guest: Visitor, name: string, over: AbortSignal, committed: string[]): Promise<number> {
  let turnedAway = 0;
  for (let file = 0; !over.aborted; turnedAway++) {
    using session = await guest.insist();
    try {
      for (; !over.aborted; file++) {
        const key = `${name}-${file}`;
        await session.store(`STOR ${key}`, contentOf(key));
        committed.push(key);
        const read = await session.retrieve(key);
        expect(read.equals(contentOf(key)), key).toBe(true);
        await wait(PAUSE * Math.random());
      }
    } catch (error) {
      // Until a task has heard that it is to go, its data connections may reach its successor, which resets them.
      if (
        !(error instanceof TurnedAway) &&
        !/^expected|ended|ECONNRESET|aborted/.test(String((error as Error).message))
      )
        throw error;
    }
  }
  return turnedAway;
}

/** Logs in and says nothing; once turned away, does so again. @returns how often a session ended with 421 */
async function sit(guest: Visitor, over: AbortSignal): Promise<number> {
  let ended = 0;
  while (!over.aborted) {
    using session = await guest.insist();
    // It may have been over before the client was in.
    if (over.aborted) break;
    const leave = () => session[Symbol.dispose]();
    over.addEventListener('abort', leave);
    const last = await session.client.reply().catch(() => undefined);
    over.removeEventListener('abort', leave);
    if (over.aborted) break;
    expect(last?.code).toBe(421);
    ended += 1;
  }
  return ended;
}

/** An upload that is under way when its shard is taken out, and goes on afterwards. */
async function uploadAcross(fleet: Fleet, guest: Visitor, shard: number, onBegun: () => void): Promise<void> {
  using session = await enterShard(guest, shard);
  const data = await session.begin(`STOR upload-${shard}`);
  data.write(FILE.subarray(0, 12 * MIB));
  const left = leaving(fleet, shard);
  onBegun();
  await left;
  data.end(FILE.subarray(12 * MIB));
  await session.expect(226);
  expect((await session.client.reply()).code).toBe(421);
}

/** A download that is under way when its shard is taken out. */
async function downloadAcross(
  fleet: Fleet,
  guest: Visitor,
  shard: number,
  onBegun: () => void,
): Promise<void> {
  using session = await enterShard(guest, shard);
  const data = await session.begin('RETR download');
  await once(data, 'readable');
  const left = leaving(fleet, shard);
  onBegun();
  await left;
  const [bytes] = await Promise.all([buffer(data), session.expect(226)]);
  expect(bytes.equals(FILE)).toBe(true);
  expect((await session.client.reply()).code).toBe(421);
}

/**
 * An upload that outlives its task: it is parked at SIGTERM's deadline, and goes on elsewhere.
 * @param others what has to end on that shard before the signal
 */
async function uploadBeyond(
  fleet: Fleet,
  {
    guest,
    shard,
    others,
    onBegun,
  }: { guest: Visitor; shard: number; others: Promise<unknown>; onBegun(): void },
): Promise<number> {
  using session = await enterShard(guest, shard);
  const data = await session.begin('STOR beyond');
  data.write(FILE.subarray(0, 20 * MIB));
  const left = leaving(fleet, shard);
  onBegun();
  const task = await left;
  await others;
  await task.stop();
  // 426 if it comes: the connections end in any case.
  await session.client.reply().catch(() => {});
  const offsets: number[] = [];
  await guest.storeResuming('beyond', FILE, { onResumed: (offset) => offsets.push(offset) });
  return Math.max(0, ...offsets);
}

test('a rolling deployment under the load of 200 clients loses nothing that was begun or promised', async () => {
  await using running = await startFleet(
    { shards: SHARDS },
    // No deadline of the load balancer's: a slow machine may take its time, and tasks end when their sessions have.
    { times: { connect: 10_000, deregistrationDelay: 120_000 } },
  );
  const { fleet } = running;
  const over = new AbortController();
  using first = await visitor(fleet, 0).enter();
  await first.store('STOR download', FILE);
  const committed: string[] = [];
  const guest = (index: number) => visitor(fleet, 1 + index);
  const begun: Promise<void>[] = [];
  const begin = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.push(promise);
    return resolve;
  };
  const across = [0, 1, 2, 3].map((shard) =>
    Promise.all([
      uploadAcross(fleet, guest(BUSY + IDLE + shard), shard, begin()),
      downloadAcross(fleet, guest(BUSY + IDLE + SHARDS + shard), shard, begin()),
    ]),
  );
  const beyond = uploadBeyond(fleet, {
    guest: guest(BUSY + IDLE + 2 * SHARDS),
    shard: 1,
    others: Promise.resolve(across[1]),
    onBegun: begin(),
  });
  await Promise.all(begun);
  const busy = Array.from({ length: BUSY }, (_, index) =>
    work(guest(index), `busy-${index}`, over.signal, committed),
  );
  const idle = Array.from({ length: IDLE }, (_, index) => sit(guest(BUSY + index), over.signal));
  await expect.poll(() => committed.length, { timeout: 20_000 }).toBeGreaterThan(BUSY);
  const before = [0, 1, 2, 3].map((shard) => fleet.taskOf(shard));
  const [resumed] = await Promise.all([beyond, fleet.deploy(), ...across]);
  over.abort();
  expect(resumed).toBeGreaterThanOrEqual(8 * MIB);
  await Promise.all(busy);
  // Each of them sat on one shard or another, and every shard was replaced.
  for (const ended of await Promise.all(idle)) expect(ended).toBeGreaterThan(0);
  for (const [shard, old] of before.entries()) expect(fleet.taskOf(shard)).not.toBe(old);
  for (const name of ['upload-0', 'upload-1', 'upload-2', 'upload-3', 'beyond'])
    expect((await running.object(name)).equals(FILE), name).toBe(true);
  const stored = await running.etags();
  for (const key of committed) expect(stored.get(key), key).toBe(md5(contentOf(key)));
});
