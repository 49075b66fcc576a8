import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { enterPassiveModeIPv4, Client as FtpClient } from 'basic-ftp';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import type { Client } from './support/client.ts';
import { expectObject } from './support/objects.ts';
import { expectSameBytes } from './support/samples.ts';
import { scenarios } from './support/scenarios.ts';
import { makeTree, putTreeObjects } from './support/tree.ts';

/** One call of the library; text that it returns is what it printed. */
type Call = (client: FtpClient) => Promise<unknown>;

const basicFtp: Client<Call> = {
  name: 'basic-ftp',
  programs: [],
  modes: ['passive'],
  steps: {
    mkdir: (name) => (client) => client.send(`MKD ${name}`),
    put: (file, name) => (client) => client.uploadFrom(file, name),
    get: (name, file) => (client) => client.downloadTo(file, name),
    resume: (name, file) => async (client) => client.downloadTo(file, name, (await stat(file)).size),
    list: () => (client) => listBy(client, 'LIST -a'),
    machine: () => (client) => listBy(client, 'MLSD'),
    rename: (from, to) => (client) => client.rename(from, to),
    remove: (name) => (client) => client.remove(name),
    rmdir: (name) => (client) => client.removeEmptyDir(name),
    putTree: (folder, name) => (client) => client.uploadFromDir(folder, name),
    getTree: (name, folder) => (client) => client.downloadToDir(folder, name),
  },
  async run(at, lines) {
    const client = new FtpClient(20_000);
    let written = '';
    client.ftp.log = (line) => {
      // The lines of a listing are left out: what the client made of them is what it is asked for.
      if (/^[<>]/.test(line)) written += `${line}\n`;
    };
    client.ftp.verbose = true;
    try {
      await client.access({ host: at.host, port: at.port, user: at.user, password: at.password });
      for (const line of lines) {
        const answer = await line(client);
        if (typeof answer === 'string') written += answer;
      }
      await client.send('QUIT');
    } catch (error) {
      throw new Error(`basic-ftp failed; it wrote:\n${written}`, { cause: error });
    } finally {
      client.close();
    }
    return written;
  },
};

/** Lists by one command, whatever FEAT says, and prints what the client understood. */
async function listBy(client: FtpClient, command: string): Promise<string> {
  client.availableListCommands = [command];
  const entries = await client.list();
  return entries.map(({ name, size }) => `${size} ${name}\n`).join('');
}

scenarios(basicFtp);

describe('basic-ftp', () => {
  const bench = (body: (bench: Bench<Call>) => Promise<void>) => () => withBench(basicFtp, {}, body);

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
