import { type _Object, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { COMMANDS } from '../../../src/ftp/commands/table.ts';
import type { Identity } from '../../../src/identity/identity.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { type S3Tap, startS3Tap } from '../../support/s3-tap.ts';
import { TRAIL_BYTES, UPWARD, UPWARD_BYTES } from '../../support/spellings.ts';
import { grant, identity, mount } from '../../support/tree.ts';

/** What is in every file of the others, and what no command of a client ever says: the name of one of them. */
const PRIZE = 'what is bobs';
const UNSAID = 'unsaid-7f3a';
const STOLEN = new RegExp(`${PRIZE}|${UNSAID}`);

/** Keys that are none of hers, near to hers in every way. */
const OTHERS = [
  'users/bob/prize',
  `users/bob/${UNSAID}`,
  'users/bob/sub/prize',
  'users/anna2/prize',
  'users/annaprize',
  'users/anna-prize',
  'users/prize',
  'users/Anna/prize',
  'prize',
  'bob/prize',
  '.ferry/prize',
  'shared2/prize',
  'private/prize',
];

/** Hers, or seen by her, such as other tools make them: they lead nowhere but to themselves. */
const OWN = [
  'users/anna/own',
  'users/anna/sub/own',
  'users/anna/../bob/prize',
  'users/anna/../../prize',
  'users/anna/./own',
  'users/anna//users/bob/prize',
  'users/anna///own',
  'users/anna/..\\bob\\prize',
  'users/anna/%2e%2e/bob/prize',
  'users/anna/sub/../../bob/prize',
  'users/anna/link -> ..',
  'users/anna/shared/shadowed',
  'shared/own',
  'shared/../users/bob/prize',
];

/** In the manner of tools that keep symbolic links in objects (s3fs, rclone): a name, and where it points to. */
const LINKS = { 'users/anna/link': '../bob/prize', 'users/anna/dir': '/users/bob' };

/** Where a session of hers may go, by the first part of a key. */
const ALLOWED = ['users/anna/', 'shared/', '.ferry/uploads/', '.ferry/renames/'];

/** Trees with both, and where in them her own files are. */
const TREES: readonly (readonly [about: string, home: string, tree: (bucket: string) => Identity])[] = [
  [
    'a mount around another',
    '',
    (bucket) =>
      identity([mount('/', bucket, 'users/anna/'), mount('/shared', bucket, 'shared/')], {
        grants: [grant('/shared', 'list', 'read')],
      }),
  ],
  [
    'mounts below a virtual root',
    '/in',
    (bucket) => identity([mount('/in', bucket, 'users/anna/'), mount('/in/sub/shared', bucket, 'shared/')]),
  ],
  [
    'a mount whose parent is closed',
    '',
    (bucket) =>
      identity([mount('/', bucket, 'users/anna/'), mount('/in/shared', bucket, 'shared/')], {
        grants: [grant('/in')],
      }),
  ],
];

async function setUp(tree: (bucket: string) => Identity, settings: Readonly<Record<string, string>> = {}) {
  const tap = await startS3Tap();
  onTestFinished(() => tap[Symbol.asyncDispose]());
  const ferry = await startFerry({ FERRY_MTIME: 'stored', ...settings }, tap.endpoint, (bucket) => [
    tree(bucket),
    { ...identity([mount('/', bucket, 'users/bob/')]), user: 'bob' },
  ]);
  onTestFinished(() => ferry[Symbol.asyncDispose]());
  for (const key of OTHERS) await putObject(ferry, key, PRIZE);
  for (const key of OWN) await putObject(ferry, key, 'own');
  for (const [Key, Body] of Object.entries(LINKS))
    await ferry.s3.send(
      new PutObjectCommand({
        Bucket: ferry.bucket,
        Key,
        Body,
        Metadata: { 'symlink-target': Body, mode: '41471' },
      }),
    );
  const before = await foreign(ferry);
  return { ferry, tap, before };
}

/** Everything in the bucket that is not hers, with the marks of its version. */
async function foreign({ s3, bucket }: Ferry): Promise<unknown[]> {
  const { Contents = [], IsTruncated } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
  expect(IsTruncated).toBe(false);
  const isHers = ({ Key = '' }: _Object) => ALLOWED.some((start) => Key.startsWith(start));
  return Contents.filter((each) => !isHers(each)).map(({ Key, ETag, LastModified }) => [
    Key,
    ETag,
    LastModified,
  ]);
}

/** A line in bytes, its replies, and what came over the data connection. */
async function send(client: RawClient, verb: string, argument: Buffer): Promise<string> {
  const line = Buffer.concat([Buffer.from(`${verb} `), argument, Buffer.from('\r\n')]);
  if (COMMANDS.get(verb)?.transfer === undefined || verb === 'HASH' || /^(X|MD5)/.test(verb)) {
    client.write(line);
    return (await client.reply()).text;
  }
  client.write(line);
  const first = await client.reply();
  if (first.code !== 425 && first.code !== 150) return first.text;
  // It is granted: once more, with a data connection.
  const data = await client.passive();
  const chunks: Buffer[] = [];
  data.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => data.on('close', resolve));
  client.write(line);
  const mark = await client.reply();
  data.end(/^(STOR|STOU|APPE)$/.test(verb) ? 'hers' : '');
  const last = mark.code === 150 ? await client.reply() : mark;
  data.destroy();
  await ended;
  return `${mark.text} ${last.text} ${Buffer.concat(chunks)}`;
}

/** Every command of the table that takes a path, without the other names of the same. */
const VERBS = [...new Map([...COMMANDS].toReversed().map(([verb, row]) => [row, verb]))]
  .filter(([{ argument }]) => argument === 'path' || argument === 'optional-path')
  .map(([, verb]) => verb);

/** What stands between the verb and the path, where the verb alone would not do. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
  MFMT: ['20200101000000 '],
  MFF: ['modify=20200101000000; '],
  MDTM: ['', '20200101000000 '],
  SITE: ['MKDIR ', 'CHMOD 644 ', 'UTIME 20200101000000 '],
  LIST: ['', '-la '],
};

/** Sends one path with commands; nothing that comes back may be another's. */
async function tryAll(
  ferry: Ferry,
  client: RawClient,
  { home, path, verbs = VERBS }: { home: string; path: Buffer; verbs?: readonly string[] },
): Promise<void> {
  for (const key of OWN.slice(0, 2)) await putObject(ferry, key, 'own');
  await client.command(`CWD ${home}/`);
  for (const verb of verbs)
    for (const form of FORMS[verb] ?? ['']) {
      const told = await send(client, verb, Buffer.concat([Buffer.from(form), path]));
      expect(told, `${verb} ${path}`).not.toMatch(STOLEN);
      if (verb !== 'CWD' || !told.startsWith('250')) continue;
      expect((await client.download('MLSD')).bytes.toString(), `MLSD in ${path}`).not.toMatch(STOLEN);
      await client.command(`CWD ${home}/`);
    }
  // Both ends of a rename: from there, and to there.
  for (const [from, to] of [
    [path, Buffer.from('stolen')],
    [Buffer.from('own'), path],
  ] as const)
    if ((await send(client, 'RNFR', from)).startsWith('350')) await send(client, 'RNTO', to);
}

/** One of so many shares of them: another one each turn. */
const someOf = (verbs: readonly string[], shares: number, turn: number) =>
  verbs.filter((_, index) => index % shares === turn % shares);

/** A key asked of S3, its bucket before it; what asks for a prefix has that prefix. */
function askedFor(line: string): string[] {
  const [, url = ''] = line.split(' ');
  const [path = '', query = ''] = url.split('?');
  const [, bucket = '', ...key] = path.split('/').map(decodeURIComponent);
  const prefix = new URLSearchParams(query).get('prefix');
  return key.join('/') === '' && prefix === null ? [] : [`${bucket}/${prefix ?? key.join('/')}`];
}

/** Nothing was asked of S3 that lies anywhere else, and nothing there was changed. */
async function expectUntouched(ferry: Ferry, tap: S3Tap, before: readonly unknown[]): Promise<void> {
  const sources = tap.headers.flatMap(({ 'x-amz-copy-source': source }) =>
    typeof source === 'string' ? [decodeURIComponent(source).replace(/^\//, '')] : [],
  );
  const asked = [...new Set([...tap.requests.flatMap(askedFor), ...sources])];
  expect(asked.length).toBeGreaterThan(20);
  expect(
    asked.filter((each) => !ALLOWED.some((start) => each.startsWith(`${ferry.bucket}/${start}`))),
  ).toEqual([]);
  expect(await foreign(ferry)).toEqual(before);
  const { Contents = [] } = await ferry.s3.send(
    new ListObjectsV2Command({ Bucket: ferry.bucket, Prefix: 'users/anna/' }),
  );
  for (const { Key = '' } of Contents) expect(await getObject(ferry, Key), Key).not.toContain(PRIZE);
}

/** Those commands of the table that the corpus is sent with: if one is new, it is among them. */
test('every command that takes a path is sent with every spelling', () => {
  expect(VERBS).toEqual(
    expect.arrayContaining([
      'APPE',
      'CWD',
      'HASH',
      'LIST',
      'MFMT',
      'MLSD',
      'MLST',
      'RETR',
      'RNTO',
      'SITE',
      'SIZE',
      'STAT',
      'STOR',
      'STOU',
    ]),
  );
});

test.for(TREES)(
  'no command and no spelling of ".." reaches another user: %s',
  { timeout: 120_000 },
  async ([, home, tree]) => {
    const { ferry, tap, before } = await setUp(tree);
    using client = await ferry.login();
    const tails = ['', '/bob/prize', '/../users/bob/prize', '/sub/../../prize'];
    for (const [index, up] of [...UPWARD.map((each) => Buffer.from(each)), ...UPWARD_BYTES].entries()) {
      const tail = Buffer.from(tails[index % tails.length] ?? '');
      const start = Buffer.from(index % 3 === 0 ? `${home}/sub/` : '');
      // Each with every command, in one of the trees.
      const verbs = someOf(VERBS, TREES.length, index + TREES.findIndex((each) => each[2] === tree));
      await tryAll(ferry, client, { home, path: Buffer.concat([start, up, tail]), verbs });
    }
    await expectUntouched(ferry, tap, before);
    using bob = await ferry.login({ user: 'bob' });
    expect((await bob.download('RETR prize')).bytes.toString()).toBe(PRIZE);
  },
);

test.for(['shift_jis', 'gbk', 'latin1'] as const)(
  'no trail byte and no half of a character does, in %s',
  { timeout: 60_000 },
  async (encoding) => {
    const { ferry, tap, before } = await setUp((bucket) =>
      identity([mount('/', bucket, 'users/anna/')], { encoding }),
    );
    using client = await ferry.login();
    for (const [index, up] of [...TRAIL_BYTES, ...UPWARD_BYTES].entries()) {
      const path = Buffer.concat([up, Buffer.from('\\'), up, Buffer.from('/bob/prize')]);
      await tryAll(ferry, client, { home: '', path, verbs: someOf(VERBS, 5, index) });
    }
    await expectUntouched(ferry, tap, before);
  },
);

test('no pattern lists another user', async () => {
  const { ferry, tap, before } = await setUp((bucket) =>
    identity([mount('/', bucket, 'users/anna/'), mount('/shared', bucket, 'shared/')]),
  );
  using client = await ferry.login();
  const patterns = [
    '../*',
    '*/../../*',
    '/../*',
    '../../users/bob/*',
    '../[a-z]*',
    '?../*',
    '..*',
    '.*',
    '*',
    '../bob/[!x]*',
    '.ferry/*',
    '/.f*',
    '[.][.]/*',
    '*/..',
    '../b?b',
    '{..,*}/*',
    '**/*',
    '../../*',
    'sub/../../bob/*',
    '..\\*',
    '%2e%2e/*',
    '%(2E)./../*',
    '%(2E).*',
    'link*/*',
    'shared/../../*',
    '[',
    '../[',
    '../[!',
  ];
  for (const pattern of patterns)
    for (const verb of ['LIST', 'LIST -R', 'LIST -a', 'NLST', 'STAT', 'MLSD', 'MLST']) {
      const [name = '', option] = verb.split(' ');
      const told = await send(client, name, Buffer.from(option ? `${option} ${pattern}` : pattern));
      expect(told, `${verb} ${pattern}`).not.toContain(UNSAID);
      expect(told, `${verb} ${pattern}`).not.toMatch(/anna2|annaprize|anna-prize|private|shared2/);
    }
  await expectUntouched(ferry, tap, before);
});

test('keys that look like links, dots and slashes lead to themselves only, wherever a client goes by what it is shown', async () => {
  const { ferry, tap, before } = await setUp((bucket) =>
    identity([mount('/', bucket, 'users/anna/'), mount('/shared', bucket, 'shared/')]),
  );
  using client = await ferry.login();
  const seen: string[] = [];
  async function walk(directory: string): Promise<void> {
    expect((await client.command(`CWD ${directory}`)).code, directory).toBe(250);
    expect((await client.command('PWD')).text).toBe(`257 "${directory}" is the current directory.`);
    const lines = (await client.download('MLSD')).bytes.toString().split('\r\n').slice(0, -1);
    for (const line of lines) {
      const [, type = '', name = ''] = /type=(\w+);\S* (.*)$/.exec(line) ?? [];
      const path = directory === '/' ? `/${name}` : `${directory}/${name}`;
      if (type === 'dir') await walk(path);
      else seen.push(`${path}: ${(await client.download(`RETR ${path}`)).bytes}`);
    }
  }
  await walk('/');
  expect(seen.toSorted()).toEqual(
    [
      '/shared/%(2E)./users/bob/prize: own',
      '/shared/own: own',
      '/%()/%()/own: own',
      '/%()/users/bob/prize: own',
      '/%(2E)./%(2E)./prize: own',
      '/%(2E)./bob/prize: own',
      '/%(2E)/own: own',
      '/%2e%2e/bob/prize: own',
      '/..\\bob\\prize: own',
      '/dir: /users/bob',
      '/link -> ..: own',
      '/link: ../bob/prize',
      '/own: own',
      '/sub/%(2E)./%(2E)./bob/prize: own',
      '/sub/own: own',
    ].toSorted(),
  );
  for (const line of [
    'CWD /link',
    'CWD /dir',
    'RETR /dir/prize',
    'RETR /link/../bob/prize',
    'CWD /%(2E)./../../bob',
    'SIZE /shared/shadowed',
  ])
    expect([line, (await client.command(line)).code]).toEqual([line, 550]);
  await expectUntouched(ferry, tap, before);
});
