import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { keysOf, putObject } from '../../support/objects.ts';

describe('CWD, CDUP and PWD', () => {
  test('go down and up, and tell where that is', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a/b/c.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: CWD a
       S: 250 Directory changed.
       C: CWD b/
       S: 250 Directory changed.
       C: PWD
       S: 257 "/a/b" is the current directory.
       C: CDUP
       S: 250 Directory changed.
       C: PWD
       S: 257 "/a" is the current directory.
       C: CWD /a//./b/../b
       S: 250 Directory changed.
       C: CWD .
       S: 250 Directory changed.
       C: PWD
       S: 257 "/a/b" is the current directory.
       C: CWD /
       S: 250 Directory changed.
       C: PWD
       S: 257 "/" is the current directory.`,
    );
  });

  test('stop at the root, however many .. there are', async () => {
    await using ferry = await startFerry({ FERRY_PREFIX: 'tenant' });
    await putObject(ferry, 'other/secret.txt', 'x');
    await putObject(ferry, 'tenant/a/b.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: CDUP
       S: 250 Directory changed.
       C: CWD ..
       S: 250 Directory changed.
       C: CWD a/../../../../a
       S: 250 Directory changed.
       C: PWD
       S: 257 "/a" is the current directory.
       C: CWD ../../other
       S: 550 No such file or directory.
       C: SIZE /../other/secret.txt
       S: 550 No such file or directory.
       C: CWD %2e%2e
       S: 550 No such file or directory.
       C: CWD ..\\..
       S: 550 No such file or directory.`,
    );
  });

  test('to what is missing or a file is 550, and stays where it was', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'x');
    await putObject(ferry, 'abc/d.txt', 'x');
    using client = await ferry.login();
    for (const path of ['missing', 'a.txt', 'a.txt/', 'ab', 'abc/d', '~'])
      expect([path, (await client.command(`CWD ${path}`)).text]).toEqual([
        path,
        '550 No such file or directory.',
      ]);
    await dialogue(
      client,
      'C: PWD\nS: 257 "/" is the current directory.\nC: CWD\nS: 501 Syntax: CWD <directory>',
    );
  });

  test('double the quotes of a name in 257, which then leads back', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: MKD say "hi"
       S: 257 "/say ""hi""" created.
       C: CWD say "hi"
       S: 250 Directory changed.
       C: PWD
       S: 257 "/say ""hi""" is the current directory.
       C: MKD "
       S: 257 "/say ""hi""/""" created.
       C: CWD /say "hi"/"
       S: 250 Directory changed.`,
    );
  });

  test('keep names as they were sent, composed or decomposed', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      'C: MKD n\u00e9\nS: 257 "/n\u00e9" created.\nC: MKD ne\u0301\nS: 257 "/ne\u0301" created.',
    );
    expect(await keysOf(ferry)).toEqual(['ne\u0301/', 'n\u00e9/']);
  });

  test('cannot have a line forged into their replies by a name', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'bell\x07/a', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      'C: CWD bell\x07\nS: 250 …\nC: PWD\nS: 257 "/bell%(07)" is the current directory.',
    );
  });
});

describe('MKD', () => {
  test('makes a marker, and tells the full path', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: MKD a
       S: 257 "/a" created.
       C: CWD a
       S: 250 Directory changed.
       C: MKD b/
       S: 257 "/a/b" created.
       C: MKD /a/b/../c
       S: 257 "/a/c" created.`,
    );
    expect(await keysOf(ferry)).toEqual(['a/', 'a/b/', 'a/c/']);
  });

  test('of what exists is 550: a directory made or implied, a file, the root', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'file', 'x');
    await putObject(ferry, 'implied/a', 'x');
    using client = await ferry.login();
    await client.command('MKD made');
    for (const path of ['made', 'implied', 'file', '/', '.', 'made/..'])
      expect([path, (await client.command(`MKD ${path}`)).code]).toEqual([path, 550]);
    expect(await keysOf(ferry)).toEqual(['file', 'implied/a', 'made/']);
  });

  test('below what is missing or a file is 550', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'file', 'x');
    using client = await ferry.login();
    await dialogue(client, 'C: MKD no/sub\nS: 550 …\nC: MKD file/sub\nS: 550 …');
    expect(await keysOf(ferry)).toEqual(['file']);
  });

  test('under a name that S3 cannot hold is 553', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    // The marker's key is one byte longer than the name.
    for (const length of [1024, 1025])
      await dialogue(client, `C: MKD ${'x'.repeat(length)}\nS: 553 File name not allowed.`);
    await dialogue(client, `C: MKD ${'x'.repeat(1023)}\nS: 257 …`);
  });
});

describe('RMD', () => {
  test('removes an empty directory', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(client, 'C: MKD a\nS: 257 …\nC: RMD a\nS: 250 Directory removed.\nC: RMD a\nS: 550 …');
    expect(await keysOf(ferry)).toEqual([]);
  });

  test('of what is not empty, missing, a file or the root is 550', async () => {
    await using ferry = await startFerry();
    for (const key of ['made/', 'made/sub/', 'implied/a', 'file']) await putObject(ferry, key, 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: RMD made
       S: 550 Directory is not empty.
       C: RMD implied
       S: 550 Directory is not empty.
       C: RMD missing
       S: 550 No such file or directory.
       C: RMD file
       S: 550 No such file or directory.
       C: RMD /
       S: 550 Permission denied.
       C: RMD .
       S: 550 Permission denied.`,
    );
    expect(await keysOf(ferry)).toHaveLength(4);
  });

  test('of a directory that existed by its files only and that this user just emptied is 250', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'dir/a', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: CWD dir
       S: 250 Directory changed.
       C: DELE a
       S: 250 File deleted.
       C: CWD ..
       S: 250 Directory changed.
       C: RMD dir
       S: 250 Directory removed.
       C: RMD dir
       S: 550 No such file or directory.
       C: CWD dir
       S: 550 No such file or directory.`,
    );
  });

  test('of nested directories emptied from within goes all the way up', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a/b/c', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      'C: DELE a/b/c\nS: 250 …\nC: RMD a/b\nS: 250 …\nC: RMD a\nS: 250 …\nC: RMD a\nS: 550 …',
    );
  });

  test('leaves a directory that MKD made when its last file goes', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('MKD dir');
    await client.upload('STOR dir/a', 'x');
    await dialogue(client, 'C: DELE dir/a\nS: 250 …\nC: CWD dir\nS: 250 …');
    expect(await keysOf(ferry)).toEqual(['dir/']);
  });
});

describe('DELE', () => {
  test('deletes a file', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      'C: DELE a.txt\nS: 250 File deleted.\nC: DELE a.txt\nS: 550 No such file or directory.',
    );
    expect(await keysOf(ferry)).toEqual([]);
  });

  test('of a directory, the root or nothing is 550, and the directory stays', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'implied/a', 'x');
    using client = await ferry.login();
    await client.command('MKD made');
    for (const path of ['made', 'made/', 'implied', '/', '.', 'missing'])
      expect([path, (await client.command(`DELE ${path}`)).code]).toEqual([path, 550]);
    expect(await keysOf(ferry)).toEqual(['implied/a', 'made/']);
  });
});
