import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import { type FaultProxy, faultProxyForTest } from './support/fault-proxy.ts';
import { type Ferry, startFerry } from './support/ferry.ts';
import { getObject, putObject } from './support/objects.ts';
import type { RawClient } from './support/raw-client.ts';

/** What stands in the bucket: keys and their text. */
type Model = Map<string, string>;

/** A bucket, the server over it, and what should stand there. */
interface World {
  readonly proxy: FaultProxy;
  readonly bucket: string;
  ferry: Ferry;
  client: RawClient;
  model: Model;
}

/** What may have come of a step: one of these models, as its reply allows. */
interface Outcome {
  readonly code: number;
  /** The state if it was done. */
  readonly done: Model;
}

type Step = (world: World) => Promise<Outcome | undefined>;

const NAMES = ['a', 'b', 'd/a', 'd/b', 'e/a'] as const;
const DIRECTORIES = ['d', 'e'] as const;

const name = fc.constantFrom(...NAMES);
const directory = fc.constantFrom(...DIRECTORIES);
const text = fc.string({ minLength: 0, maxLength: 20, unit: 'grapheme-ascii' });

const changed = (model: Model, change: (copy: Model) => void): Model => {
  const copy = new Map(model);
  change(copy);
  return copy;
};

async function store(client: RawClient, line: string, body: string): Promise<number> {
  const data = await client.passive();
  data.on('error', () => {});
  const { code } = await client.command(line);
  if (code !== 150) return code;
  data.end(body);
  return (await client.reply()).code;
}

/** What a client may do, and what it makes of the model; a refused step changes nothing. */
const steps: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  store: fc.tuple(name, text).map(([key, body]) => async ({ client, model }) => ({
    code: await store(client, `STOR ${key}`, body),
    done: changed(model, (copy) => copy.set(key, body)),
  })),
  append: fc.tuple(name, text).map(([key, body]) => async ({ client, model }) => ({
    code: await store(client, `APPE ${key}`, body),
    done: changed(model, (copy) => copy.set(key, (copy.get(key) ?? '') + body)),
  })),
  restart: fc.tuple(name, text, fc.integer({ min: 1, max: 25 })).map(([key, body, at]) => async (world) => {
    const { client, model } = world;
    await client.command(`REST ${at}`);
    const code = await store(client, `STOR ${key}`, body);
    const before = model.get(key) ?? '';
    if (code === 226) expect(at, 'a restart behind the end').toBeLessThanOrEqual(before.length);
    return { code, done: changed(model, (copy) => copy.set(key, before.slice(0, at) + body)) };
  }),
  break: fc.tuple(name, text).map(([key, body]) => async ({ client, model }) => {
    const data = await client.passive();
    data.on('error', () => {});
    const { code } = await client.command(`STOR ${key}`);
    if (code !== 150) return { code, done: model };
    data.write(body);
    data.resetAndDestroy();
    return { code: (await client.reply()).code, done: model };
  }),
  read: name.map((key) => async ({ client, model }) => {
    const { replies, bytes } = await client.download(`RETR ${key}`);
    const code = replies.at(-1)?.code ?? 0;
    if (code === 226) expect(bytes.toString(), `RETR ${key}`).toBe(model.get(key));
    return { code, done: model };
  }),
  size: name.map((key) => async ({ client, model }) => {
    const { code, text: told } = await client.command(`SIZE ${key}`);
    if (code === 213) expect(told, `SIZE ${key}`).toBe(`213 ${model.get(key)?.length}`);
    return { code, done: model };
  }),
  remove: name.map((key) => async ({ client, model }) => {
    const { code } = await client.command(`DELE ${key}`);
    if (code === 250) expect(model.has(key), `DELE ${key}`).toBe(true);
    return { code, done: changed(model, (copy) => copy.delete(key)) };
  }),
  rename: fc.tuple(name, name).map(([from, to]) => async ({ client, model }) => {
    const { code: found } = await client.command(`RNFR ${from}`);
    if (found !== 350) return { code: found, done: model };
    const { code } = await client.command(`RNTO ${to}`);
    const moved = changed(model, (copy) => {
      const body = copy.get(from) ?? '';
      copy.delete(from);
      copy.set(to, body);
    });
    return { code, done: moved };
  }),
  make: directory.map((key) => async ({ client, model }) => ({
    code: (await client.command(`MKD ${key}`)).code,
    done: changed(model, (copy) => copy.set(`${key}/`, '')),
  })),
  unmake: directory.map((key) => async ({ client, model }) => {
    const { code } = await client.command(`RMD ${key}`);
    const inside = [...model.keys()].filter((each) => each.startsWith(`${key}/`) && each !== `${key}/`);
    if (code === 250) expect(inside, `RMD ${key}`).toEqual([]);
    return { code, done: changed(model, (copy) => copy.delete(`${key}/`)) };
  }),
  renameDirectory: fc.constant<Step>(async ({ client, model }) => {
    const { code: found } = await client.command('RNFR d');
    if (found !== 350) return { code: found, done: model };
    const { code } = await client.command('RNTO e');
    const moved = new Map([...model].map(([key, body]) => [key.replace(/^d\//, 'e/'), body]));
    return { code, done: moved };
  }),
};

/** What others do beside the client; the model is told. */
const events: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  outside: fc.tuple(name, text).map(([key, body]) => async ({ ferry, model }) => {
    await putObject({ ...ferry, bucket: bucketOf(ferry) }, key, body);
    model.set(key, body);
    return undefined;
  }),
  fault: fc
    .record({
      operation: fc.constantFrom(
        'PutObject',
        'HeadObject',
        'GetObject',
        'CopyObject',
        'DeleteObject',
        'ListObjectsV2',
      ),
      fault: fc.constantFrom({ answer: 500 }, { answer: 503 }, { lose: true }, { reset: 'during' as const }),
      times: fc.constantFrom(1, 3),
    })
    .map(({ operation, fault, times }) => async ({ proxy }) => {
      proxy.fault(operation, fault, { times });
      return undefined;
    }),
  restart: fc.constant<Step>(async (world) => {
    world.client[Symbol.dispose]();
    await world.ferry[Symbol.asyncDispose]();
    world.ferry = await startFerry({ FERRY_BUCKET: world.bucket }, world.proxy.endpoint);
    world.client = await world.ferry.login();
    return undefined;
  }),
};

const bucketOf = ({ config }: Ferry) => config.bucket;

async function stateOf(ferry: Ferry): Promise<Model> {
  const { Contents } = await ferry.s3.send(new ListObjectsV2Command({ Bucket: bucketOf(ferry) }));
  const keys = (Contents ?? []).map(({ Key = '' }) => Key).filter((key) => !key.startsWith('.ferry/'));
  const of = { ...ferry, bucket: bucketOf(ferry) };
  return new Map(await Promise.all(keys.map(async (key) => [key, await getObject(of, key)] as const)));
}

const sorted = (model: Model) => [...model].sort(([a], [b]) => (a < b ? -1 : 1));

/** Whether the bucket is this model; a rename that failed between copy and delete leaves both names, each whole. */
function isBetween(state: Model, before: Model, done: Model): boolean {
  const allowed = ([key, body]: [string, string]) => before.get(key) === body || done.get(key) === body;
  return [...state].every(allowed) && [...before.keys()].every((key) => state.has(key) || !done.has(key));
}

async function check(world: World, told: string, outcome: Outcome): Promise<void> {
  const state = await stateOf(world.ferry);
  const { code, done } = outcome;
  if (code < 300) expect(sorted(state), `${told}: ${code}, but not done`).toEqual(sorted(done));
  else if (code >= 500) expect(sorted(state), `${told}: ${code}, but changed`).toEqual(sorted(world.model));
  else expect(isBetween(state, world.model, done), `${told}: ${code}, neither old nor new`).toBe(true);
  world.model = state;
}

const anyStep = fc.oneof(
  ...[...Object.entries(steps), ...Object.entries(events)].map(([told, arbitrary]) =>
    arbitrary.map((run) => ({ told, run })),
  ),
);

test('whatever clients, faults, restarts and outside writers do, the bucket is what the replies said', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 25 }), async (sequence) => {
      const proxy = await faultProxyForTest(inject('s3').endpoint);
      const ferry = await startFerry({}, proxy.endpoint);
      const world: World = {
        proxy,
        bucket: ferry.bucket,
        ferry,
        client: await ferry.login(),
        model: new Map(),
      };
      try {
        for (const { told, run } of sequence) {
          const outcome = await run(world);
          if (outcome) await check(world, told, outcome);
        }
      } finally {
        world.client[Symbol.dispose]();
        await world.ferry[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 30, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
  );
});
