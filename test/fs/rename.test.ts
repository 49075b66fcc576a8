import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../support/ferry.ts';
import { dropFiles, getObject, keysOf, putObject } from '../support/objects.ts';
import type { RawClient } from '../support/raw-client.ts';

const NAMES = Array.from({ length: 40 }, (_, index) => `f${String(index).padStart(2, '0')}`);
const SOURCE = ['from/', ...NAMES.map((name) => `from/${name}`), 'from/sub/deep'];

async function filled(settings: Record<string, string> = {}) {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry = await startFerry(settings, proxy.endpoint);
  for (const key of SOURCE) await putObject(ferry, key, `body of ${key}`);
  return { proxy, ferry, [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose]() };
}

async function rename(client: RawClient, from: string, to: string): Promise<number> {
  expect(await client.command(`RNFR ${from}`)).toMatchObject({ code: 350 });
  return (await client.command(`RNTO ${to}`)).code;
}

test('a directory is renamed with its marker and everything below it', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  expect(await rename(client, 'from', 'to')).toBe(250);
  expect(await keysOf(set.ferry)).toEqual(SOURCE.map((key) => key.replace('from', 'to')));
  expect(await getObject(set.ferry, 'to/sub/deep')).toBe('body of from/sub/deep');
});

test.for([
  ['is refused', { answer: 403 }, 550],
  ['fails again and again', { answer: 500 }, 451],
  ['is done, but its answer lost', { lose: true }, 451],
] as const)('a copy that %s in the middle leaves the source whole and no copy', async ([, fault, code]) => {
  await using set = await filled();
  using client = await set.ferry.login();
  // The rule is for one key, so that retries meet it too.
  const rule = set.proxy.fault(({ operation, key }) => operation === 'CopyObject' && key === 'to/f20', fault);
  expect(await rename(client, 'from', 'to')).toBe(code);
  expect(rule.hits).toBeGreaterThan(0);
  expect(await keysOf(set.ferry)).toEqual(SOURCE);
  for (const key of SOURCE) expect(await getObject(set.ferry, key)).toBe(`body of ${key}`);
  rule.remove();
  expect(await rename(client, 'from', 'to')).toBe(250);
});

test('a deletion that fails behind the copies loses nothing: the target is whole', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  set.proxy.fault('DeleteObjects', { answer: 500 });
  expect(await rename(client, 'from', 'to')).toBe(451);
  const keys = await keysOf(set.ferry);
  for (const key of SOURCE) expect(keys).toContain(key.replace('from', 'to'));
});

test('a client that vanishes during a rename does not leave it half done', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  const copy = set.proxy.fault('CopyObject', { hold: 'request' });
  expect(await client.command('RNFR from')).toMatchObject({ code: 350 });
  client.write('RNTO to\r\n');
  await copy.reached;
  client.socket.destroy();
  copy.release();
  await expect.poll(() => set.ferry.server.sessions).toBe(0);
  expect(await keysOf(set.ferry)).toEqual(SOURCE.map((key) => key.replace('from', 'to')));
});

test('a directory of more than FERRY_MAX_RENAME entries is not renamed: 552, and nothing has moved', async () => {
  await using set = await filled({ FERRY_MAX_RENAME: '41' });
  using client = await set.ferry.login();
  expect(SOURCE).toHaveLength(42);
  expect(await rename(client, 'from', 'to')).toBe(552);
  expect(await keysOf(set.ferry)).toEqual(SOURCE);
  expect(set.proxy.counts().CopyObject).toBeUndefined();
  expect(await client.command('DELE from/f00')).toMatchObject({ code: 250 });
  expect(await rename(client, 'from', 'to')).toBe(250);
});

test('a directory of more than a thousand entries is listed and deleted by the thousand', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  const names = Array.from({ length: 1001 }, (_, index) => `f${String(index).padStart(4, '0')}`);
  await dropFiles(ferry, 'from', names);
  using client = await ferry.login();
  proxy.forget();
  expect(await rename(client, 'from', 'to')).toBe(250);
  expect(proxy.counts()).toMatchObject({ CopyObject: 1001, DeleteObjects: 2 });
  expect((await client.download('NLST to')).bytes.toString().split('\r\n')).toHaveLength(1002);
  expect(await client.command('CWD from')).toMatchObject({ code: 550 });
});

test('a file that is renamed onto itself, or a directory into itself, stays what it is', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  expect(await rename(client, 'from/f00', 'from/f00')).toBe(250);
  expect(await rename(client, 'from', 'from/sub/from')).toBe(550);
  expect(await keysOf(set.ferry)).toEqual(SOURCE);
});

test('a file whose source cannot be deleted is told as a failure, and the source is whole', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  set.proxy.fault('DeleteObject', { answer: 403 });
  expect(await rename(client, 'from/f00', 'moved')).toBe(550);
  expect(await getObject(set.ferry, 'from/f00')).toBe('body of from/f00');
});

/** The faults of a store, and what a client is told where they stay. */
const LASTING = [
  ['500', { answer: 500 }, 451],
  ['503', { answer: 503 }, 451],
  ['403', { answer: 403 }, 550],
  ['a reset before', { reset: 'before' }, 451],
  ['a reset after', { reset: 'after' }, 451],
  ['a lost answer', { lose: true }, 451],
] as const;

/** What clients see of the bucket. */
async function seen(ferry: Ferry): Promise<string[]> {
  return (await keysOf(ferry)).filter((key) => !key.startsWith('.ferry/'));
}

const MOVED = SOURCE.map((key) => key.replace('from', 'to'));

const FILE_REQUESTS = ['HeadObject', 'ListObjectsV2', 'CopyObject', 'DeleteObject'];

test.for(FILE_REQUESTS.flatMap((operation) => LASTING.map((fault) => [operation, ...fault] as const)))(
  'a file whose %s meets %s to the end is told so, and source or target is whole',
  async ([operation, , fault, code]) => {
    await using set = await filled();
    using client = await set.ferry.login();
    const rule = set.proxy.fault(operation, fault);
    const { code: found } = await client.command('RNFR from/f00');
    const told = found === 350 ? (await client.command('RNTO moved')).code : found;
    expect(rule.hits).toBeGreaterThan(0);
    rule.remove();
    const keys = await seen(set.ferry);
    // Only a deletion whose answer was lost can have been done.
    if (keys.includes('from/f00')) expect(told).toBe(code);
    else
      expect([operation, await getObject(set.ferry, 'moved')]).toEqual(['DeleteObject', 'body of from/f00']);
    if (keys.includes('moved')) expect(await getObject(set.ferry, 'moved')).toBe('body of from/f00');
  },
);

test.for(
  FILE_REQUESTS.flatMap((operation) =>
    LASTING.slice(0, 2)
      .concat(LASTING.slice(3) as never)
      .map((fault) => [operation, ...fault] as const),
  ),
)('a file whose %s meets %s once is renamed all the same', async ([operation, , fault]) => {
  await using set = await filled();
  using client = await set.ferry.login();
  const rule = set.proxy.fault(operation, fault, { times: 1 });
  expect(await rename(client, 'from/f00', 'moved')).toBe(250);
  expect(rule.hits).toBe(1);
  expect(await seen(set.ferry)).toEqual([...SOURCE.filter((key) => key !== 'from/f00'), 'moved']);
});

const DIRECTORY_REQUESTS = ['PutObject', 'CopyObject', 'DeleteObjects'];

test.for(DIRECTORY_REQUESTS.flatMap((operation) => LASTING.map((fault) => [operation, ...fault] as const)))(
  'a directory whose %s meets %s to the end loses nothing, and renaming it again finishes',
  async ([operation, , fault, code]) => {
    await using set = await filled();
    using client = await set.ferry.login();
    const rule = set.proxy.fault(operation, fault);
    expect(await rename(client, 'from', 'to')).toBe(code);
    expect(rule.hits).toBeGreaterThan(0);
    rule.remove();
    const keys = await seen(set.ferry);
    for (const key of SOURCE)
      expect(keys.includes(key) || keys.includes(key.replace('from', 'to'))).toBe(true);
    if (operation !== 'DeleteObjects') expect(keys).toEqual(expect.arrayContaining(SOURCE));
    // Where the answer was lost, all may have been deleted already.
    if (keys.some((key) => key.startsWith('from/'))) expect(await rename(client, 'from', 'to')).toBe(250);
    expect(await seen(set.ferry)).toEqual(MOVED);
    for (const key of MOVED)
      expect(await getObject(set.ferry, key)).toBe(`body of ${key.replace('to', 'from')}`);
  },
);

test.for([
  ['copies', 'CopyObject', 20],
  ['deletes', 'DeleteObjects', 1],
] as const)('a server that dies as it %s leaves what another one finishes', async ([, operation, from]) => {
  await using set = await filled();
  using client = await set.ferry.login();
  // From some moment on nothing gets through, which is how S3 sees a process that is dead.
  let dead = 0;
  const rule = set.proxy.fault(
    (request) => {
      if (request.operation === operation) dead++;
      return dead >= from;
    },
    { reset: 'before' },
  );
  expect(await rename(client, 'from', 'to')).toBe(451);
  expect(await seen(set.ferry)).toEqual(expect.arrayContaining(SOURCE));
  await using other = await startFerry({ FERRY_BUCKET: set.ferry.bucket });
  using second = await other.login();
  expect(await rename(second, 'from', 'to')).toBe(250);
  expect(await keysOf(set.ferry)).toEqual(MOVED);
  rule.remove();
});

test('a second run that joins a stuck one finishes, and the first does no harm when it goes on', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  const held = set.proxy.fault(({ operation, key }) => operation === 'CopyObject' && key === 'to/f20', {
    hold: 'request',
    answer: 403,
  });
  expect(await client.command('RNFR from')).toMatchObject({ code: 350 });
  client.write('RNTO to\r\n');
  await held.reached.catch(() => {});
  await expect
    .poll(async () => (await seen(set.ferry)).filter((key) => key.startsWith('to/')).length)
    .toBe(41);
  await using other = await startFerry({ FERRY_BUCKET: set.ferry.bucket });
  using second = await other.login();
  expect(await rename(second, 'from', 'to')).toBe(250);
  held.release();
  expect((await client.reply()).code).toBe(550);
  expect(await keysOf(set.ferry)).toEqual(MOVED);
});

test('a directory is not renamed onto one that is there, unless that rename was begun', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  await putObject(set.ferry, 'to/f00', 'theirs');
  expect(await rename(client, 'from', 'to')).toBe(550);
  expect(await keysOf(set.ferry)).toEqual([...SOURCE, 'to/f00']);
});

test('what another client stores under the target during a rename stays', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  const copy = set.proxy.fault(({ operation, key }) => operation === 'CopyObject' && key === 'to/f20', {
    hold: 'request',
  });
  expect(await client.command('RNFR from')).toMatchObject({ code: 350 });
  client.write('RNTO to\r\n');
  await copy.reached;
  await putObject(set.ferry, 'to/f20', 'theirs');
  copy.release();
  expect((await client.reply()).code).toBe(553);
  expect(await keysOf(set.ferry)).toEqual([...SOURCE, 'to/f20']);
  expect(await getObject(set.ferry, 'to/f20')).toBe('theirs');
});

test.for([
  ['file', 'DeleteObject', 'from/f00', 'moved', 'moved'],
  ['directory', 'DeleteObjects', 'from', 'to', 'to/f00'],
] as const)(
  'what others write to a %s between copy and delete is moved, too',
  async ([type, operation, from, to, key]) => {
    await using set = await filled();
    using client = await set.ferry.login();
    const hold =
      type === 'file' ? operation : ({ operation: asked }: { operation: string }) => asked === 'CopyObject';
    const held = set.proxy.fault(hold, { hold: type === 'file' ? 'request' : 'answer' }, { times: 42 });
    expect(await client.command(`RNFR ${from}`)).toMatchObject({ code: 350 });
    client.write(`RNTO ${to}\r\n`);
    await held.reached;
    if (type === 'directory')
      await expect.poll(async () => (await seen(set.ferry)).includes('to/f00')).toBe(true);
    await putObject(set.ferry, 'from/f00', 'newer');
    held.release();
    expect((await client.reply()).code).toBe(250);
    expect(await getObject(set.ferry, key)).toBe('newer');
    expect(await seen(set.ferry)).not.toContain('from/f00');
  },
);

test('what is written to a source when its directory is being deleted goes along', async () => {
  await using set = await filled();
  using client = await set.ferry.login();
  const deleted = set.proxy.fault('DeleteObjects', { hold: 'request' });
  const renamed = rename(client, 'from', 'to');
  await deleted.reached;
  await putObject(set.ferry, 'from/f07', 'written in the last moment');
  deleted.release();
  expect(await renamed).toBe(250);
  expect(await getObject(set.ferry, 'to/f07')).toBe('written in the last moment');
  expect(await keysOf(set.ferry)).toEqual(SOURCE.map((key) => key.replace('from', 'to')));
});

test('a file is not renamed onto another where FERRY_OVERWRITE refuses', async () => {
  await using set = await filled({ FERRY_OVERWRITE: 'refuse' });
  using client = await set.ferry.login();
  expect(await rename(client, 'from/f00', 'from/f01')).toBe(553);
  const copy = set.proxy.fault('CopyObject', { hold: 'request' });
  expect(await client.command('RNFR from/f00')).toMatchObject({ code: 350 });
  client.write('RNTO new\r\n');
  await copy.reached;
  await putObject(set.ferry, 'new', 'theirs');
  copy.release();
  expect((await client.reply()).code).toBe(553);
  expect(await getObject(set.ferry, 'new')).toBe('theirs');
  expect(await keysOf(set.ferry)).toEqual([...SOURCE, 'new']);
});
