import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectUntouched, MANY_PORTS, nameFor, POINTS } from '../../support/cuts.ts';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { keysOf } from '../../support/objects.ts';
import { TEST_SECURITY } from '../../support/test-tls.ts';

const PROGRAM = join(import.meta.dirname, '../../support/doomed-client.ts');

/** The suite itself keeps the machine busy, and a client that is killed may wait for its turn to close sockets. */
const SETTINGS = { ...MANY_PORTS, FERRY_UPLOAD_GRACE: '25ms' } as const;

/** Client processes of each kind. Over TLS it is the ends of connections that differ, which takes fewer. */
const PROCESSES = TEST_SECURITY === 'plain' ? 20 : 4;

/** Runs a client process until the server has all bytes of its uploads, and kills it: no goodbye of any kind. */
async function killWhileUploading(ferry: Ferry, uploads: readonly string[]): Promise<void> {
  const child = fork(PROGRAM, [String(ferry.port), USER.name, USER.password, ...uploads]);
  const [message] = await once(child, 'message');
  expect(message).toBe('ready');
  expect(ferry.server.transfers).toBe(uploads.length);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await expect.poll(() => ferry.server.sessions, { interval: 5, timeout: 20_000 }).toBe(0);
}

test('a client that is killed at any of 20 points of an upload publishes nothing', async () => {
  await using ferry = await startFerry(SETTINGS);
  for (const point of POINTS) {
    const name = await nameFor(ferry, point);
    await killWhileUploading(ferry, [`${name}=${point}`]);
    await expectUntouched(ferry, name);
  }
});

const SIZES = [10, 4096, 300_000] as const;

/** So many uploads of so many bytes for each process. */
const uploadsOf = (process: number, uploads: number, bytes: number) =>
  Array.from({ length: uploads }, (_, index) => `${process}-${index}=${bytes}`);

function expectNoneCommitted(ferry: Ferry, uploads: number): void {
  const ended = ferry.records.filter(({ event, verb }) => event === 'transfer' && verb === 'STOR');
  expect(ended.map(({ code }) => code)).toEqual(new Array(uploads).fill(426));
}

test.for(SIZES)(
  'none of many clients that are killed %i bytes into their upload publishes it',
  async (bytes) => {
    await using ferry = await startFerry(SETTINGS);
    for (let process = 0; process < PROCESSES; process++)
      await killWhileUploading(ferry, uploadsOf(process, 1, bytes));
    expect(await keysOf(ferry)).toEqual([]);
    expectNoneCommitted(ferry, PROCESSES);
  },
);

// The kernel closes a killed process's newest sockets first: all data connections before all control connections.
test.for(SIZES)(
  'none of very many uploads of clients that are killed %i bytes into them, ten at once, is published',
  { timeout: 60_000 },
  async (bytes) => {
    await using ferry = await startFerry(SETTINGS);
    for (let process = 0; process < PROCESSES; process++)
      await killWhileUploading(ferry, uploadsOf(process, 10, bytes));
    expect(await keysOf(ferry)).toEqual([]);
    expectNoneCommitted(ferry, 10 * PROCESSES);
  },
);
