import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** Lines of a listing, as they came. */
async function lines(client: RawClient, command: string): Promise<string[]> {
  const { replies, bytes } = await client.download(command);
  expect(
    replies.map(({ code }) => code),
    command,
  ).toEqual([150, 226]);
  return bytes.toString().split('\r\n').slice(0, -1);
}

async function withKeys(keys: readonly string[], settings = {}): Promise<Ferry> {
  const ferry = await startFerry(settings);
  for (const key of keys) await putObject(ferry, key, key);
  return ferry;
}

/** All files below a directory, by what NLST and MLSD show: path and content. */
async function walk(client: RawClient, directory: string): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const line of await lines(client, `MLSD ${directory}`)) {
    const name = line.replace(/^\S*; /, '');
    const path = `${directory === '/' ? '' : directory}/${name}`;
    if (line.startsWith('type=dir')) found.push(...(await walk(client, path)));
    else found.push([path, (await client.download(`RETR ${path}`)).bytes.toString()]);
  }
  return found;
}

describe('keys that no path leads to as they are', () => {
  const AWKWARD = [
    '/leading',
    '//two',
    'a//b',
    'a///c',
    'a/./d',
    'a/../e',
    'a\nb',
    'a\r\n226 Forged.',
    'bell\x07/in it',
    'nel\x85',
    '%(0A)',
    '%(41)',
    '%()/x',
    'plain',
  ];

  test('are all listed, and reached by the names that are listed', async () => {
    await using ferry = await withKeys(AWKWARD);
    using client = await ferry.login();
    const found = await walk(client, '/');
    expect(found.map(([, content]) => content).sort()).toEqual(AWKWARD.toSorted());
    for (const [path, content] of found) {
      expect((await client.command(`SIZE ${path}`)).text).toBe(`213 ${Buffer.byteLength(content)}`);
      expect((await client.command(`MLST ${path}`)).text).toContain(`; ${path}\r\n`);
    }
  });

  test('are shown by the documented rule in every listing', async () => {
    await using ferry = await withKeys(['a//b', 'a/\n', 'a/./x', 'a/../x', 'a/ok']);
    using client = await ferry.login();
    const names = ['%(0A)', '%(2E)', '%(2E).', '%()', 'ok'];
    expect((await lines(client, 'NLST a')).sort()).toEqual(names.map((name) => `a/${name}`).sort());
    const list = await lines(client, 'LIST a');
    expect(list.map((line) => line.slice(line.lastIndexOf(' ') + 1)).sort()).toEqual(names.toSorted());
    const { text } = await client.command('STAT a');
    for (const name of names) expect(text).toContain(` ${name}\r\n`);
  });

  test('can be entered, and PWD tells a name that leads there again', async () => {
    await using ferry = await withKeys(['/x', 'a//b', 'bell\x07/c']);
    using client = await ferry.login();
    await dialogue(
      client,
      `C: CWD %()
       S: 250 …
       C: SIZE x
       S: 213 2
       C: CWD /a/%()
       S: 250 …
       C: PWD
       S: 257 "/a/%()" is the current directory.
       C: CDUP
       S: 250 …
       C: CWD /bell\x07
       S: 250 …
       C: PWD
       S: 257 "/bell%(07)" is the current directory.
       C: CWD /bell%(07)
       S: 250 …`,
    );
  });

  test('can be written, renamed and deleted', async () => {
    await using ferry = await withKeys(['a//b', 'old\nname']);
    using client = await ferry.login();
    expect((await client.upload('STOR a/%()/new', 'x'))[1].code).toBe(226);
    await dialogue(
      client,
      `C: RNFR old%(0A)name
       S: 350 …
       C: RNTO name
       S: 250 …
       C: DELE a/%()/b
       S: 250 …
       C: MKD %(2E).
       S: 257 "/%(2E)." created.
       C: RMD %(2E).
       S: 250 …`,
    );
    expect(await keysOf(ferry)).toEqual(['a//new', 'name']);
  });

  test('are found by patterns, as they are shown', async () => {
    await using ferry = await withKeys(['in/x\ny', 'in/x%(41)', 'in/xz', 'in//']);
    using client = await ferry.login();
    expect(await lines(client, 'NLST in/x%(0*')).toEqual(['in/x%(0A)y']);
    expect((await lines(client, 'NLST in/x*')).sort()).toEqual(['in/x%(0A)y', 'in/x%(41)', 'in/xz']);
    expect(await lines(client, 'NLST in/%*')).toEqual(['in/%()']);
  });
});

test('a name of nothing is a directory only, never the marker of the one that holds it', async () => {
  await using ferry = await withKeys(['a/', 'a/b']);
  using client = await ferry.login();
  for (const line of ['SIZE a/%()', 'RETR a/%()', 'DELE a/%()', 'RNFR a/%()', 'MLST a/%()', 'CWD a/%()'])
    expect([line, (await client.command(line)).code]).toEqual([line, 550]);
  for (const line of ['SIZE %()', 'DELE %()', 'RNFR %()', 'MLST %()', 'LIST %()'])
    expect([line, (await client.command(line)).code]).toEqual([line, 550]);
  await client.command('EPSV');
  for (const line of ['STOR a/%()', 'STOR %()'])
    expect([line, (await client.command(line)).code]).toEqual([line, 553]);
  await client.command('ABOR');
  expect(await keysOf(ferry)).toEqual(['a/', 'a/b']);
});

test('only what the server would write is an escape: all else keeps its bytes as key', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const names = ['%(41)', '%(0a)', '%(142)', '100%', '%2e%2e', '%(25)', '%(110000)'];
  for (const name of names) await client.upload(`STOR ${name}`, name);
  expect(await keysOf(ferry)).toEqual(names.toSorted());
  expect((await lines(client, 'NLST')).sort()).toEqual(names.toSorted());
});

test('the bytes of the key are what its limit counts, not those of the name', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const name = '%(07)'.repeat(200);
  expect((await client.upload(`STOR ${name}`, 'x'))[1].code).toBe(226);
  expect(await keysOf(ferry)).toEqual(['\x07'.repeat(200)]);
  await client.command('EPSV');
  expect((await client.command(`STOR ${'%(07)'.repeat(1025)}`)).code).toBe(553);
  await client.command('ABOR');
});

describe('what Ferry keeps for itself', () => {
  test.each(['', 'home'])('is not shown, not reached and not written, prefix "%s"', async (prefix) => {
    const at = prefix && `${prefix}/`;
    const own = `${at}.ferry/kept`;
    await using ferry = await withKeys([own, `${at}.ferryman`, `${at}sub/.ferry/x`], {
      FERRY_PREFIX: prefix,
    });
    await putObject(ferry, `${at}.ferry`, 'no');
    using client = await ferry.login();
    expect(await lines(client, 'NLST')).toEqual(['.ferryman', 'sub']);
    expect(await lines(client, 'NLST .f*')).toEqual(['.ferryman']);
    await client.command('EPSV');
    for (const path of ['.ferry', '.ferry/kept', '/sub/../.ferry', '.ferry/%()'])
      for (const verb of ['SIZE', 'RETR', 'CWD', 'LIST', 'MLST', 'DELE', 'RNFR', 'MKD', 'STOR', 'APPE']) {
        const { code } = await client.command(`${verb} ${path}`);
        expect([verb, path, [550, 553].includes(code)]).toEqual([verb, path, true]);
      }
    await client.command('ABOR');
    await dialogue(client, 'C: RNFR .ferryman\nS: 350 …\nC: RNTO .ferry\nS: 550 …');
    expect(await getObject(ferry, own)).toBe(own);
    // Elsewhere the name is like any other.
    expect(await lines(client, 'NLST sub/.ferry')).toEqual(['sub/.ferry/x']);
  });
});
