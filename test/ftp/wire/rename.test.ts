import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';

describe('RNFR and RNTO', () => {
  test('move a file, also into another directory', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'hello');
    using client = await ferry.login();
    await client.command('MKD dir');
    await dialogue(
      client,
      `C: RNFR a.txt
       S: 350 Send RNTO with the new name.
       C: RNTO b.txt
       S: 250 Renamed.
       C: RNFR b.txt
       S: 350 Send RNTO with the new name.
       C: RNTO dir/c.txt
       S: 250 Renamed.
       C: RNFR a.txt
       S: 550 No such file or directory.`,
    );
    expect(await keysOf(ferry)).toEqual(['dir/', 'dir/c.txt']);
    expect(await getObject(ferry, 'dir/c.txt')).toBe('hello');
  });

  test('replace a file that is there, as uploads under a temporary name need', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.tmp', 'new');
    await putObject(ferry, 'a.txt', 'old');
    using client = await ferry.login();
    await dialogue(client, 'C: RNFR a.tmp\nS: 350 …\nC: RNTO a.txt\nS: 250 Renamed.');
    expect(await keysOf(ferry)).toEqual(['a.txt']);
    expect(await getObject(ferry, 'a.txt')).toBe('new');
  });

  test('of one name with itself is 250 and changes nothing', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'hello');
    await putObject(ferry, 'dir/b.txt', 'hello');
    using client = await ferry.login();
    await dialogue(client, 'C: RNFR a.txt\nS: 350 …\nC: RNTO ./a.txt\nS: 250 Renamed.');
    await dialogue(client, 'C: RNFR dir\nS: 350 …\nC: RNTO dir/\nS: 250 Renamed.');
    expect(await keysOf(ferry)).toEqual(['a.txt', 'dir/b.txt']);
  });

  test('move a directory of 30 files whole', async () => {
    await using ferry = await startFerry();
    const names = Array.from({ length: 30 }, (_, index) => `${index % 3 ? '' : 'sub/'}file-${index}`).sort();
    for (const name of names) await putObject(ferry, `old/${name}`, name);
    await putObject(ferry, 'older', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: CWD old
       S: 250 …
       C: CWD /
       S: 250 …
       C: RNFR old
       S: 350 Send RNTO with the new name.
       C: RNTO new
       S: 250 Renamed.
       C: CWD old
       S: 550 No such file or directory.
       C: CWD new/sub
       S: 250 Directory changed.`,
    );
    expect(await keysOf(ferry)).toEqual([...names.map((name) => `new/${name}`), 'older']);
    expect(await getObject(ferry, `new/${names[7]}`)).toBe(names[7]);
  });

  test('move an empty directory', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      'C: MKD old\nS: 257 …\nC: RNFR old\nS: 350 …\nC: RNTO new\nS: 250 …\nC: RMD old\nS: 550 …',
    );
    expect(await keysOf(ferry)).toEqual(['new/']);
  });

  test('of more entries than FERRY_MAX_RENAME move nothing', async () => {
    await using ferry = await startFerry({ FERRY_MAX_RENAME: '2' });
    for (const key of ['dir/a', 'dir/b', 'dir/c']) await putObject(ferry, key, 'x');
    using client = await ferry.login();
    await dialogue(client, 'C: RNFR dir\nS: 350 …\nC: RNTO new\nS: 552 …');
    expect(await keysOf(ferry)).toEqual(['dir/a', 'dir/b', 'dir/c']);
  });
});

describe('RNFR', () => {
  test('of what is missing, or the root, is 550 and forgets an earlier one', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'hello');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: RNFR a.txt
       S: 350 …
       C: RNFR missing
       S: 550 No such file or directory.
       C: RNTO b.txt
       S: 503 Send RNFR first.
       C: RNFR /
       S: 550 Permission denied.
       C: RNTO b.txt
       S: 503 Send RNFR first.`,
    );
    expect(await keysOf(ferry)).toEqual(['a.txt']);
  });

  test('is replaced by the next, and kept over other commands', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a', '1');
    await putObject(ferry, 'b', '2');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: RNFR a
       S: 350 …
       C: RNFR b
       S: 350 …
       C: NOOP
       S: 200 …
       C: PASV
       S: 227 …
       C: ABOR
       S: 225 …
       C: SIZE a
       S: 213 1
       C: RNTO c
       S: 250 Renamed.`,
    );
    expect(await keysOf(ferry)).toEqual(['a', 'c']);
  });
});

describe('RNTO', () => {
  test('without RNFR is 503', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(client, 'C: RNTO a\nS: 503 Send RNFR first.');
  });

  test('is used up by success and by failure', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a', '1');
    using client = await ferry.login();
    await dialogue(client, 'C: RNFR a\nS: 350 …\nC: RNTO no/b\nS: 550 …\nC: RNTO b\nS: 503 Send RNFR first.');
    await dialogue(client, 'C: RNFR a\nS: 350 …\nC: RNTO b\nS: 250 …\nC: RNTO c\nS: 503 Send RNFR first.');
  });

  test.each([
    ['a file onto a directory that was made', 'file', 'made'],
    ['a file onto an implied directory', 'file', 'implied'],
    ['a file onto the root', 'file', '/'],
    ['a directory onto a directory', 'dir', 'made'],
    ['a directory into itself', 'dir', 'dir/sub/new'],
    ['a file below a missing directory', 'file', 'missing/new'],
    ['a directory below a missing directory', 'dir', 'missing/new'],
    ['a file below a file', 'file', 'other/new'],
  ])('of %s is 550, and all stays as it was', async (_, from, to) => {
    await using ferry = await startFerry();
    const keys = ['dir/sub/a', 'file', 'implied/a', 'made/', 'other'];
    for (const key of keys) await putObject(ferry, key, 'x');
    using client = await ferry.login();
    await dialogue(client, `C: RNFR ${from}\nS: 350 …\nC: RNTO ${to}\nS: 550 …`);
    expect(await keysOf(ferry)).toEqual(keys);
  });

  test('of a directory onto a file is refused, and both stay', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'dir/a', 'x');
    await putObject(ferry, 'file', 'x');
    using client = await ferry.login();
    await client.command('RNFR dir');
    expect((await client.command('RNTO file')).code).toBeOneOf([550, 553]);
    expect(await keysOf(ferry)).toEqual(['dir/a', 'file']);
  });

  test('to a name that cannot be is 553', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a', '1');
    using client = await ferry.login();
    for (const name of ['x'.repeat(1025), 'a\0b']) {
      await client.command('RNFR a');
      await dialogue(client, `C: RNTO ${name}\nS: 553 File name not allowed.`);
    }
  });

  test('of a file that has gone meanwhile is 550', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a', '1');
    using client = await ferry.login();
    using other = await ferry.login();
    await dialogue(client, 'C: RNFR a\nS: 350 …');
    await other.command('DELE a');
    await dialogue(client, 'C: RNTO b\nS: 550 No such file or directory.');
  });
});
