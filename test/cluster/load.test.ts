import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFleet, strays, type TestFleet } from './support/fleet.ts';
import { visitor } from './support/visitor.ts';

const MIB = 2 ** 20;
const CLIENTS = 200;

/** Files of each client: many small ones, and few large ones, of which some take more than one part. */
const SMALL = 5;
const LARGE = randomBytes(MIB);
const IN_PARTS = randomBytes(17 * MIB);

let running: TestFleet;

beforeAll(async () => {
  // 200 clients, the load balancer and the fleet share the processors here: a fiftieth of 30 s would be too short.
  running = await startFleet({ shards: 4 }, { times: { connect: 10_000 } });
});

afterAll(() => running[Symbol.asyncDispose]());

test('200 clients at once share the passive ports of four shards: no data connection goes astray or is lost', async () => {
  const { fleet } = running;
  const shards = new Set<number>();
  let transfers = 0;
  const client = async (index: number) => {
    const guest = visitor(fleet, index);
    using session = await guest.enter();
    shards.add(session.shard);
    const files = Array.from({ length: SMALL }, (_, file) =>
      Buffer.from(`file ${file} of client ${index}\n`),
    );
    const large = index % 25 === 0 ? IN_PARTS : LARGE;
    for (const [file, bytes] of [...files, large].entries()) {
      await session.store(`STOR ${index}-${file}`, bytes);
      expect((await session.retrieve(`${index}-${file}`)).equals(bytes), `${index}-${file}`).toBe(true);
      transfers += 2;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
  expect(transfers).toBe(CLIENTS * (SMALL + 1) * 2);
  expect([...shards].sort()).toEqual([0, 1, 2, 3]);
  expect(strays(running)).toEqual([]);
  expect(running.faults).toEqual([]);
});
