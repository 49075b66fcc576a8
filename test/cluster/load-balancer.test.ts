import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { LoadBalancer } from '../../cluster/load-balancer.ts';
import { type Loopback, takeLoopback } from '../../cluster/loopback.ts';
import { type Target, TargetGroup, type TargetGroupOptions } from '../../cluster/target-group.ts';
import { times } from '../../cluster/times.ts';

const FAST = { ...times(1000), idle: 60_000, lag: 60_000, deregistrationDelay: 60_000 };
const PORT = 8192;

/** A target that says its name and does with a connection what the test wants. */
async function target(
  loopback: Loopback,
  options: {
    zone?: number;
    name?: string;
    serve?: (socket: Socket) => void;
    healthy?: () => boolean;
  } = {},
) {
  const { zone = 0, name = '', healthy = () => true } = options;
  const { serve = (socket) => socket.end(name) } = options;
  const host = loopback.nextTask();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen(PORT, host);
  const paths = new Set<string>();
  const health = createHttpServer(({ url = '', socket }, response) => {
    paths.add(`${url} ${socket.remoteAddress}`);
    response.writeHead(healthy() ? 200 : 503).end();
  }).listen(0, host);
  await Promise.all([once(server, 'listening'), once(health, 'listening')]);
  onTestFinished(() => {
    server.close();
    health.close();
  });
  const { port: healthPort } = health.address() as AddressInfo;
  return { target: { host, port: PORT, zone, healthPort } satisfies Target, paths };
}

async function balancer(options: Partial<TargetGroupOptions> = {}) {
  const loopback = await takeLoopback();
  const zones = [loopback.zone(0), loopback.zone(1)];
  const given = { path: '/health/8192', crossZone: true, times: FAST, checkers: zones, ...options };
  const group = new TargetGroup(given);
  const opened = new LoadBalancer(zones, given.times);
  await opened.listen(PORT, group, true);
  onTestFinished(() => {
    opened.close();
    loopback.ecs.close();
  });
  const dial = (client = 0, zone = 0) =>
    connect({
      host: zones[zone] ?? '',
      port: PORT,
      localAddress: loopback.client(client),
      allowHalfOpen: true,
    });
  const become = async (each: Target, state: string) => {
    while (group.stateOf(each) !== state) await once(group, 'state');
  };
  return { loopback, group, opened, dial, become };
}

test('a target sees the address of the client', async () => {
  const { loopback, group, dial } = await balancer();
  const serve = (socket: Socket) => void socket.end(`${socket.remoteAddress}`);
  group.register((await target(loopback, { serve })).target);
  for (const client of [0, 1, 299]) expect(await text(dial(client))).toBe(loopback.client(client));
});

test('each way of a connection ends by itself, and all bytes come through', async () => {
  const { loopback, group, dial } = await balancer();
  const serve = (socket: Socket) => void buffer(socket).then((bytes) => socket.end(bytes));
  group.register((await target(loopback, { serve })).target);
  const socket = dial();
  const sent = Buffer.alloc(8 * 2 ** 20, 'abcdefg');
  socket.end(sent);
  expect((await buffer(socket)).equals(sent)).toBe(true);
});

test('a reset of the one side reaches the other as a reset', async () => {
  const { loopback, group, dial } = await balancer();
  const arrived = Promise.withResolvers<Socket>();
  group.register((await target(loopback, { serve: (socket) => arrived.resolve(socket.resume()) })).target);
  const socket = dial();
  const peer = await arrived.promise;
  const failed = once(peer, 'error');
  socket.resetAndDestroy();
  expect((await failed)[0].code).toBe('ECONNRESET');
});

test('a client of a target that resets or is not there is reset', async () => {
  const { loopback, group, dial } = await balancer();
  const expectReset = async () => {
    const [error] = await once(dial().resume(), 'error');
    expect(error.code).toBe('ECONNRESET');
  };
  await expectReset();
  const resetting = await target(loopback, { serve: (socket) => void socket.resetAndDestroy() });
  group.register(resetting.target);
  await expectReset();
  group.register({ ...resetting.target, port: 1 });
  await expectReset();
});

test('the checkers ask the real path, and agree after two good answers or six bad ones', async () => {
  const { loopback, group, become } = await balancer();
  let good = true;
  let asked = 0;
  const one = await target(loopback, {
    healthy: () => {
      asked += 1;
      return good;
    },
  });
  group.register(one.target);
  expect(group.stateOf(one.target)).toBe('initial');
  await become(one.target, 'healthy');
  expect(asked).toBeGreaterThanOrEqual(4);
  expect([...one.paths].sort()).toEqual([0, 1].map((zone) => `/health/8192 ${loopback.zone(zone)}`));
  good = false;
  asked = 0;
  await become(one.target, 'unhealthy');
  expect(asked).toBeGreaterThanOrEqual(12);
});

test('new connections go to healthy targets, and to all of them where none is healthy', async () => {
  const { loopback, group, dial, become } = await balancer();
  let good = true;
  const sick = await target(loopback, { name: 'sick', healthy: () => false });
  const well = await target(loopback, { name: 'well', healthy: () => good });
  for (const each of [sick, well]) group.register(each.target);
  await Promise.all([become(sick.target, 'unhealthy'), become(well.target, 'healthy')]);
  const reached = async () => new Set(await Promise.all(Array.from({ length: 40 }, () => text(dial()))));
  expect(await reached()).toEqual(new Set(['well']));
  good = false;
  await become(well.target, 'unhealthy');
  expect(await reached()).toEqual(new Set(['sick', 'well']));
});

test('a group that does not cross zones serves each zone by its own targets, and leaves DNS where it has none', async () => {
  const { loopback, group, opened, dial, become } = await balancer({ crossZone: false });
  const [a, b] = [await target(loopback, { name: 'a' }), await target(loopback, { zone: 1, name: 'b' })];
  expect(opened.resolve()).toEqual(opened.addresses);
  group.register(a.target);
  await become(a.target, 'healthy');
  expect(opened.resolve()).toEqual([loopback.zone(0)]);
  group.register(b.target);
  await become(b.target, 'healthy');
  expect(opened.resolve()).toEqual(opened.addresses);
  for (let attempt = 0; attempt < 10; attempt++) {
    expect(await text(dial(attempt, 0))).toBe('a');
    expect(await text(dial(attempt, 1))).toBe('b');
  }
});

test('a target that was taken out is reached for a while, keeps its connections, and is gone after its delay', async () => {
  const short = { ...FAST, lag: 50, deregistrationDelay: 100 };
  const { loopback, group, dial } = await balancer({ times: short });
  const served = Promise.withResolvers<Socket>();
  const old = await target(loopback, { serve: (socket) => served.resolve(socket) });
  group.register(old.target);
  const socket = dial();
  const peer = await served.promise;
  const gone = group.deregister(old.target);
  expect(group.stateOf(old.target)).toBe('draining');
  expect(group.route(0, 0)).toBe(old.target);
  await expect.poll(() => group.route(0, 0)).toBeUndefined();
  await gone;
  expect(group.stateOf(old.target)).toBeUndefined();
  peer.end('still here');
  expect(await text(socket)).toBe('still here');
});

test('a silent connection is forgotten without a word, and whoever speaks then is reset', async () => {
  const { loopback, group, opened, dial } = await balancer({ times: { ...FAST, idle: 50 } });
  const served = Promise.withResolvers<Socket>();
  const one = await target(loopback, { serve: (socket) => served.resolve(socket.resume()) });
  group.register(one.target);
  const socket = dial();
  socket.resume().on('end', () => expect.unreachable('the end of a forgotten connection'));
  const peer = await served.promise;
  const failed = once(socket, 'error');
  const write = setInterval(() => socket.write('x'), 90);
  onTestFinished(() => clearInterval(write));
  expect((await failed)[0].code).toBe('ECONNRESET');
  expect(peer.destroyed).toBe(false);
  expect(opened.flowsTo(one.target.host)).toBe(1);
  peer.write('x');
  expect((await once(peer, 'error'))[0].code).toMatch(/ECONNRESET|EPIPE/);
});
