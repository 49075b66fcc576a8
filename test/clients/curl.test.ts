import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { DURABLE, expectObject, FILE } from '../support/broken.ts';
import { getObject, keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { breakOff } from './support/broken.ts';
import { type Mode, urlOf } from './support/client.ts';
import { type CurlLine, curl, curlOptions } from './support/curl.ts';
import { execute } from './support/execute.ts';
import { objectSize } from './support/objects.ts';
import { expectSameBytes } from './support/samples.ts';
import { scenarios } from './support/scenarios.ts';

scenarios(curl);

const isOffered = ({ mode }: { mode: Mode }) => curl.modes.includes(mode);

const lines = (text: string) => text.trimEnd().split(/\r?\n/);

describe('curl', () => {
  const bench = (body: (bench: Bench<CurlLine>) => Promise<void>) => () => withBench(curl, {}, body);

  test(
    'creates the directories on the way to a file',
    bench(async ({ ferry, say }) => {
      const { byte } = inject('samples');
      await say({ path: 'a/b c/d.bin', options: ['-T', byte.file, '--ftp-create-dirs'] });
      expect(await keysOf(ferry)).toEqual(['a/', 'a/b c/', 'a/b c/d.bin']);
    }),
  );

  test(
    'gets a range in the middle of a file, and ends it with ABOR',
    bench(async ({ ferry, local, say, commands }) => {
      await putObject(ferry, 'digits', '0123456789'.repeat(100_000));
      const file = join(local, 'part');
      await say({ path: 'digits', options: ['-r', '5-14', '-o', file] });
      expect(await readFile(file, 'utf8')).toBe('5678901234');
      expect(commands()).toEqual(expect.arrayContaining(['REST 5', 'RETR digits', 'ABOR']));
    }),
  );

  test(
    'gets the last bytes of a file',
    bench(async ({ ferry, local, say }) => {
      await putObject(ferry, 'digits', '0123456789');
      const file = join(local, 'part');
      await say({ path: 'digits', options: ['-r', '-3', '-o', file] });
      expect(await readFile(file, 'utf8')).toBe('789');
    }),
  );

  test.each(['multicwd', 'nocwd', 'singlecwd'])(
    'puts and gets below directories by the method %s',
    (method) =>
      withBench(curl, {}, async ({ ferry, local, say }) => {
        const { byte } = inject('samples');
        await putObject(ferry, 'x/y/there');
        const file = join(local, 'back');
        const options = ['--ftp-method', method];
        await say(
          { path: 'x/y/a b', options: [...options, '-T', byte.file] },
          { path: 'x/y/a b', options: [...options, '-o', file] },
        );
        await expectSameBytes(file, byte);
        const names = lines(await say({ path: 'x/y/', options: [...options, '-l'] }));
        // Without CWD curl asks for NLST x/y, and what that prints must be good for RETR (RFC 1123 4.1.2.7).
        const prefix = method === 'nocwd' ? 'x/y/' : '';
        expect(names).toEqual([`${prefix}a b`, `${prefix}there`]);
      }),
  );

  test(
    'asks for the header of a file',
    bench(async ({ ferry, say }) => {
      await putObject(ferry, 'digits', '0123456789');
      expect(lines(await say({ path: 'digits', options: ['-I'] }))).toEqual([
        expect.stringMatching(/^Last-Modified: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
        'Content-Length: 10',
        'Accept-ranges: bytes',
      ]);
    }),
  );

  test(
    'deletes a file after it has got it',
    bench(async ({ ferry, local, say }) => {
      await putObject(ferry, 'digits', '0123456789');
      const file = join(local, 'back');
      await say({ path: 'digits', options: ['-o', file, '-Q', '-DELE digits'] });
      expect(await readFile(file, 'utf8')).toBe('0123456789');
      expect(await keysOf(ferry)).toEqual([]);
    }),
  );

  test(
    'goes on with a broken upload by -C -: SIZE and APPE',
    bench(async ({ ferry, local, say, commands, transfers }) => {
      const file = await breakOff(ferry, local, 'broken');
      await say({ path: 'broken', options: ['-C', '-', '-T', file] });
      expect(commands().slice(-6)).toEqual(expect.arrayContaining(['SIZE broken', 'APPE broken']));
      expect(transfers().at(-1)).toMatchObject({ verb: 'APPE', bytes: FILE.length - DURABLE, code: 226 });
      await expectObject(ferry, 'broken', FILE);
    }),
  );

  test(
    'appends to a new name',
    bench(async ({ ferry, say }) => {
      await say({ path: 'new', options: ['-a', '-T', inject('samples').byte.file] });
      expect(await objectSize(ferry, 'new')).toBe(1);
    }),
  );

  test(
    'puts what it reads from a pipe',
    bench(async ({ ferry, at }) => {
      await execute('curl', [...curlOptions(at), '-T', '-', urlOf(at, 'piped')], {
        home: at.home,
        input: 'as it comes',
      });
      expect(await getObject(ferry, 'piped')).toBe('as it comes');
    }),
  );

  test(
    'finds in S3 the line ends that it made of its own in TYPE A',
    bench(async ({ ferry, local, say }) => {
      const file = join(local, 'text');
      await writeFile(file, 'one\ntwo\n');
      await say({ path: 'text', options: ['-B', '-T', file] });
      expect(await getObject(ferry, 'text')).toBe('one\r\ntwo\r\n');
    }),
  );

  test(
    'gets several files of several directories over one connection',
    bench(async ({ ferry, at, local, commands }) => {
      const names = ['a/1', 'a/2', 'b/c/3', '4'];
      for (const name of names) await putObject(ferry, name, `this is ${name}`);
      const files = names.map((_, index) => join(local, String(index)));
      const goals = names.flatMap((name, index) => ['-o', files[index] ?? '', urlOf(at, name)]);
      await execute('curl', [...curlOptions(at), ...goals], { home: at.home });
      expect(await Promise.all(files.map((file) => readFile(file, 'utf8')))).toEqual(
        names.map((name) => `this is ${name}`),
      );
      expect(commands().filter((command) => command === 'PASS ***')).toHaveLength(1);
    }),
  );

  test(
    'tells by its status that a file is missing and that a password is wrong',
    bench(async ({ at, say }) => {
      await expect(say({ path: 'missing', options: [] })).rejects.toThrow('status 78');
      await expect(
        execute('curl', [...curlOptions({ ...at, password: 'wrong' }), urlOf(at, '')], { home: at.home }),
      ).rejects.toThrow('status 67');
    }),
  );

  test.each(
    (
      [
        { command: 'PASV', mode: 'passive', options: ['--disable-epsv'] },
        { command: 'PORT', mode: 'active', options: ['--disable-eprt'] },
      ] as const
    ).filter(isOffered),
  )('puts and gets with $command alone', ({ command, mode, options }) =>
    withBench(curl, { mode }, async ({ local, say, commands }) => {
      await putAndGet(local, say, options);
      expect(commands().filter((each) => each.startsWith(command))).toHaveLength(2);
    }),
  );
});

/** Whether this machine has the IPv6 loopback address. */
async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(0, '::1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

async function putAndGet(
  local: string,
  say: Bench<CurlLine>['say'],
  options: readonly string[],
): Promise<void> {
  const { mebibyte } = inject('samples');
  const file = join(local, 'back');
  await say(
    { path: 'a', options: [...options, '-T', mebibyte.file] },
    { path: 'a', options: [...options, '-o', file] },
  );
  await expectSameBytes(file, mebibyte);
}

test.for(
  (
    [
      { command: 'EPSV', mode: 'passive' },
      { command: 'EPRT |2|::1|', mode: 'active' },
    ] as const
  ).filter(isOffered),
)('curl puts, gets and lists over IPv6 with $command', async ({ command, mode }, context) => {
  if (!(await hasIpv6())) context.skip('this machine has no ::1');
  await withBench(curl, { mode, env: { FERRY_HOST: '::1' } }, async ({ local, run, say, commands }) => {
    await putAndGet(local, say, []);
    expect(lines(await run(['names']))).toEqual(['a']);
    expect(commands().filter((each) => each.startsWith(command))).toHaveLength(3);
  });
});
