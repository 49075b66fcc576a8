import { describe, expect, test } from 'vitest';
import { type Deed, NEEDS } from '../../../src/fs/permissions.ts';
import { type Grant, PERMISSIONS, type Permission } from '../../../src/identity/identity.ts';
import { breakUpload, DURABLE, expectObject, FILE } from '../../support/broken.ts';
import { dialogue } from '../../support/dialogue.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { grant, identity, mount, startTree } from '../../support/tree.ts';

/** Sends a line, and returns its last reply's code; what is to be uploaded is `more`. */
async function run(client: RawClient, line: string): Promise<number> {
  const [verb = ''] = line.split(' ');
  if (/^(STOR|STOU|APPE)$/.test(verb)) {
    const data = await client.passive();
    const mark = await client.command(line);
    data.end('more');
    return mark.code === 150 ? (await client.reply()).code : mark.code;
  }
  if (/^(LIST|NLST|MLSD|RETR)$/.test(verb)) return (await client.download(line)).replies.at(-1)?.code ?? 0;
  return (await client.command(line)).code;
}

async function runAll(client: RawClient, lines: readonly string[]): Promise<number> {
  let code = 0;
  for (const line of lines) {
    code = await run(client, line);
    if (code >= 500) return code;
  }
  return code;
}

/** Lines, the deed that their last one is, its reply where that may be done, and where it may not if that is not 550. */
type Case = readonly [lines: readonly string[], deed: Deed, done: number, refused?: number];

/** Each in a folder that has a file `f` of five bytes, and an empty folder `d`. */
const CASES: readonly Case[] = [
  [['LIST .'], 'list', 226],
  [['NLST *'], 'list', 226],
  [['MLSD'], 'list', 226],
  [['STAT f'], 'list', 213],
  [['MLST f'], 'stat', 250],
  [['SIZE f'], 'stat', 213],
  [['MDTM f'], 'stat', 213],
  [['RETR f'], 'read', 226],
  [['HASH f'], 'read', 213],
  [['RANG 0 1', 'HASH f'], 'read', 213],
  [['XCRC f'], 'read', 250],
  [['MD5 f'], 'read', 251],
  [['STOR new'], 'store', 226],
  [['STOU new'], 'store', 226],
  [['STOR f'], 'replace', 226],
  [['REST 2', 'STOR f'], 'replace', 226],
  [['REST 5', 'STOR f'], 'extend', 226],
  [['APPE f'], 'append', 226],
  [['APPE new'], 'begin', 226],
  [['MFMT 20200101000000 f'], 'setTime', 213],
  [['MFF modify=20200101000000; f'], 'setTime', 213],
  [['SITE UTIME 20200101000000 f'], 'setTime', 200],
  [['DELE f'], 'delete', 250],
  [['MKD new'], 'makeDirectory', 257],
  [['SITE MKDIR new'], 'makeDirectory', 200],
  [['RMD d'], 'removeDirectory', 250],
  [['RNFR f', 'RNTO /free/FOLDER'], 'renameFrom', 250],
  [['RNFR /free/f-FOLDER', 'RNTO new'], 'renameTo', 250],
  [['RNFR d', 'RNTO /free/d-FOLDER'], 'renameDirectoryFrom', 250],
  [['RNFR /free/e-FOLDER', 'RNTO new'], 'renameDirectoryTo', 250],
];

/** In a folder each: just enough permissions; and all but those of one group. */
const VARIANTS = CASES.flatMap(([lines, deed, done, refused = 550]) => {
  const groups: readonly (readonly Permission[])[] = NEEDS[deed];
  const enough = groups.map((group) => group[0] ?? 'list');
  const short = groups.map((group) => PERMISSIONS.filter((each) => !group.includes(each)));
  return [
    { lines, deed, permissions: enough, code: done },
    ...short.map((permissions) => ({ lines, deed, permissions, code: refused })),
  ];
}).map((variant, index) => ({ ...variant, folder: `v${index}` }));

describe('what a command needs', () => {
  test('suffices at its path, and is not dispensed with, whatever is held elsewhere', async () => {
    const { ferry } = await startTree(
      (bucket) => [
        identity([mount('/', bucket, '')], {
          grants: VARIANTS.map(({ folder, permissions }): Grant => grant(`/${folder}`, ...permissions)),
        }),
      ],
      VARIANTS.flatMap(({ folder }) => [`${folder}/d/`, `free/f-${folder}`, `free/e-${folder}/`]),
      { FERRY_MTIME: 'stored' },
    );
    for (const { folder } of VARIANTS) await putObject(ferry, `${folder}/f`, 'hello');
    using client = await ferry.login();
    for (const { folder, lines, permissions, code } of VARIANTS) {
      const all = lines.map((line) => line.replace('FOLDER', folder));
      await client.command(`CWD /${folder}`);
      const got = await runAll(client, all);
      // Without the right to overwrite, STOR makes new files only: the name is taken.
      const taken =
        all[0] === 'STOR f' && permissions.includes('write') && !permissions.includes('overwrite');
      expect([all, permissions, got]).toEqual([all, permissions, taken ? 553 : code]);
    }
  });

  test('is asked for before S3 is', async () => {
    const { ferry, proxy } = await startTree(
      (bucket) => [identity([mount('/', bucket, '')], { grants: [grant('/v')] })],
      ['v/f', 'v/d/x'],
      { FERRY_MTIME: 'stored' },
    );
    using client = await ferry.login();
    proxy.forget();
    const lines = CASES.flatMap(([all]) =>
      all.map((line) => line.replace(/(f|d|new|FOLDER|\.|\*)$/, '/v/$1')),
    );
    for (const line of ['LIST /v', 'CWD /v', 'CWD /v/d', ...lines]) {
      const [verb = ''] = line.split(' ');
      if (/^(REST|RANG|RNTO|MLSD|RNFR \/free.*)$/.test(verb) || line.includes('free')) continue;
      expect([line, (await client.command(line)).text]).toEqual([line, '550 Permission denied.']);
    }
    expect(proxy.requests).toEqual([]);
  });
});

const WRITER = (bucket: string) => [
  identity([mount('/', bucket, 'home/')], { grants: [grant('/drop', 'write')] }),
];

describe('a drop box, where only write is held,', () => {
  test('is entered and stored into, and tells nothing but that a name is taken', async () => {
    const { ferry } = await startTree(WRITER, ['home/drop/there', 'home/drop/d/x'], {
      FERRY_MTIME: 'stored',
    });
    using client = await ferry.login();
    await dialogue(client, 'C: CWD drop\nS: 250 Directory changed.');
    expect(await run(client, 'STOR new')).toBe(226);
    expect(await run(client, 'STOR there')).toBe(553);
    expect(await run(client, 'STOR new')).toBe(553);
    expect(await getObject(ferry, 'home/drop/there')).toBe('home/drop/there');
    const lines = [
      'SIZE',
      'MDTM',
      'MLST',
      'LIST',
      'NLST',
      'MLSD',
      'STAT',
      'RETR',
      'HASH',
      'XMD5',
      'DELE',
      'RNFR',
      'APPE',
      'MKD',
      'RMD',
      'SITE MKDIR',
      'MDTM 20200101000000',
      'NLST th*',
      'LIST [t]here',
    ];
    for (const verb of lines)
      for (const name of ['there', 'missing', 'd', 'new'])
        expect([
          verb,
          name,
          (await client.command(verb.includes('t') ? verb : `${verb} ${name}`)).text,
        ]).toEqual([verb, name, '550 Permission denied.']);
    for (const offset of [1, 4, 15, 1000])
      for (const verb of ['STOR', 'APPE'])
        for (const name of ['there', 'missing']) {
          await client.command(`REST ${offset}`);
          expect((await client.command(`${verb} ${name}`)).text).toBe('550 Permission denied.');
        }
    await dialogue(client, 'C: CWD d\nS: 250 …\nC: CWD ../missing\nS: 550 No such file or directory.');
  });

  test.for([
    ['REST and STOR', 'STOR a'],
    ['APPE', 'APPE a'],
  ] as const)('lets its user go on with an upload that broke, by %s', async ([, line]) => {
    const { ferry } = await startTree(WRITER, ['home/drop/']);
    using client = await ferry.login();
    await client.command('CWD drop');
    await breakUpload(client, 'STOR a');
    if (line.startsWith('STOR')) await client.command(`REST ${DURABLE}`);
    const [, done] = await client.upload(line, FILE.subarray(DURABLE));
    expect(done).toMatchObject({ code: 226 });
    await expectObject(ferry, 'home/drop/a', FILE);
  });
});

test('a size is not told to who may append only, in no reply', async () => {
  const { ferry } = await startTree(
    (bucket) => [identity([mount('/', bucket, '')], { grants: [grant('/log', 'append', 'write')] })],
    ['log/a'],
  );
  using client = await ferry.login();
  for (const offset of [1, 6, 100]) {
    for (const verb of ['APPE', 'STOR']) {
      await client.command(`REST ${offset}`);
      expect((await client.command(`${verb} /log/a`)).text).toBe('550 Permission denied.');
    }
  }
  const [mark, done] = await client.upload('APPE /log/a', '+');
  expect([mark.text, done.code]).toEqual(['150 Ready to receive a.', 226]);
  expect(await getObject(ferry, 'log/a')).toBe('log/a+');
});

test('numbers do not tell how many files there are to who may not list them', async () => {
  const { ferry } = await startTree(WRITER, ['home/drop/a', 'home/drop/a.1', 'home/b', 'home/b.1'], {
    FERRY_OVERWRITE: 'number',
  });
  using client = await ferry.login();
  const [, told] = await client.upload('STOR b', 'x');
  expect(told.text).toBe('226 Transfer complete (unique file name: b.2).');
  const [, done] = await client.upload('STOR drop/a', 'x');
  expect(done.text).toMatch(/\(unique file name: a\.[0-9a-f]{12}\)/);
});

describe('the rename of a directory', () => {
  const moves = async (grants: readonly Grant[], keys: readonly string[] = []) => {
    const { ferry } = await startTree(
      (bucket) => [identity([mount('/', bucket, '')], { grants })],
      ['s/a', 's/deep/b', 't/', ...keys],
    );
    using client = await ferry.login();
    const before = await keysOf(ferry);
    const code = await runAll(client, ['RNFR s', 'RNTO t/new']);
    if (code !== 250) expect(await keysOf(ferry)).toEqual(before);
    return code;
  };
  const without = (...lost: Permission[]) => PERMISSIONS.filter((each) => !lost.includes(each));

  test.for(['rename', 'read', 'delete', 'remove-directory'] as const)(
    'needs %s wherever below its source a grant speaks',
    async (lost) => {
      expect(await moves([grant('/s/deep', ...without(lost))])).toBe(550);
      // Also of what is not there: a name may come while the rename runs.
      expect(await moves([grant('/s/other/one', ...without(lost))])).toBe(550);
      expect(await moves([grant('/s/deep', 'rename', 'read', 'delete', 'remove-directory')])).toBe(250);
    },
  );

  test.for(['write', 'make-directory'] as const)(
    'needs %s wherever below its target one does',
    async (lost) => {
      expect(await moves([grant('/t/new/deep', ...without(lost))])).toBe(550);
      expect(await moves([grant('/t/new/other/one', ...without(lost))])).toBe(550);
      expect(await moves([grant('/t/new/deep', 'write', 'make-directory')])).toBe(250);
    },
  );

  test('moves nothing out of a folder that is closed, nor a file in it', async () => {
    expect(await moves([grant('/s/deep')])).toBe(550);
    expect(await moves([grant('/s/deep/b')])).toBe(550);
  });
});

test('perm facts are those of the path of each entry', async () => {
  const { ferry } = await startTree(
    (bucket) => [
      identity([mount('/', bucket, '', { permissions: ['list', 'read'] })], {
        grants: [grant('/drop', 'write'), grant('/file', ...PERMISSIONS), grant('/all', ...PERMISSIONS)],
      }),
    ],
    ['drop/x', 'file', 'other', 'all/x', 'plain/x'],
  );
  using client = await ferry.login();
  const lines = (await client.download('MLSD')).bytes.toString().split('\r\n').slice(0, -1);
  const perms = lines.map((line) => /perm=([a-z]*);.* (.+)$/.exec(line)?.slice(1).toReversed());
  expect(Object.fromEntries(perms as [string, string][])).toEqual({
    all: 'cdeflmp',
    drop: 'ce',
    file: 'adfrw',
    other: 'r',
    plain: 'el',
  });
  for (const [name, perm] of perms as [string, string][])
    if (name !== 'drop') expect((await client.command(`MLST ${name}`)).text).toContain(`;perm=${perm};`);
});
