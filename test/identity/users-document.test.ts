import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PERMISSIONS } from '../../src/identity/identity.ts';
import { parseUsers, type UsersRules } from '../../src/identity/users-document.ts';
import { UsersError } from '../../src/identity/users-text.ts';
import { HASHES, REFUSED_HASHES } from './made-elsewhere.ts';

const HASH = HASHES[0]?.[1] ?? '';
const KEY = `${'A'.repeat(43)}=`;

const RULES: UsersRules = {
  bucket: 'files',
  prefix: 'ftp/',
  anonymous: undefined,
  objects: {
    contentType: 'extension',
    metadata: { from: 'ferry' },
    tags: {},
    storageClass: undefined,
    encryption: undefined,
    carryOver: false,
  },
  users: {
    allowedBuckets: ['archive'],
    allowedRoles: ['arn:aws:iam::123456789012:role/ferry/*', 'arn:aws:iam::123456789012:role/one'],
  },
};

/** A document of one user, in JSON. */
const of = (user: object, name = 'anna') => JSON.stringify({ users: { [name]: user } }, undefined, 2);

const MOUNT = { path: '/', prefix: 'anna', permissions: 'full' };
const ANNA = { hash: HASH, mounts: [MOUNT] };

const entry = (user: object, rules = RULES) => parseUsers(of(user), rules).get('anna');

function problems(text: string, rules = RULES): readonly string[] {
  try {
    parseUsers(text, rules);
    return [];
  } catch (error) {
    if (error instanceof UsersError) return error.problems;
    throw error;
  }
}

/** Every field, in YAML. */
const EVERYTHING = `
users:
  # The accountant.
  anna:
    hash: ${HASH}
    login: both
    publicKeys: [${KEY}]
    certificateName: true
    mounts:
      - path: /
        prefix: partners/anna
        permissions: read-only
      - path: /archive/
        bucket: archive
        prefix: /2026/
        permissions: [list, read, write]
        overwrite: refuse
        objects:
          contentType: none
          metadata: who={user}
          tags: from=ftp
          storageClass: STANDARD_IA
          encryption: kms:alias/ferry
          carryOver: true
    grants:
      - path: /archive/in
        permissions: write-only
      - path: /archive/out
        permissions: none
    limits:
      sessions: 3
      uploadRate: 1MiB
      uploadRatePerUser: 4MiB
      downloadRate: off
    networks: [192.0.2.0/24, '2001:db8::1']
    tls: data
    resume: require
    encoding: cp850
    role:
      arn: arn:aws:iam::123456789012:role/ferry/anna
      externalId: ferry-1
      policy: { Version: '2012-10-17', Statement: [] }
      tags: { team: books }
`;

test('a document says all of a user, in YAML', () => {
  const found = parseUsers(EVERYTHING, RULES);
  expect([...found.keys()]).toEqual(['anna']);
  expect(found.get('anna')).toEqual({
    name: 'anna',
    login: 'both',
    hash: HASH,
    publicKeys: [KEY],
    certificateName: true,
    identity: {
      user: 'anna',
      anonymous: false,
      mounts: [
        { path: '/', bucket: 'files', prefix: 'ftp/partners/anna/', permissions: new Set(['list', 'read']) },
        {
          path: '/archive',
          bucket: 'archive',
          prefix: '2026/',
          permissions: new Set(['list', 'read', 'write']),
          overwrite: 'refuse',
          objects: {
            contentType: 'none',
            metadata: { who: '{user}' },
            tags: { from: 'ftp' },
            storageClass: 'STANDARD_IA',
            encryption: { algorithm: 'aws:kms', key: 'alias/ferry' },
            carryOver: true,
          },
        },
      ],
      grants: [
        { path: '/archive/in', permissions: new Set(['write']) },
        { path: '/archive/out', permissions: new Set() },
      ],
      limits: {
        sessions: 3,
        uploadRate: { session: 2 ** 20, user: 2 ** 22 },
        downloadRate: { session: 0 },
      },
      networks: ['192.0.2.0/24', '2001:db8::1/128'],
      tls: 'data',
      resume: 'require',
      encoding: 'cp850',
      role: {
        arn: 'arn:aws:iam::123456789012:role/ferry/anna',
        externalId: 'ferry-1',
        policy: '{"Version":"2012-10-17","Statement":[]}',
        tags: { team: 'books' },
      },
    },
  });
});

test('JSON says the same, with tabs, too', () => {
  const tabbed = `{\n\t"users": {\n\t\t"anna": ${JSON.stringify(ANNA)}\n\t}\n}\n`;
  expect(parseUsers(tabbed, RULES)).toEqual(parseUsers(of(ANNA), RULES));
  expect(entry(ANNA)?.identity.mounts).toEqual([
    { path: '/', bucket: 'files', prefix: 'ftp/anna/', permissions: new Set(PERMISSIONS) },
  ]);
});

test('attributes of objects that a mount does not name are those of the settings', () => {
  const mounts = [{ ...MOUNT, objects: { carryOver: true } }];
  expect(entry({ ...ANNA, mounts })?.identity.mounts[0]?.objects).toEqual({
    ...RULES.objects,
    carryOver: true,
  });
});

describe('how a user logs in', () => {
  test.each([
    [{ hash: HASH }, 'password'],
    [{ publicKeys: [KEY] }, 'certificate'],
    [{ certificateName: true }, 'certificate'],
    [{ hash: HASH, publicKeys: [KEY] }, 'both'],
    [{ hash: HASH, publicKeys: [KEY], login: 'password' }, 'password'],
    [{ hash: HASH, publicKeys: [KEY], login: 'certificate' }, 'certificate'],
  ])('%j: %s', (proof, login) => {
    expect(entry({ ...proof, mounts: [MOUNT] })?.login).toBe(login);
  });

  test.each([
    [{}, 'a hash, publicKeys, or certificateName: true'],
    [{ certificateName: false }, 'a hash, publicKeys, or certificateName: true'],
    [{ publicKeys: [KEY], login: 'both' }, 'certificate, since there is no hash'],
    [{ hash: HASH, login: 'both' }, 'password, since there are neither publicKeys nor certificateName: true'],
    [{ hash: HASH, login: 'certificate' }, 'password, since there are neither'],
  ])('%j is refused', (proof, why) => {
    expect(problems(of({ ...proof, mounts: [MOUNT] }))).toEqual([expect.stringContaining(why)]);
  });
});

test('the examples of the documentation are documents', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/USERS.md'), 'utf8');
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text);
  expect(examples.map((text) => [...parseUsers(text, RULES).keys()])).toEqual([['anna', 'scanner']]);
});

test('names are names whatever YAML takes them for', () => {
  const user = JSON.stringify(ANNA);
  const text = `users:\n  0123: ${user}\n  true: ${user}\n  null: ${user}\n  1e3: ${user}\n  __proto__: ${user}\n`;
  expect([...parseUsers(text, RULES).keys()]).toEqual(['0123', 'true', 'null', '1e3', '__proto__']);
});

test('a document without users is one', () => {
  expect(parseUsers('users:\n', RULES).size).toBe(0);
  expect(parseUsers('{"users": {}}', RULES).size).toBe(0);
});

describe('a document that is none is refused with its line', () => {
  test.each([
    ['', /^line 1: allowed: the key users/],
    ['[]', /^line 1: allowed: the key users/],
    ['users: anna', /^line 1: allowed: the key users/],
    ['users: {}\nuser: {}', /^line 2: "user": allowed: the key users/],
    ['users:\n  anna: {\n', /^line 3: /],
    ['{"users": {\n"anna": {"hash": }}', /^line \d/],
    ['users:\n  anna: {}\n  anna: {}\n', /^line 3: Map keys must be unique/],
    ['users: !evil {}', /^line 1: Unresolved tag/],
    ['users: {}\n---\nusers: {}', /multiple documents/],
  ])('%j', (text, line) => {
    expect(problems(text)[0]).toMatch(line);
  });

  test('one that grows by its aliases', () => {
    const bomb = Array.from(
      { length: 20 },
      (_, index) => `    - &a${index + 1} [${`*a${index},`.repeat(10)}]`,
    );
    const text = `users:\n  anna:\n    mounts:\n    - &a0 [1]\n${bomb.join('\n')}\n`;
    expect(problems(text)).not.toEqual([]);
  });

  test('one that is too long', () => {
    expect(problems(`users: {}\n#${'x'.repeat(2 ** 24)}`)).toEqual(['longer than 16 MiB']);
  });
});

describe('a problem tells line, user, field, and what is allowed', () => {
  test('all problems are told at once', () => {
    const text = EVERYTHING.replace('tls: data', 'tls: always')
      .replace('cp850', 'ebcdic')
      .replace('sessions: 3', 'sessions: 0');
    expect(problems(text)).toEqual([
      'line 31: user "anna", limits.sessions: allowed: a whole number from 1',
      'line 36: user "anna", tls: allowed: off or optional or login or data',
      expect.stringMatching(/^line 38: user "anna", encoding: allowed: utf-8 or /),
    ]);
  });

  test.each<readonly [what: string, change: object, problem: RegExp]>([
    [
      'an unknown key',
      { password: 'hunter2' },
      /^line 4: user "anna", password: allowed: the keys hash, login,/,
    ],
    ['no mounts', { mounts: [] }, /mounts: allowed: at least one mount$/],
    [
      'a mount without a prefix',
      { mounts: [{ path: '/', permissions: 'full' }] },
      /mounts\[0\]\.prefix: allowed/,
    ],
    [
      'a mount without permissions',
      { mounts: [{ path: '/', prefix: '' }] },
      /mounts\[0\]\.permissions: allowed: full, read-only/,
    ],
    [
      'an unknown permission',
      { mounts: [{ ...MOUNT, permissions: ['read', 'fly'] }] },
      /permissions: allowed/,
    ],
    [
      'a set that is an inherited key',
      { mounts: [{ ...MOUNT, permissions: 'constructor' }] },
      /permissions: allowed/,
    ],
    ['a relative path', { mounts: [{ ...MOUNT, path: 'in' }] }, /path: allowed: an absolute path/],
    ['a path with ..', { mounts: [{ ...MOUNT, path: '/a/../b' }] }, /path: allowed: an absolute path/],
    [
      'a path with an empty name',
      { mounts: [{ ...MOUNT, path: '/a//b' }] },
      /path: allowed: an absolute path/,
    ],
    ['a path with a line end', { mounts: [{ ...MOUNT, path: '/a\nb' }] }, /path: allowed: an absolute path/],
    ['an empty path', { mounts: [{ ...MOUNT, path: '' }] }, /path: allowed: an absolute path/],
    ['a prefix with ..', { mounts: [{ ...MOUNT, prefix: 'a/../b' }] }, /prefix: allowed: a key prefix/],
    [
      'two mounts of a path',
      { mounts: [MOUNT, { ...MOUNT, path: '/a' }, { ...MOUNT, path: '/a/' }] },
      /mounts\[2\]\.path: allowed: a path that no other/,
    ],
    [
      'a foreign bucket',
      { mounts: [{ ...MOUNT, bucket: 'others' }] },
      /bucket: allowed: the bucket of FERRY_BUCKET, or/,
    ],
    [
      'a grant outside the mounts',
      { mounts: [{ ...MOUNT, path: '/a' }], grants: [{ path: '/ab', permissions: 'full' }] },
      /grants\[0\]\.path: allowed: a path in one/,
    ],
    [
      'two grants of a path',
      {
        grants: [
          { path: '/a', permissions: 'full' },
          { path: '/a', permissions: 'none' },
        ],
      },
      /grants\[1\]\.path: allowed: a path that no other/,
    ],
    [
      'a rate without a unit',
      { limits: { uploadRate: '100' } },
      /limits\.uploadRate: allowed: off, or bytes a second/,
    ],
    ['a number for a rate', { limits: { uploadRate: 100 } }, /limits\.uploadRate: allowed: a text/],
    ['a network that is none', { networks: ['192.0.2.0/33'] }, /networks\[0\]: allowed: networks such as/],
    ['a public key that is none', { publicKeys: ['AAAA'] }, /publicKeys\[0\]: allowed: the SHA-256/],
    [
      'a role that is not allowed',
      { role: { arn: 'arn:aws:iam::123456789012:role/ferryman' } },
      /role\.arn: allowed: a role that FERRY_ALLOWED_ROLES names/,
    ],
    [
      'a role by a pattern',
      { role: { arn: 'arn:aws:iam::123456789012:role/ferry/*' } },
      /role\.arn: allowed: the ARN/,
    ],
    [
      'a policy that is not JSON',
      { role: { arn: 'arn:aws:iam::123456789012:role/one', policy: '{' } },
      /role\.policy: allowed: a session policy/,
    ],
    [
      'a policy that is too long',
      { role: { arn: 'arn:aws:iam::123456789012:role/one', policy: { x: 'y'.repeat(2048) } } },
      /role\.policy: allowed: a session policy/,
    ],
    [
      'a tag with a bad value',
      { role: { arn: 'arn:aws:iam::123456789012:role/one', tags: { a: 'b;c' } } },
      /role\.tags\.a: allowed: letters/,
    ],
  ])('%s', (_, change, problem) => {
    const found = problems(of({ ...change, ...ANNA, ...change }));
    expect(found).toEqual([expect.stringMatching(problem)]);
    expect(found[0]).toMatch(/^line \d+: user "anna", /);
  });

  test.each(REFUSED_HASHES)('a hash of %s, which is not repeated', (_, hash, why) => {
    const [found = '', ...others] = problems(of({ ...ANNA, hash }));
    expect(others).toEqual([]);
    expect(found).toMatch(/^line 4: user "anna", hash: allowed: /);
    expect(found.replace(/^.*?allowed: /, '')).toMatch(why);
    expect(found).not.toContain(hash);
  });

  test.each(['anonymous', 'FTP', 'a/b', 'a\\b', '', 'x'.repeat(129), 'a\u0000b'])('the name %j', (name) => {
    expect(problems(of(ANNA, name))).toEqual([expect.stringContaining(': allowed: 1 to 128 characters')]);
  });

  test('control characters of a name do not reach a terminal', () => {
    expect(problems(of(ANNA, '\u009b31mred'))[0]).not.toContain('\u009b');
  });

  test('no more than twenty problems are told', () => {
    const users = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`user${index}`, {}]));
    expect(problems(JSON.stringify({ users }))).toHaveLength(21);
  });
});

describe('a mount and the anonymous root', () => {
  const rules: UsersRules = { ...RULES, anonymous: { access: 'read', root: 'pub/' } };

  test.each(['', 'pub', 'pub/anna'])('the prefix "%s" overlaps it and is refused', (prefix) => {
    expect(problems(of({ ...ANNA, mounts: [{ ...MOUNT, prefix }] }), rules)).toEqual([
      expect.stringContaining(
        'mounts[0].prefix: allowed: a prefix that neither holds nor lies in FERRY_ANONYMOUS_ROOT',
      ),
    ]);
  });

  test.each(['public', 'pu', 'anna/pub'])('the prefix "%s" does not', (prefix) => {
    expect(problems(of({ ...ANNA, mounts: [{ ...MOUNT, prefix }] }), rules)).toEqual([]);
  });

  test('the same prefix of another bucket does not', () => {
    const mounts = [{ ...MOUNT, bucket: 'archive', prefix: 'ftp/pub' }];
    expect(problems(of({ ...ANNA, mounts }), rules)).toEqual([]);
  });
});
