import { join } from 'node:path';
import { Readable } from 'node:stream';
import { enterPassiveModeIPv4 } from 'basic-ftp';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../support/objects.ts';
import { TEST_SECURITY } from '../support/test-tls.ts';
import { type BasicFtpCall, basicFtp } from './support/basic-ftp.ts';
import { type Bench, withBench } from './support/bench.ts';
import { expectObject } from './support/objects.ts';
import { expectSameBytes } from './support/samples.ts';
import { scenarios } from './support/scenarios.ts';
import { makeTree, putTreeObjects } from './support/tree.ts';

scenarios(basicFtp);

describe('basic-ftp', () => {
  const bench = (body: (bench: Bench<BasicFtpCall>) => Promise<void>) => () => withBench(basicFtp, {}, body);

  test(
    'makes directories on the way, and works in the last of them',
    bench(async ({ ferry, say }) => {
      await say(
        (client) => client.ensureDir('one/two three'),
        (client) => client.uploadFrom(Readable.from(['text']), 'a'),
      );
      expect(await keysOf(ferry)).toEqual(['one/', 'one/two three/', 'one/two three/a']);
    }),
  );

  if (TEST_SECURITY === 'plain')
    test(
      'removes a tree that its MKD made, and one that is only implied',
      bench(async ({ ferry, local, run, say }) => {
        await makeTree(join(local, 'made'));
        await run(['putTree', join(local, 'made'), 'made']);
        await putTreeObjects(ferry, 'implied');
        await putObject(ferry, 'stays');
        await say(
          (client) => client.removeDir('made'),
          (client) => client.removeDir('implied'),
        );
        expect(await keysOf(ferry)).toEqual(['stays']);
      }),
    );
  else
    test(
      'is told of an empty file that it closes the connection before its handshake, and nothing is stored',
      bench(async ({ ferry, run, transfers }) => {
        // Of the 426, or of the reset before it.
        await expect(run(['put', inject('samples').empty.file, 'a'])).rejects.toThrow('basic-ftp failed');
        await expect.poll(transfers).toMatchObject([{ verb: 'STOR', code: 426 }]);
        expect(await keysOf(ferry)).toEqual([]);
      }),
    );

  test(
    'asks for size and time of a file',
    bench(async ({ ferry, say }) => {
      await putObject(ferry, 'a b', 'content');
      const answer = await say(
        async (client) => `${await client.size('a b')} bytes\n`,
        async (client) => (await client.lastMod('a b')).toISOString(),
      );
      expect(answer).toMatch(/^7 bytes$/m);
      expect(answer).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z/m);
    }),
  );

  test(
    'puts and gets through PASV alone',
    bench(async ({ ferry, local, say, commands }) => {
      const { mebibyte } = inject('samples');
      const back = join(local, 'back');
      await say(async (client) => {
        client.prepareTransfer = enterPassiveModeIPv4;
        await client.uploadFrom(mebibyte.file, 'a');
        await client.downloadTo(back, 'a');
      });
      await expectObject(ferry, 'a', mebibyte);
      await expectSameBytes(back, mebibyte);
      expect(commands().filter((command) => command === 'PASV')).toHaveLength(2);
    }),
  );
});
