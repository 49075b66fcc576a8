import { expect, onTestFinished, test } from 'vitest';
import {
  NoPassivePortError,
  PassivePorts,
  type PassivePortsOptions,
  type Refusal,
  type Reservation,
} from '../../src/ftp/passive-ports.ts';
import { dial, dialAndBeReset, hasAddress, LOCAL, readAll } from '../support/data-peer.ts';

const NO_LOOPBACK_RANGE = 'this system has no loopback addresses beyond 127.0.0.1';

async function listen(options: Partial<PassivePortsOptions> = {}): Promise<PassivePorts> {
  const passive = await PassivePorts.listen({ host: LOCAL, ports: [0], ...options });
  onTestFinished(() => passive.close());
  return passive;
}

const NINE_PORTS: readonly number[] = new Array<number>(9).fill(0);

/** One whole transfer: the client sends a text, the server reads it. */
async function transfer(reservation: Reservation, text: string, address = LOCAL): Promise<string> {
  const client = await dial(reservation.port, address);
  client.end(text);
  const socket = await reservation.accept({ timeout: 10_000 });
  const received = await readAll(socket);
  socket.end();
  return received;
}

const reasonOf = (reason: string) => expect.objectContaining({ name: 'DataConnectionError', reason });

test('a port serves the next reservation as soon as its connection came, taken or not', async () => {
  const passive = await listen({ wait: 1 });
  const first = await passive.reserve({ address: LOCAL, user: 'ann' });
  const one = await dial(first.port);
  await expect.poll(() => passive.pending).toBe(0);
  const second = await passive.reserve({ address: LOCAL, user: 'bob' });
  expect(second.port).toBe(first.port);
  const two = await dial(second.port);
  expect((await second.accept({ timeout: 10_000 })).remotePort).toBe(two.localPort);
  expect((await first.accept({ timeout: 10_000 })).remotePort).toBe(one.localPort);
});

test('a late connection to a released port is reset as quarantined, and the port is granted again afterwards', async () => {
  const refusals: Refusal[] = [];
  const passive = await listen({ quarantine: 60, onRefused: (refusal) => refusals.push(refusal) });
  const first = await passive.reserve({ address: LOCAL, user: 'ann' });
  first.release();
  const next = passive.reserve({ address: LOCAL, user: 'bob' });
  await dialAndBeReset(first.port);
  expect(refusals).toEqual([{ address: LOCAL, port: first.port, reason: 'quarantined' }]);
  expect(passive.waiting).toBe(1);
  expect(await transfer(await next, 'bob')).toBe('bob');
});

test('a quarantine holds for its own address only', async (ctx) => {
  if (!(await hasAddress('127.0.0.2'))) ctx.skip(NO_LOOPBACK_RANGE);
  const passive = await listen({ wait: 1 });
  (await passive.reserve({ address: LOCAL, user: 'ann' })).release();
  await expect(passive.reserve({ address: LOCAL, user: 'ann' })).rejects.toThrow(NoPassivePortError);
  const other = await passive.reserve({ address: '127.0.0.2', user: 'ann' });
  expect(await transfer(other, 'other', '127.0.0.2')).toBe('other');
});

test('ports are granted least recently used first', async () => {
  const passive = await listen({ ports: [0, 0, 0] });
  const granted: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const reservation = await passive.reserve({ address: LOCAL, user: 'ann' });
    granted.push(reservation.port);
    await transfer(reservation, '');
  }
  expect(granted).toEqual([...passive.ports, ...passive.ports]);
});

test('reserve() waits its turn and then fails with NoPassivePortError', async () => {
  const passive = await listen({ wait: 20 });
  await passive.reserve({ address: LOCAL, user: 'ann' });
  const waiting = passive.reserve({ address: LOCAL, user: 'bob' });
  expect(passive.waiting).toBe(1);
  await expect(waiting).rejects.toThrow(NoPassivePortError);
  expect(passive.waiting).toBe(0);
});

test('an aborted reserve() leaves the queue', async () => {
  const passive = await listen();
  await passive.reserve({ address: LOCAL, user: 'ann' });
  const abort = new AbortController();
  const waiting = passive.reserve({ address: LOCAL, user: 'bob', signal: abort.signal });
  abort.abort();
  await expect(waiting).rejects.toEqual(reasonOf('aborted'));
  expect(passive.waiting).toBe(0);
});

test('nine ports serve 200 clients of 200 addresses at the same time', async (ctx) => {
  if (!(await hasAddress('127.0.0.2'))) ctx.skip(NO_LOOPBACK_RANGE);
  const passive = await listen({ ports: NINE_PORTS, wait: 1 });
  const addresses = Array.from({ length: 200 }, (_, index) => `127.0.1.${index + 1}`);
  // All 200 are pending at once: without sharing ports nine would be the most.
  const reservations = await Promise.all(
    addresses.map((address) => passive.reserve({ address, user: 'ann' })),
  );
  expect(passive.pending).toBe(200);
  const received = await Promise.all(
    reservations.map((reservation, index) => transfer(reservation, `${index}`, addresses[index])),
  );
  expect(received).toEqual(addresses.map((_, index) => `${index}`));
  expect(passive.refused).toBe(0);
});

test('64 sessions of one user behind one address are all served', async () => {
  const passive = await listen({ ports: NINE_PORTS });
  const session = async (index: number) => {
    const reservation = await passive.reserve({ address: LOCAL, user: 'ann' });
    return transfer(reservation, `${index}`);
  };
  const received = await Promise.all(Array.from({ length: 64 }, (_, index) => session(index)));
  expect(received).toEqual(Array.from({ length: 64 }, (_, index) => `${index}`));
  expect(passive.pending).toBe(0);
  expect(passive.refused).toBe(0);
});

test('fifty users are served beside one who reserves all he can get and never connects', async () => {
  const passive = await listen({ ports: NINE_PORTS, wait: 5000 });
  const hog = Array.from({ length: 100 }, () => passive.reserve({ address: LOCAL, user: 'hog' }));
  const hogs = Promise.allSettled(hog);
  await expect.poll(() => passive.waiting).toBe(94);
  const session = async (index: number) => {
    const reservation = await passive.reserve({ address: LOCAL, user: `user${index}` });
    return transfer(reservation, `${index}`);
  };
  const received = await Promise.all(Array.from({ length: 50 }, (_, index) => session(index)));
  expect(received).toEqual(Array.from({ length: 50 }, (_, index) => `${index}`));
  expect(passive.pending).toBe(6);
  await passive.close();
  expect((await hogs).filter((result) => result.status === 'fulfilled')).toHaveLength(6);
});
