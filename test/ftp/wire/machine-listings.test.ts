import { describe, expect, test } from 'vitest';
import { parseList } from '../../../node_modules/basic-ftp/dist/parseList.js';
import { dialogue } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** RFC 3659 7.2: facts, each ended by `;`, one blank, the name. */
const ENTRY = /^((?:[A-Za-z][A-Za-z.-]*=[^\s;]*;)*) (.+)$/;

function facts(line: string): Record<string, string> {
  const [, list = '', name = ''] = ENTRY.exec(line) ?? [];
  const pairs = list.split(';').filter(Boolean);
  return { ...Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/).slice(0, 2))), name };
}

async function machineList(client: RawClient, command = 'MLSD'): Promise<Record<string, string>[]> {
  const { replies, bytes } = await client.download(command);
  expect(replies.map(({ code }) => code)).toEqual([150, 226]);
  return bytes.toString().split('\r\n').slice(0, -1).map(facts);
}

async function withTree(ferry: Ferry): Promise<RawClient> {
  await putObject(ferry, 'dir/', '');
  await putObject(ferry, 'dir/a file.txt', 'hello');
  await putObject(ferry, 'dir/sub/deep', 'x');
  return ferry.login();
}

describe('MLSD', () => {
  test('gives the facts of each entry by the grammar, in every type', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    for (const type of ['I', 'A']) {
      await client.command(`TYPE ${type}`);
      const [file, directory, ...others] = await machineList(client, 'MLSD dir');
      expect(others).toEqual([]);
      expect(file).toEqual({
        type: 'file',
        size: '5',
        modify: expect.stringMatching(/^20\d{12}$/),
        perm: 'adfrw',
        unique: expect.stringMatching(/^[\w-]+$/),
        name: 'a file.txt',
      });
      expect(directory).toEqual({
        type: 'dir',
        modify: '20000101000000',
        perm: 'cdeflmp',
        unique: expect.stringMatching(/^[\w-]+$/),
        name: 'sub',
      });
    }
  });

  test('takes one directory to the end of the line, no options and no patterns', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await client.command('CWD dir');
    for (const command of ['MLSD', 'MLSD .', 'MLSD /dir', 'MLSD ../dir/'])
      expect((await machineList(client, command)).map(({ name }) => name)).toEqual(['a file.txt', 'sub']);
    await client.command('EPSV');
    await dialogue(
      client,
      `C: MLSD a file.txt
       S: 501 Not a directory.
       C: MLSD -la
       S: 550 No such file or directory.
       C: MLSD s*
       S: 550 No such file or directory.
       C: ABOR
       S: 225 …`,
    );
  });

  test('gives a unique fact that is the same in every listing and differs between entries', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    const [file, directory] = await machineList(client, 'MLSD dir');
    expect(file?.unique).not.toBe(directory?.unique);
    expect((await machineList(client, 'MLSD /dir/sub/..')).map(({ unique }) => unique)).toEqual([
      file?.unique,
      directory?.unique,
    ]);
    const { text } = await client.command('MLST dir/a file.txt');
    expect(text).toContain(`;unique=${file?.unique};`);
  });

  test('gives what OPTS MLST has selected, in a fixed order, and nothing but names for none', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await client.command('OPTS MLST unix.mode;size;TYPE;UNIX.owner;unix.group;');
    expect((await client.download('MLSD dir')).bytes.toString().split('\r\n')).toEqual([
      'type=file;size=5;UNIX.mode=0644;UNIX.owner=owner;UNIX.group=group; a file.txt',
      'type=dir;UNIX.mode=0755;UNIX.owner=owner;UNIX.group=group; sub',
      '',
    ]);
    await client.command('OPTS MLST');
    expect((await client.download('MLSD dir')).bytes.toString()).toBe(' a file.txt\r\n sub\r\n');
    await dialogue(client, 'C: MLST dir/a file.txt\nS: 250-…\nS:   /dir/a file.txt\nS: 250 …');
  });

  test('shows a modification time that MDTM and LIST agree with', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    const [file] = await machineList(client, 'MLSD dir');
    const modify = file?.modify ?? '';
    await dialogue(client, `C: MDTM dir/a file.txt\nS: 213 ${modify}`);
    const list = (await client.download('LIST dir/a file.txt')).bytes.toString();
    expect(list).toContain(` ${modify.slice(8, 10)}:${modify.slice(10, 12)} a file.txt`);
  });
});

describe('MLST', () => {
  test('gives the facts over the control connection, with the full path', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await dialogue(
      client,
      `C: CWD dir
       S: 250 Directory changed.
       C: MLST a file.txt
       S: 250-Listing…
       S:  type=file;size=5;modify=…;perm=adfrw;unique=…; /dir/a file.txt
       S: 250 End
       C: MLST
       S: 250-Listing…
       S:  type=dir;modify=20000101000000;perm=cdeflmp;unique=…; /dir
       S: 250 End
       C: MLST sub/
       S: 250-Listing…
       S:  type=dir;modify=…;perm=cdeflmp;unique=…; /dir/sub
       S: 250 End
       C: MLST /
       S: 250-Listing…
       S:  type=dir;modify=…;perm=…;unique=…; /
       S: 250 End
       C: MLST missing
       S: 550 No such file or directory.`,
    );
  });

  test('says of a name that is both what MLSD says of it: a directory', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'both', 'xyz');
    await putObject(ferry, 'both/a.txt', 'x');
    using client = await ferry.login();
    const [entry] = await machineList(client);
    expect(entry?.type).toBe('dir');
    expect((await client.command('MLST both')).text).toContain(' type=dir;');
  });

  test('says of the current directory that it is one, even where a file has its name', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'both', 'xyz');
    await putObject(ferry, 'both/a.txt', 'x');
    using client = await ferry.login();
    await dialogue(client, 'C: CWD both\nS: 250 …\nC: MLST\nS: 250-…\nS:  type=dir;… /both\nS: 250 …');
  });
});

describe('STAT with a path', () => {
  test('lists a directory with 212, a file with 213, and indents each line', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await dialogue(
      client,
      `C: STAT dir
       S: 212-Status follows:
       S:  -rw-r--r-- …            5 … a file.txt
       S:  drwxr-xr-x …            0 Jan  1  2000 sub
       S: 212 End of status.
       C: STAT -la dir/a file.txt
       S: 213-Status follows:
       S:  -rw-r--r-- …            5 … a file.txt
       S: 213 End of status.
       C: STAT .
       S: 212-Status follows:
       S:  drwxr-xr-x …            0 Jan  1  2000 dir
       S: 212 End of status.
       C: STAT dir/s*
       S: 212-Status follows:
       S:  drwxr-xr-x …            0 Jan  1  2000 sub
       S: 212 End of status.
       C: STAT missing
       S: 550 No such file or directory.
       C: STAT -R
       S: 504 Recursive listings are not supported.`,
    );
  });

  test('of an empty directory has no lines', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(client, 'C: STAT /\nS: 212-Status follows:\nS: 212 End of status.');
  });
});

test('the parsers of basic-ftp read both kinds of listing', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  for (const name of ['a.txt', 'with  blanks .txt', 'né', '-dash', '"q"'])
    await putObject(ferry, name, 'hello');
  await client.command('MKD sub dir');
  const wanted = ['"q"', '-dash', 'a.txt', 'né', 'sub dir', 'with  blanks .txt'];
  for (const command of ['LIST', 'MLSD']) {
    const entries = parseList((await client.download(command)).bytes.toString());
    expect(entries.map(({ name }) => name).sort()).toEqual(wanted);
    expect(entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)).toEqual(['sub dir']);
    expect(entries.filter(({ isFile }) => isFile).every(({ size }) => size === 5)).toBe(true);
  }
});
