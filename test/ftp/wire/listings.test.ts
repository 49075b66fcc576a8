import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { dropFiles, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** The lines that a listing sends; its replies must be 150 and 226. */
async function lines(client: RawClient, command: string): Promise<string[]> {
  const { replies, bytes } = await client.download(command);
  expect([command, ...replies.map(({ text }) => text)]).toEqual([
    command,
    '150 Here comes the listing.',
    '226 Listing sent.',
  ]);
  const all = bytes.toString().split('\r\n');
  expect(all.pop(), 'the last line ends, too').toBe('');
  return all;
}

/** Names of `ls -l` lines: what stands behind the eighth run of blanks and one blank. */
async function names(client: RawClient, command: string): Promise<string[]> {
  const line =
    /^[-d]rw[-x]r-[-x]r-[-x] +\d+ owner +group +\d+ [A-Z][a-z]{2} [ \d]\d (?:\d\d:\d\d| \d{4}) (.+)$/;
  return (await lines(client, command)).map((each) => line.exec(each)?.[1] ?? `not a line: ${each}`);
}

/** `dir1` with two files and a directory in it, and a file beside it. */
async function withTree(ferry: Ferry): Promise<RawClient> {
  for (const key of ['dir1/', 'dir1/a.txt', 'dir1/b.csv', 'dir1/sub/c.txt'])
    await putObject(ferry, key, 'hello');
  await putObject(ferry, 'top.txt', 'x');
  return ferry.login();
}

describe('LIST', () => {
  test('sends lines of ls -l, of the current directory', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    const [directory, file] = await lines(client, 'LIST');
    expect(directory).toBe('drwxr-xr-x    2 owner    group               0 Jan  1  2000 dir1');
    expect(file).toMatch(/^-rw-r--r-- {4}1 owner {4}group {15}1 [A-Z][a-z]{2} [ \d]\d \d\d:\d\d top\.txt$/);
  });

  test.each([
    ['LIST dir1', ['a.txt', 'b.csv', 'sub']],
    ['LIST dir1/', ['a.txt', 'b.csv', 'sub']],
    ['LIST /dir1/sub/..', ['a.txt', 'b.csv', 'sub']],
    ['LIST .', ['dir1', 'top.txt']],
    ['LIST ..', ['dir1', 'top.txt']],
    ['LIST /', ['dir1', 'top.txt']],
    ['LIST ', ['dir1', 'top.txt']],
    ['LIST -la', ['dir1', 'top.txt']],
    ['LIST -a', ['dir1', 'top.txt']],
    ['LIST -la dir1', ['a.txt', 'b.csv', 'sub']],
    ['LIST -a -l dir1', ['a.txt', 'b.csv', 'sub']],
    ['LIST -l1 dir1/*.csv', ['b.csv']],
    ['LIST top.txt', ['top.txt']],
    ['LIST dir1/a.txt', ['a.txt']],
    ['LIST -d top.txt', ['top.txt']],
  ])('%s', async (command, expected) => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    expect(await names(client, command)).toEqual(expected);
  });

  test.each(['LIST', 'NLST', 'MLSD'])('%s of what is missing is 550, before 150', async (verb) => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await client.command('EPSV');
    for (const path of ['missing', 'dir1/missing', 'top.txt/below', 'missing/'])
      expect([path, (await client.command(`${verb} ${path}`)).text]).toEqual([
        path,
        '550 No such file or directory.',
      ]);
    await client.command('ABOR');
  });

  test.each(['LIST', 'NLST', 'MLSD'])('%s of an empty directory sends nothing, and 226', async (verb) => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect(await lines(client, verb)).toEqual([]);
    await client.command('MKD empty');
    expect(await lines(client, `${verb} empty`)).toEqual([]);
  });

  test('-R is not served', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await client.command('EPSV');
    for (const line of ['LIST -R', 'LIST -lRa dir1', 'NLST -R'])
      expect((await client.command(line)).text).toBe('504 Recursive listings are not supported.');
    await client.command('ABOR');
  });

  test('shows what others write at once', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect(await names(client, 'LIST')).toEqual([]);
    await putObject(ferry, 'new.txt', 'x');
    expect(await names(client, 'LIST')).toEqual(['new.txt']);
    await putObject(ferry, 'sub/deep.txt', 'x');
    expect(await names(client, 'LIST')).toEqual(['new.txt', 'sub']);
  });

  test('shows names that are hard to read, verbatim', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const hard = [
      ' lead',
      '  two',
      'trail ',
      'in  side',
      '"quoted"',
      "it's",
      '-dash',
      'n\u00e9',
      'ne\u0301',
      '日本',
      '😀',
      '.dot',
      'a->b',
      '100%',
      'a+b',
      '*',
      '[x]',
      '\\',
      '~',
    ];
    for (const name of hard) await putObject(ferry, name, 'x');
    for (const command of ['LIST', 'LIST -a'])
      expect((await names(client, command)).sort()).toEqual(hard.toSorted());
    expect((await lines(client, 'NLST')).sort()).toEqual(hard.toSorted());
    expect((await lines(client, 'MLSD')).map((line) => line.replace(/^\S*; /, '')).sort()).toEqual(
      hard.toSorted(),
    );
    for (const name of hard)
      expect([name, (await client.command(`SIZE ${name}`)).text]).toEqual([name, '213 1']);
    expect(await names(client, 'LIST ./-dash')).toEqual(['-dash']);
    expect(await names(client, 'LIST  lead')).toEqual([' lead']);
  });

  test('shows all of 2,500 entries, over three pages, once', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const many = Array.from({ length: 2500 }, (_, index) => `file-${String(index).padStart(4, '0')}`);
    await dropFiles(ferry, 'many', many);
    expect(await names(client, 'LIST many')).toEqual(many);
    expect(await lines(client, 'NLST many')).toEqual(many.map((name) => `many/${name}`));
    expect((await lines(client, 'MLSD many')).map((line) => line.split(' ')[1])).toEqual(many);
    expect(await lines(client, 'NLST many/*99')).toHaveLength(25);
    expect((await client.command('STAT many')).text.split('\r\n')).toHaveLength(2502);
  });
});

describe('NLST', () => {
  test.each([
    ['NLST', ['dir1', 'top.txt']],
    ['NLST .', ['dir1', 'top.txt']],
    ['NLST dir1', ['dir1/a.txt', 'dir1/b.csv', 'dir1/sub']],
    ['NLST dir1/', ['dir1/a.txt', 'dir1/b.csv', 'dir1/sub']],
    ['NLST /dir1', ['/dir1/a.txt', '/dir1/b.csv', '/dir1/sub']],
    ['NLST /', ['/dir1', '/top.txt']],
    ['NLST -l dir1', ['dir1/a.txt', 'dir1/b.csv', 'dir1/sub']],
    ['NLST top.txt', ['top.txt']],
    ['NLST dir1/a.txt', ['dir1/a.txt']],
    ['NLST *.txt', ['top.txt']],
    ['NLST dir1/*.csv', ['dir1/b.csv']],
    ['NLST /dir1/?.csv', ['/dir1/b.csv']],
  ])('%s sends names that RETR takes', async (command, expected) => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    expect(await lines(client, command)).toEqual(expected);
  });

  test('from within a directory', async () => {
    await using ferry = await startFerry();
    using client = await withTree(ferry);
    await client.command('CWD dir1');
    expect(await lines(client, 'NLST')).toEqual(['a.txt', 'b.csv', 'sub']);
    expect(await lines(client, 'NLST ..')).toEqual(['../dir1', '../top.txt']);
    expect(await lines(client, 'NLST *.txt')).toEqual(['a.txt']);
  });
});

describe('patterns', () => {
  test.each([
    ['*', ['a.csv', 'a.txt', 'ab.txt', 'b.txt', 'dir', 'some[0]']],
    ['*.txt', ['a.txt', 'ab.txt', 'b.txt']],
    ['a*', ['a.csv', 'a.txt', 'ab.txt']],
    ['?.txt', ['a.txt', 'b.txt']],
    ['[ab].txt', ['a.txt', 'b.txt']],
    ['[!a]*.txt', ['b.txt']],
    ['d*', ['dir']],
    ['*.none', []],
    ['dir/*', ['dir/inside.txt']],
    ['dir/i*', ['dir/inside.txt']],
    ['dir/none*', []],
    // A name that is there is meant, whatever it looks like.
    ['some[0]', ['some[0]/in.txt']],
  ])('NLST %s', async (pattern, expected) => {
    await using ferry = await startFerry();
    const keys = ['a.csv', 'a.txt', 'ab.txt', 'b.txt', 'dir/inside.txt', 'some[0]/in.txt'];
    for (const key of keys) await putObject(ferry, key, 'x');
    using client = await ferry.login();
    expect(await lines(client, `NLST ${pattern}`)).toEqual(expected);
  });

  test('below a directory that does not exist are 550', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('EPSV');
    await dialogue(client, 'C: NLST no/*.txt\nS: 550 …\nC: LIST no/*\nS: 550 …\nC: ABOR\nS: 225 …');
  });

  test('mean themselves to all other commands', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'x');
    await client.command('EPSV');
    await dialogue(
      client,
      `C: RETR *
       S: 550 …
       C: MLSD *
       S: 550 …
       C: MLST a*
       S: 550 …
       C: SIZE *.txt
       S: 550 …
       C: DELE *
       S: 550 …
       C: ABOR
       S: 225 …`,
    );
  });
});

describe('objects of other writers', () => {
  test('markers are hidden, and empty segments and dot segments are shown escaped', async () => {
    await using ferry = await startFerry();
    for (const key of ['dir/', 'dir/a.txt', 'dir//b.txt', 'dir/./c.txt', 'dir/../d.txt', 'dir/sub/'])
      await putObject(ferry, key, 'x');
    using client = await ferry.login();
    expect((await names(client, 'LIST dir')).sort()).toEqual(['%()', '%(2E)', '%(2E).', 'a.txt', 'sub']);
    expect(await names(client, 'LIST dir/%()')).toEqual(['b.txt']);
    expect(await names(client, 'LIST dir/sub')).toEqual([]);
  });

  test('names that no line can carry are escaped, and forge nothing', async () => {
    await using ferry = await startFerry();
    for (const key of ['a\nb', 'c\rd', 'good', 'tab\there', 'bell\x07', 'line\r\n226 Forged.'])
      await putObject(ferry, key, 'x');
    using client = await ferry.login();
    expect(await lines(client, 'NLST')).toEqual([
      'a%(0A)b',
      'bell%(07)',
      'c%(0D)d',
      'good',
      'line%(0D)%(0A)226 Forged.',
      'tab%(09)here',
    ]);
    expect(await lines(client, 'MLSD')).toHaveLength(6);
    expect((await client.command('STAT .')).text).not.toMatch(/^226/m);
  });

  test('a name that is both file and directory is listed once, as the directory, and the file is reachable', async () => {
    await using ferry = await startFerry();
    for (const key of ['both', 'both-1', 'both/a.txt', 'bothy']) await putObject(ferry, key, 'xyz');
    using client = await ferry.login();
    expect(await lines(client, 'NLST')).toEqual(expect.arrayContaining(['both', 'both-1', 'bothy']));
    const both = (await lines(client, 'LIST')).filter((line) => line.endsWith(' both'));
    expect(both).toEqual([expect.stringMatching(/^d/)]);
    expect(await lines(client, 'NLST both')).toEqual(['both/a.txt']);
    await dialogue(client, 'C: SIZE both\nS: 213 3\nC: CWD both\nS: 250 …\nC: DELE /both\nS: 250 …');
    expect(await lines(client, 'NLST')).toEqual(['a.txt']);
  });
});
