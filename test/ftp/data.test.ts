import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { DataBrokenError, finish, send, type TransferOptions, UploadBody } from '../../src/ftp/data.ts';

const MIB = 2 ** 20;

/** Both ends of a data connection: the client's, and the server's as it comes from an accept. */
async function connection(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const arriving = once(server, 'connection');
  const client = connect({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, noDelay: true });
  client.on('error', () => {});
  const [accepted]: Socket[] = await arriving;
  if (client.connecting) await once(client, 'connect');
  if (!accepted) throw new Error('nobody came');
  server.close();
  onTestFinished(() => {
    client.destroy();
    accepted.destroy();
  });
  return { client, accepted };
}

function optionsOf(given: Partial<TransferOptions> = {}): TransferOptions & { counted: () => number } {
  let bytes = 0;
  return {
    stall: 10_000,
    signal: new AbortController().signal,
    onBytes: (more) => {
      bytes += more;
    },
    counted: () => bytes,
    ...given,
  };
}

async function receiving(given?: Partial<TransferOptions>) {
  const { client, accepted } = await connection();
  const options = optionsOf(given);
  const body = new UploadBody(accepted, options);
  onTestFinished(() => void body.socket.destroy());
  return { client, body, options };
}

const brokenBy = (failure: string) => expect.objectContaining({ name: 'DataBrokenError', failure });

test.for([
  ['one byte at a time', 1],
  ['in portions of any size', 7919],
  ['in larger portions than a read takes', 700_001],
] as const)('what the client sends comes in order, read %s, and ends at its FIN', async ([, portion]) => {
  const { client, body, options } = await receiving();
  const sent = randomBytes(portion === 1 ? 300 : 3 * MIB);
  client.end(sent);
  const got: Buffer[] = [];
  for (let ended = false; !ended; ) {
    const into = Buffer.alloc(portion);
    const end = await body.fill(into, 0);
    got.push(into.subarray(0, end));
    ended = end < portion;
  }
  expect(Buffer.concat(got).equals(sent)).toBe(true);
  expect(options.counted()).toBe(sent.length);
});

test('a fill goes on from the index that it is told, and touches nothing before it', async () => {
  const { client, body } = await receiving();
  client.write('defg');
  const into = Buffer.from('abc.....');
  const rest = body.fill(into, 3);
  client.end('h');
  expect(await rest).toBe(8);
  expect(into.toString()).toBe('abcdefgh');
  expect(await body.fill(into, 0)).toBe(0);
});

test('nothing is taken from the client while no buffer is there: it is held up', async () => {
  const { client, body, options } = await receiving();
  const size = 32 * MIB;
  client.end(Buffer.alloc(size));
  expect(await body.fill(Buffer.alloc(MIB), 0)).toBe(MIB);
  expect(options.counted()).toBe(MIB);
  // What two kernels buffer is less than all; the rest is still with the client.
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(client.writableLength).toBeGreaterThan(0);
  expect(body.socket.bytesRead).toBeLessThan(2 * MIB);
  expect(await body.fill(Buffer.alloc(size), 0)).toBe(size - MIB);
});

test('a reset breaks the body, also one that came before anybody read', async () => {
  const early = await receiving();
  early.client.write('some');
  early.client.resetAndDestroy();
  await expect(early.body.fill(Buffer.alloc(10), 0)).rejects.toEqual(brokenBy('reset'));

  const late = await receiving();
  const filling = late.body.fill(Buffer.alloc(10), 0);
  late.client.write('some', () => late.client.resetAndDestroy());
  await expect(filling).rejects.toEqual(brokenBy('reset'));
  await expect(late.body.fill(Buffer.alloc(10), 0)).rejects.toEqual(brokenBy('reset'));
});

test('a client that sends nothing for the time of a stall breaks the body, and is reset', async () => {
  const { client, body } = await receiving({ stall: 60 });
  client.write('some');
  const gone = new Promise((resolve) => client.once('close', resolve));
  await expect(body.fill(Buffer.alloc(10), 0)).rejects.toEqual(brokenBy('stalled'));
  await gone;
});

test('time that passes while nobody asks for bytes is not the stall of the client', async () => {
  const { client, body } = await receiving({ stall: 60 });
  client.end('some bytes');
  expect(await body.fill(Buffer.alloc(4), 0)).toBe(4);
  // Twice as long as a stall.
  const started = performance.now();
  await expect.poll(() => performance.now() - started).toBeGreaterThan(120);
  const rest = Buffer.alloc(100);
  expect(await body.fill(rest, 0)).toBe(6);
  expect(rest.toString('latin1', 0, 6)).toBe(' bytes');
});

test('a client that stalls later than nobody had asked for bytes breaks the body all the same', async () => {
  const { client, body } = await receiving({ stall: 60 });
  client.write('some');
  const timedOut = once(body.socket, 'timeout');
  await timedOut;
  expect(await body.fill(Buffer.alloc(4), 0)).toBe(4);
  await expect(body.fill(Buffer.alloc(10), 0)).rejects.toEqual(brokenBy('stalled'));
});

test('an abort breaks the body with its reason as the cause, and resets the client', async () => {
  const abort = new AbortController();
  const { client, body } = await receiving({ signal: abort.signal });
  const filling = body.fill(Buffer.alloc(10), 0);
  const gone = new Promise((resolve) => client.once('close', resolve));
  const reason = new Error('ABOR');
  abort.abort(reason);
  const failure = await filling.catch((error: unknown) => error);
  expect(failure).toEqual(brokenBy('aborted'));
  expect((failure as DataBrokenError).cause).toBe(reason);
  await gone;
});

test('a body whose signal has fired before is broken from the start', async () => {
  const { body } = await receiving({ signal: AbortSignal.abort(new Error('ABOR')) });
  await expect(body.fill(Buffer.alloc(10), 0)).rejects.toEqual(brokenBy('aborted'));
});

test('a body that is cancelled writes into no buffer any more, and its fill throws', async () => {
  const { client, body } = await receiving();
  const into = Buffer.alloc(10);
  const filling = body.fill(into, 0);
  client.write('some');
  await expect.poll(() => into.toString('latin1', 0, 4)).toBe('some');
  body.cancel();
  client.write('more!!');
  await expect(filling).rejects.toThrow(DataBrokenError);
  expect(into.toString('latin1', 4)).toBe('\0'.repeat(6));
});

async function* portions(count: number, size: number): AsyncGenerator<Buffer> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(size, index);
}

test('a body is sent whole and in order, and our side is ended', async () => {
  const { client, accepted } = await connection();
  const options = optionsOf();
  const got = buffer(client);
  await send(accepted, portions(50, 100_000), options);
  const whole = await got;
  expect(whole).toHaveLength(5_000_000);
  expect(whole.every((byte, index) => byte === Math.floor(index / 100_000))).toBe(true);
  expect(options.counted()).toBe(5_000_000);
});

test('an empty body is a FIN', async () => {
  const { client, accepted } = await connection();
  const got = buffer(client);
  await send(accepted, [], optionsOf());
  expect(await got).toHaveLength(0);
});

test('a client that stops reading stops the body, and breaks it when it does not go on', async () => {
  const { client, accepted } = await connection();
  client.pause();
  let given = 0;
  async function* counted() {
    for await (const portion of portions(1000, 100_000)) {
      given++;
      yield portion;
    }
  }
  const told: unknown[] = [];
  const sending = send(accepted, counted(), optionsOf({ stall: 100 }), (failure) => told.push(failure));
  await expect(sending).rejects.toEqual(brokenBy('stalled'));
  expect(given).toBeLessThan(500);
  expect(told).toEqual([brokenBy('stalled')]);
});

test('a client that resets or closes breaks the body, and what it waits for is told', async () => {
  for (const end of ['resetAndDestroy', 'destroy'] as const) {
    const { client, accepted } = await connection();
    const broken = Promise.withResolvers<DataBrokenError>();
    async function* waiting() {
      yield Buffer.alloc(1000);
      client[end]();
      // As a body that waits for S3, and is given up.
      yield* portions(50, 100_000);
      throw await broken.promise;
    }
    await expect(send(accepted, waiting(), optionsOf(), broken.resolve)).rejects.toEqual(brokenBy('reset'));
    expect((await broken.promise).failure).toBe('reset');
  }
});

test('an abort ends a send that is blocked, or that waits for its body', async () => {
  for (const blocked of [true, false]) {
    const { client, accepted } = await connection();
    client.pause();
    const abort = new AbortController();
    const given = Promise.withResolvers<DataBrokenError>();
    async function* body() {
      yield* blocked ? portions(1000, 100_000) : [];
      throw await given.promise;
    }
    const sending = send(accepted, body(), optionsOf({ signal: abort.signal }), given.resolve);
    if (blocked) await expect.poll(() => accepted.writableNeedDrain).toBe(true);
    abort.abort(new Error('ABOR'));
    await expect(sending).rejects.toEqual(brokenBy('aborted'));
  }
});

test('a body that throws is a reset for the client, never an end', async () => {
  const { client, accepted } = await connection();
  const failure = new Error('S3 broke off');
  async function* failing() {
    yield Buffer.alloc(1000);
    throw failure;
  }
  const got = buffer(client);
  await expect(send(accepted, failing(), optionsOf())).rejects.toBe(failure);
  await expect(got).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('a chunk is with the kernel before the next is asked for, so that its memory may be reused', async () => {
  const { client, accepted } = await connection();
  const memory = Buffer.alloc(MIB);
  async function* reusing() {
    for (let index = 0; index < 20; index++) yield memory.fill(index);
  }
  const got = buffer(client);
  await send(accepted, reusing(), optionsOf());
  const whole = await got;
  expect(whole).toHaveLength(20 * MIB);
  expect(whole.every((byte, index) => byte === Math.floor(index / MIB))).toBe(true);
});

test('a connection that stalls is cut before its body is told, which then may reuse the memory', async () => {
  const { client, accepted } = await connection();
  client.pause();
  let cut: boolean | undefined;
  const sending = send(accepted, portions(1000, 100_000), optionsOf({ stall: 60 }), () => {
    cut = accepted.destroyed;
  });
  await expect(sending).rejects.toEqual(brokenBy('stalled'));
  expect(cut).toBe(true);
});

test('time that a body spends waiting for S3 is not the stall of the client', async () => {
  const { client, accepted } = await connection();
  async function* late() {
    yield Buffer.alloc(1000);
    const started = performance.now();
    await expect.poll(() => performance.now() - started).toBeGreaterThan(120);
    yield Buffer.alloc(1000);
  }
  const got = buffer(client);
  await send(accepted, late(), optionsOf({ stall: 50 }));
  expect(await got).toHaveLength(2000);
});

test('a client that does not close its side is let go in time, whatever it goes on sending', async () => {
  const { client, accepted } = await connection();
  client.allowHalfOpen = true;
  await send(accepted, [Buffer.from('whole')], optionsOf());
  finish(accepted, 200);
  const trickle = setInterval(() => client.write('x'), 5);
  onTestFinished(() => clearInterval(trickle));
  // A reset is as good.
  await new Promise((resolve) => client.once('close', resolve).resume());
});
