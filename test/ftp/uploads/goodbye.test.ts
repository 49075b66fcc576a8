import { once } from 'node:events';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { taken } from '../../support/cuts.ts';
import { startFerry, USER } from '../../support/ferry.ts';
import { keysOf } from '../../support/objects.ts';

test.for([
  ['before its data ended', true],
  ['behind the end of its data', false],
] as const)(
  'an upload whose client says QUIT %s and leaves without waiting is committed',
  async ([, before]) => {
    await using ferry = await startFerry();
    for (const bytes of [0, 10, 300_000]) {
      using client = await ferry.login();
      const data = await client.passive();
      expect(await client.command(`STOR ${bytes}`)).toMatchObject({ code: 150 });
      if (before) client.socket.end('QUIT\r\n');
      data.end(Buffer.alloc(bytes));
      if (!before) client.socket.end('QUIT\r\n');
      expect(await client.reply()).toMatchObject({ code: 226 });
      expect(await client.reply()).toMatchObject({ code: 221 });
      expect(await client.closed()).toBe('');
    }
    expect(await keysOf(ferry)).toEqual(['0', '10', '300000']);
  },
);

test('a client that said QUIT may drop its control connection without reading the replies', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const data = await client.passive();
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  data.write('ten');
  await taken(client, 3);
  client.write('QUIT\r\n');
  client.socket.destroySoon();
  await once(client.socket, 'close');
  data.end(' bytes');
  await expect.poll(() => ferry.server.sessions).toBe(0);
  expect(await keysOf(ferry)).toEqual(['a']);
});

test('a control connection that is lost within the grace means a broken upload, also on a busy server', async () => {
  await using ferry = await startFerry({ FERRY_UPLOAD_GRACE: '2ms' });
  const flag = new Int32Array(new SharedArrayBuffer(8));
  const { emit } = Socket.prototype;
  const spy = (socket: Socket, event: string) => {
    if (event !== 'end' || !ferry.passivePorts.ports.includes(socket.localPort ?? 0)) return;
    // The client vanishes just behind the end of its data, while this thread has something else to do.
    setImmediate(() => {
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
      Atomics.wait(flag, 1, 0, 2000);
      for (const until = performance.now() + 5; performance.now() < until; );
    });
  };
  using _ = vi.spyOn(Socket.prototype, 'emit').mockImplementation(function (
    this: Socket,
    event: string,
    ...args
  ) {
    spy(this, event);
    return Reflect.apply(emit, this, [event, ...args]);
  });
  const client = new Worker(join(import.meta.dirname, '../../support/vanishing-client.ts'), {
    workerData: { port: ferry.port, user: USER.name, password: USER.password, flag },
  });
  await once(client, 'message');
  await expect.poll(() => ferry.server.sessions).toBe(0);
  expect(await keysOf(ferry)).toEqual([]);
  await client.terminate();
});

test('an upload with more commands behind it than are read ahead is refused, for an ABOR may hide there', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const data = await client.passive();
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  client.write('PWD\r\n'.repeat(100));
  client.write('NOOP\r\n');
  data.write('x');
  // NOOP is not answered any more: nothing is read until the transfer ends.
  await expect.poll(() => data.writableLength).toBe(0);
  data.end();
  expect(await client.reply()).toMatchObject({ code: 426 });
  for (let left = 100; left > 0; left--) expect(await client.reply()).toMatchObject({ code: 257 });
  expect(await client.reply()).toMatchObject({ code: 200 });
  expect(await keysOf(ferry)).toEqual([]);
});
