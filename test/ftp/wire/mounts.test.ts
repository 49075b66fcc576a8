import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { grant, identity, mount, startTree } from '../../support/tree.ts';

async function names(client: RawClient, line: string): Promise<string[]> {
  const { replies, bytes } = await client.download(line);
  expect(replies.at(-1)?.code, line).toBe(226);
  return bytes.toString().split('\r\n').slice(0, -1);
}

async function machine(client: RawClient, line: string): Promise<Record<string, string>> {
  const facts = (await names(client, line)).map((each) => /^(.*?) (.+)$/s.exec(each)?.slice(1) ?? []);
  return Object.fromEntries(
    facts.map(([fact = '', name = '']) => [name, /perm=([a-z]*)/.exec(fact)?.[1] ?? '']),
  );
}

async function refused(client: RawClient, ...lines: string[]): Promise<void> {
  for (const line of lines) expect([line, (await client.command(line)).code]).toEqual([line, 550]);
}

describe('a tree of several mounts', () => {
  const users = (bucket: string, other: string) => [
    identity([
      mount('/in', bucket, 'partners/in/'),
      mount('/far/away/read', bucket, 'docs/', { permissions: ['list', 'read'] }),
      mount('/far/other', other, ''),
    ]),
  ];

  test('is listed, entered and told from its root on, without a request for what is above the mounts', async () => {
    const { ferry, proxy } = await startTree(users, ['docs/a', 'partners/in/b', 'partners/out/c']);
    using client = await ferry.login();
    proxy.forget();
    expect((await names(client, 'LIST')).map((line) => line.slice(0, 1) + line.slice(-4))).toEqual([
      'd0 in',
      'd far',
    ]);
    expect(await names(client, 'NLST')).toEqual(['in', 'far']);
    expect(await names(client, 'NLST /f*')).toEqual(['/far']);
    expect(await names(client, 'NLST far/*[rt]*')).toEqual(['far/other']);
    expect(await machine(client, 'MLSD')).toEqual({ in: 'celmp', far: 'el' });
    expect(await machine(client, 'MLSD far')).toEqual({ away: 'el', other: 'celmp' });
    await dialogue(
      client,
      `C: MLST /
       S: 250-Listing
       S:  type=dir;modify=20000101000000;perm=el;unique=…; /
       S: 250 End
       C: MLST far/away
       S: 250-Listing
       S:  type=dir;modify=20000101000000;perm=el;unique=…; /far/away
       S: 250 End
       C: CWD far/away
       S: 250 Directory changed.
       C: STAT .
       S: 212-Status follows:
       S:  drwxr-xr-x    2 owner    group               0 Jan  1  2000 read
       S: 212 End of status.
       C: CWD read
       S: 250 Directory changed.
       C: PWD
       S: 257 "/far/away/read" is the current directory.
       C: CDUP
       S: 250 Directory changed.
       C: SIZE read
       S: 550 Is a directory.`,
    );
    expect(proxy.counts()).toEqual({});
    expect(await names(client, 'NLST /far/away/read')).toEqual(['/far/away/read/a']);
    expect((await client.download('RETR /in/b')).bytes.toString()).toBe('partners/in/b');
  });

  test('is read-only above its mounts, where everything is refused', async () => {
    const { ferry } = await startTree(users, ['partners/in/b'], { FERRY_MTIME: 'stored' });
    using client = await ferry.login();
    const paths = ['/new', '/in', '/far', '/far/away', '/far/new'];
    const verbs = ['MKD', 'RMD', 'DELE', 'RNFR', 'MDTM', 'RETR', 'HASH', 'MFMT 20200101000000', 'SITE MKDIR'];
    await refused(
      client,
      ...verbs.flatMap((verb) =>
        paths
          .filter((path) => verb !== 'SITE MKDIR' || path.endsWith('new'))
          .map((path) => `${verb} ${path}`),
      ),
    );
    for (const verb of ['STOR', 'APPE'])
      for (const path of paths)
        expect([verb, path, (await client.command(`${verb} ${path}`)).code]).toEqual([
          verb,
          path,
          path === '/in' ? 553 : 550,
        ]);
    expect((await client.command('STOU')).code).toBe(550);
    await client.command('RNFR /in/b');
    expect((await client.command('RNTO /b')).code).toBe(550);
    for (const target of ['/in', '/far', '/far/other']) {
      await client.command('RNFR /in/b');
      expect([target, (await client.command(`RNTO ${target}`)).code]).toEqual([target, 550]);
    }
    expect(await keysOf(ferry)).toEqual(['partners/in/b']);
  });

  test('stores and renames in the bucket of each mount, and across them', async () => {
    const { ferry, other } = await startTree(users, ['partners/in/d/', 'partners/in/d/x']);
    using client = await ferry.login();
    await client.upload('STOR /far/other/a', 'one');
    await client.upload('APPE /far/other/a', ' two');
    expect(await getObject(other, 'a')).toBe('one two');
    await dialogue(
      client,
      `C: RNFR /far/other/a
       S: 350 Send RNTO with the new name.
       C: RNTO /in/b
       S: 250 Renamed.
       C: RNFR /in/d
       S: 350 Send RNTO with the new name.
       C: RNTO /far/other/e
       S: 250 Renamed.
       C: RNFR /in/b
       S: 350 Send RNTO with the new name.
       C: RNTO /far/away/read/b
       S: 550 Permission denied.`,
    );
    expect(await keysOf(ferry)).toEqual(['partners/in/b']);
    expect(await getObject(ferry, 'partners/in/b')).toBe('one two');
    expect(await keysOf(other)).toEqual(['e/', 'e/x']);
  });
});

describe('mounts within a mount', () => {
  const users = (bucket: string, other: string) => [
    identity([mount('/', bucket, 'home/'), mount('/m', other, 'm/'), mount('/d/sub/n', bucket, 'n/')]),
  ];
  const keys = ['home/a', 'home/m', 'home/m/hidden', 'home/m2', 'home/d', 'home/d/x', 'home/z', 'n/own'];

  test('are listed once, first, as directories, and hide what has their names', async () => {
    const { ferry, other } = await startTree(users, keys);
    await putObject(other, 'm/own', 'own');
    using client = await ferry.login();
    expect(await names(client, 'NLST')).toEqual(['m', 'd', 'a', 'm2', 'z']);
    expect(await names(client, 'NLST m*')).toEqual(['m', 'm2']);
    expect(await names(client, 'NLST d')).toEqual(['d/sub', 'd/x']);
    expect(await names(client, 'NLST m')).toEqual(['m/own']);
    expect(await machine(client, 'MLSD')).toEqual({
      m: 'celmp',
      d: 'celmp',
      a: 'adfrw',
      m2: 'adfrw',
      z: 'adfrw',
    });
    expect(await machine(client, 'MLSD d')).toEqual({ sub: 'celmp', x: 'adfrw' });
    await refused(client, 'RETR m', 'RETR m/hidden', 'SIZE m/hidden', 'DELE m', 'RETR d', 'DELE d');
    // As long as it has a mount, a folder exists whether or not a key does.
    expect((await client.command('CWD /d/sub')).code).toBe(250);
    await client.upload('STOR new', 'new');
    expect(await keysOf(ferry)).toEqual([...keys, 'home/d/sub/new'].toSorted());
  });

  test('stay where they are: neither they nor what holds them is made, renamed, removed or overwritten', async () => {
    const { ferry } = await startTree(users, keys);
    using client = await ferry.login();
    for (const path of ['/', '/m', '/d', '/d/sub', '/d/sub/n'])
      await refused(client, `RNFR ${path}`, `RMD ${path}`, `MKD ${path}`, `DELE ${path}`);
    for (const path of ['/m', '/d', '/d/sub/n']) {
      for (const from of ['/a', '/m2'])
        await dialogue(
          client,
          `C: RNFR ${from}\nS: 350 …\nC: RNTO ${path}\nS: 550 A directory of that name exists.`,
        );
      expect((await client.command(`STOR ${path}`)).code).toBe(553);
    }
    await client.command('MKD e');
    await dialogue(client, 'C: RNFR e\nS: 350 …\nC: RNTO m\nS: 550 A directory of that name exists.');
    expect(await keysOf(ferry)).toEqual([...keys, 'home/e/'].toSorted());
  });

  test('have the same unique fact wherever they are seen', async () => {
    const { ferry } = await startTree(
      (bucket) => [identity([mount('/', bucket, ''), mount('/m', bucket, 'd/sub/')])],
      ['d/sub/f', 'd/%(2E)/x', 'd/../y'],
    );
    using client = await ferry.login();
    const unique = async (path: string) =>
      /unique=(.*?);/.exec((await client.command(`MLST ${path}`)).text)?.[1];
    expect(await unique('/m')).toBe(await unique('/d/sub'));
    expect(await unique('/m/f')).toBe(await unique('/d/sub/f'));
    for (const line of await names(client, 'MLSD /d')) {
      const [, given, name] = /unique=(.*?); (.*)$/.exec(line) ?? [];
      expect(given).toBe(await unique(`/d/${name}`));
    }
    expect(
      new Set([await unique('/'), await unique('/d'), await unique('/m'), await unique('/m/f')]).size,
    ).toBe(4);
  });
});

describe("Ferry's own folder", () => {
  test('is hidden in every mount that it lies in, and holds the folders above it', async () => {
    const { ferry } = await startTree(
      (bucket) => [identity([mount('/all', bucket, ''), mount('/x', bucket, 'x/')])],
      ['x/.ferry/uploads/secret', 'x/f', '.ferry/mine'],
      { FERRY_PREFIX: 'x/' },
    );
    using client = await ferry.login();
    expect(await names(client, 'NLST /all/x')).toEqual(['/all/x/f']);
    expect(await names(client, 'NLST /x')).toEqual(['/x/f']);
    // Only that of this process.
    expect(await names(client, 'NLST /all')).toEqual(['/all/.ferry', '/all/x']);
    for (const path of ['/all/x/.ferry', '/all/x/.ferry/uploads', '/x/.ferry', '/x/.ferry/uploads/secret'])
      await refused(
        client,
        `CWD ${path}`,
        `SIZE ${path}`,
        `RETR ${path}`,
        `MKD ${path}`,
        `DELE ${path}`,
        `RMD ${path}`,
        `RNFR ${path}`,
        `LIST ${path}`,
        `STOR ${path}`,
      );
    await refused(client, 'RNFR /all/x', 'RMD /all/x');
  });

  test('cannot be mounted: such a user is not let in', async () => {
    const { ferry } = await startTree((bucket) => [identity([mount('/a', bucket, '.ferry/uploads/')])]);
    using client = await ferry.connect();
    await dialogue(
      client,
      'C: USER demo\nS: 331 …\nC: PASS secret\nS: 421 Service not available, try again later.',
    );
    expect(ferry.records).toContainEqual(
      expect.objectContaining({ event: 'fault', user: 'demo', reason: "/a leads to Ferry's own" }),
    );
  });
});

test('each mount has its own policy for names that are taken, and its own attributes', async () => {
  const objects = {
    contentType: 'none',
    metadata: { by: '{user}' },
    tags: {},
    storageClass: undefined,
    encryption: undefined,
    carryOver: false,
  } as const;
  const { ferry } = await startTree(
    (bucket) => [
      identity([
        mount('/keep', bucket, 'keep/', { overwrite: 'refuse' }),
        mount('/count', bucket, 'count/', { overwrite: 'number', objects }),
        mount('/plain', bucket, 'plain/'),
      ]),
    ],
    ['keep/a', 'count/a', 'plain/a', 'plain/b'],
  );
  using client = await ferry.login();
  expect((await client.command('STOR /keep/a')).code).toBe(553);
  await client.upload('STOR /count/a', 'x');
  await client.upload('STOR /plain/a', 'x');
  await client.command('RNFR /plain/b');
  expect((await client.command('RNTO /keep/a')).code).toBe(553);
  await client.command('RNFR /plain/b');
  expect((await client.command('RNTO /plain/a')).code).toBe(250);
  expect(await keysOf(ferry)).toEqual(['count/a', 'count/a.1', 'keep/a', 'plain/a']);
});

test('each user has an encoding of their own', async () => {
  const { ferry } = await startTree(
    (bucket) => [
      identity([mount('/', bucket, '')], { encoding: 'latin1' as never }),
      { ...identity([mount('/', bucket, '')]), user: 'other' },
    ],
    ['caf\u00e9'],
  );
  using client = await ferry.login();
  expect((await client.download('NLST')).bytes.toString('latin1')).toBe('caf\u00e9\r\n');
  using other = await ferry.login({ user: 'other' });
  expect((await other.download('NLST')).bytes.toString('utf8')).toBe('caf\u00e9\r\n');
  await client.command('OPTS UTF8 ON');
  expect((await client.download('NLST')).bytes.toString('utf8')).toBe('caf\u00e9\r\n');
  expect((await client.command('OPTS UTF8 OFF')).code).toBe(200);
  expect((await other.command('OPTS UTF8 OFF')).code).toBe(501);
});

test('names at which nothing at all may be done are not listed, folders on the way to others are', async () => {
  const { ferry } = await startTree(
    (bucket) => [
      identity([mount('/', bucket, ''), mount('/shut', bucket, 'x/', { permissions: [] })], {
        grants: [grant('/closed'), grant('/file'), grant('/way'), grant('/way/in', 'write')],
      }),
    ],
    ['closed/a', 'file', 'way/a', 'way/in/b', 'open/a'],
  );
  using client = await ferry.login();
  expect(await names(client, 'NLST')).toEqual(['open', 'way']);
  expect(await machine(client, 'MLSD')).toEqual({ open: 'cdeflmp', way: 'e' });
  expect(await names(client, 'NLST *')).toEqual(['open', 'way']);
  await refused(
    client,
    'CWD closed',
    'CWD shut',
    'CWD way/other',
    'CWD missing/x',
    'LIST way',
    'SIZE file',
    'STAT closed',
  );
  expect((await client.command('CWD way')).code).toBe(250);
  expect((await client.command('CWD in')).code).toBe(250);
});
