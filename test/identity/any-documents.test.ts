import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PERMISSIONS } from '../../src/identity/identity.ts';
import { parseHash } from '../../src/identity/password-format.ts';
import { InvalidAnswer, isTransferUserName, readAnswer } from '../../src/identity/transfer-family.ts';
import { parseUsers, type UsersRules } from '../../src/identity/users-document.ts';
import { UsersError } from '../../src/identity/users-text.ts';
import { NotAllowed } from '../../src/setting-values.ts';
import { HASHES } from './made-elsewhere.ts';

const RULES: UsersRules = {
  bucket: 'files',
  prefix: 'ftp/',
  anonymous: undefined,
  objects: {
    contentType: 'extension',
    metadata: {},
    tags: {},
    storageClass: undefined,
    encryption: undefined,
    carryOver: false,
  },
  users: { allowedBuckets: ['archive'], allowedRoles: ['arn:aws:iam::123456789012:role/ferry/*'] },
};

const HASH = HASHES[0]?.[1] ?? '';
const ROLE = 'arn:aws:iam::123456789012:role/ferry/anna';

/** What a parser gives, or undefined where it throws what it may; any other error is a fault of ours. */
function read<T>(expected: abstract new (...args: never[]) => Error, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof expected)) throw error;
    return undefined;
  }
}

/** Where a mount leads must lie below its prefix, whatever a document says. */
function expectConfined(mounts: readonly { path: string; bucket: string; prefix: string }[]): void {
  expect(mounts.length).toBeGreaterThan(0);
  for (const { path, bucket, prefix } of mounts) {
    expect(path).toMatch(/^\//);
    if (path !== '/') expect(path.slice(1).split('/')).not.toContainEqual(expect.stringMatching(/^\.{0,2}$/));
    expect(bucket).not.toBe('');
    if (prefix === '') continue;
    expect(prefix).toMatch(/\/$/);
    expect(prefix.slice(0, -1).split('/')).not.toContainEqual(expect.stringMatching(/^\.{0,2}$/));
  }
}

/** Any JSON where another value is expected. */
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, '', '/', '..', 'a', 0, -1, [], {}, true),
);

const orOdd = <T>(weight: number, good: fc.Arbitrary<T>) =>
  fc.oneof({ weight, arbitrary: good as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: odd });

const spelling = fc
  .array(
    fc.constantFrom('/', '/', 'a', 'in', '.', '..', '%(2E)', '%2e', '\\', ' ', '\0', '\u{1f600}', '//'),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

const path = fc.oneof(
  fc.constantFrom('/', '/in'),
  spelling.map((text) => `/${text}`),
  spelling,
);

const permissions = fc.oneof(
  fc.constantFrom('full', 'read-only', 'none', 'constructor', '__proto__'),
  fc.subarray([...PERMISSIONS, 'fly']),
);

const oddUser = fc.record(
  {
    hash: orOdd(6, fc.constant(HASH)),
    login: orOdd(3, fc.constantFrom('password', 'both')),
    publicKeys: orOdd(3, fc.array(fc.constantFrom(`${'A'.repeat(43)}=`, 'x'), { maxLength: 2 })),
    mounts: orOdd(
      9,
      fc.array(
        fc.record(
          {
            path: orOdd(9, path),
            bucket: orOdd(9, fc.constantFrom('files', 'archive', 'other')),
            prefix: orOdd(9, spelling),
            permissions: orOdd(9, permissions),
          },
          { requiredKeys: ['path', 'prefix', 'permissions'] },
        ),
        { minLength: 1, maxLength: 3 },
      ),
    ),
    grants: orOdd(9, fc.array(fc.record({ path, permissions }), { maxLength: 2 })),
    limits: orOdd(3, fc.record({ sessions: odd, uploadRate: orOdd(1, fc.constantFrom('1MiB', 'off', '1')) })),
    networks: orOdd(3, fc.array(fc.constantFrom('10.0.0.0/8', '::/0', 'x'), { maxLength: 2 })),
    role: orOdd(3, fc.record({ arn: orOdd(3, fc.constant(ROLE)), policy: odd, tags: odd })),
    more: odd,
  },
  { requiredKeys: ['hash', 'mounts'] },
);

/** A user that is right but for where it leads. */
const soundUser = fc.record(
  {
    hash: fc.constant(HASH),
    mounts: fc.array(
      fc.record(
        {
          path: fc.oneof(fc.constantFrom('/', '/in', '/out'), path),
          bucket: fc.constantFrom('files', 'files', 'archive', 'other'),
          prefix: fc.oneof(fc.constantFrom('', 'anna', 'a/b'), spelling),
          permissions: fc.constantFrom('full', 'read-only', 'none'),
        },
        { requiredKeys: ['path', 'prefix', 'permissions'] },
      ),
      { minLength: 1, maxLength: 2 },
    ),
    role: fc.record({ arn: fc.constantFrom(ROLE, ROLE.replace('ferry', 'root')) }),
  },
  { requiredKeys: ['hash', 'mounts'] },
);

const user = fc.oneof(soundUser, oddUser);

test('a users document is refused, or each of its users is confined to mounts of allowed buckets', () => {
  const names = fc.oneof(
    fc.constantFrom('anna', 'ftp', '__proto__', 'a/b', '', '0123'),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(names, user), { minLength: 1, maxLength: 2 }), (entries) => {
      const users = read(UsersError, () =>
        parseUsers(JSON.stringify({ users: Object.fromEntries(entries) }), RULES),
      );
      for (const [name, { identity, hash }] of users ?? []) {
        expect(identity.user).toBe(name);
        if (hash !== undefined) expect(hash).toBe(HASH);
        expectConfined(identity.mounts);
        for (const { bucket, prefix } of identity.mounts) {
          expect(['files', 'archive']).toContain(bucket);
          if (bucket === 'files') expect(prefix.startsWith('ftp/')).toBe(true);
        }
        if (identity.role) expect(identity.role.arn).toBe(ROLE);
      }
    }),
    { numRuns: 3000 },
  );
});

test('any text of YAML is a users document, or what is wrong with it, in lines without its control characters', () => {
  const pieces = [
    ...[
      'users',
      ':',
      ': ',
      '\n',
      '\n  ',
      '\n    ',
      'anna',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '<<: *a',
      '!!binary ',
      '? ',
    ],
    ...[
      '|',
      '>',
      '"',
      "'",
      '#',
      '---\n',
      '...\n',
      '%YAML 1.1\n',
      'mounts',
      'path: /',
      'role',
      'policy: ',
      'null',
      '~',
      '0x10',
    ],
    ...[
      '!!set',
      '!<tag:yaml.org,2002:js/function> ',
      '\t',
      '\0',
      '\x1b[2J',
      '\ud800',
      '\ufeff',
      'hash: a',
      `hash: ${HASH}`,
    ],
  ];
  const yaml = fc.array(fc.constantFrom(...pieces), { maxLength: 25 }).map((all) => all.join(''));
  const texts = fc.oneof(
    yaml,
    yaml.map((text) => `users:\n  anna:\n    ${text}`),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseUsers(text, RULES);
      } catch (error) {
        expect(error).toBeInstanceOf(UsersError);
        for (const line of (error as UsersError).problems) expect(line).not.toMatch(/\p{Cc}/u);
      }
    }),
    { numRuns: 3000 },
  );
});

test.each([
  ['a list that holds itself', 'users:\n  anna:\n    mounts: &a [*a]\n'],
  ['a policy that holds itself', 'users:\n  anna:\n    role:\n      policy: &a\n        b: *a\n'],
  ['a billion laughs', `${laughs()}users:\n  anna: *l9\n`],
])('%s is told as what is wrong with the document', (_, text) => {
  expect(() => parseUsers(text, RULES)).toThrow(UsersError);
});

/** Each anchor holds ten of the one before it. */
function laughs(): string {
  const levels = Array.from(
    { length: 9 },
    (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(10)}]\n`,
  );
  return `l0: &l0 ha\n${levels.join('')}`;
}

test('a hash is refused in words that do not hold it, or has a salt, a digest and a bounded cost', () => {
  const parts = fc.constantFrom(
    ...[
      '$',
      '$',
      '$',
      'argon2id',
      'argon2i',
      'v=19',
      'm=19456,t=2,p=1',
      'm=99999999,t=9,p=1',
      'pbkdf2-sha256',
      '-b64salt',
    ],
    ...[
      'pbkdf2',
      '150000',
      '99999999',
      '0',
      '2b',
      '12',
      '31',
      '5',
      '6',
      'rounds=5000',
      'rounds=0',
      'saltsalt',
      '=',
      '.',
      '/',
    ],
    ...['A'.repeat(22), 'A'.repeat(43), 'A'.repeat(53), 'A'.repeat(86), 'y', '1', '{SHA}', '!', '*'],
  );
  const texts = fc.array(parts, { maxLength: 10 }).map((all) => all.join(''));
  fc.assert(
    fc.property(texts, (text) => {
      const hash = read(NotAllowed, () => parseHash(text));
      if (hash?.kind === 'argon2') expect(hash.memory * hash.passes).toBeLessThanOrEqual(2 ** 24);
      if (hash?.kind === 'pbkdf2') expect(hash.iterations).toBeLessThanOrEqual(1e6);
      if (hash?.kind === 'sha-crypt') expect(hash.rounds).toBeLessThanOrEqual(1e6);
      if (hash && 'digest' in hash) expect(hash.digest.length).toBeGreaterThanOrEqual(16);
    }),
    { numRuns: 5000 },
  );
});

const variable = (name: string) => `\${transfer:${name}}`;

test('an answer of a Transfer Family function is refused, invalid, or an identity that stays in its directory', () => {
  const target = fc.oneof(
    path,
    spelling.map((text) => `/files/${text}`),
    fc.constantFrom(
      `/files/${variable('UserName')}`,
      `/${variable('HomeBucket')}/x`,
      `/files/${variable('Nobody')}`,
    ),
  );
  const mapping = fc.record(
    { Entry: orOdd(9, path), Target: orOdd(9, target), Type: orOdd(3, fc.constant('DIRECTORY')) },
    { requiredKeys: ['Entry', 'Target'] },
  );
  const details = fc.array(mapping, { maxLength: 3 });
  const answer = fc.record(
    {
      Role: orOdd(9, fc.constant(ROLE)),
      Policy: orOdd(
        3,
        odd.map((value) => JSON.stringify(value)),
      ),
      HomeDirectory: orOdd(9, target),
      HomeDirectoryType: orOdd(9, fc.constantFrom('PATH', 'LOGICAL', '')),
      HomeDirectoryDetails: fc.oneof(
        details,
        details.map((list) => JSON.stringify(list)),
        odd,
      ),
      PublicKeys: orOdd(3, fc.constant([])),
      PosixProfile: odd,
    },
    { requiredKeys: ['Role'] },
  );
  fc.assert(
    fc.property(orOdd(20, answer), fc.constantFrom('anna', 'a@b.c'), (given, name) => {
      expect(isTransferUserName(name)).toBe(true);
      const answered = read(InvalidAnswer, () => readAnswer(given, name));
      if (answered === undefined || 'refused' in answered) return;
      const { user: found, mounts, role } = answered.identity;
      expect([found, role?.arn]).toEqual([name, ROLE]);
      expectConfined(mounts);
      if (role?.policy !== undefined) expect(typeof JSON.parse(role.policy)).toBe('object');
    }),
    { numRuns: 5000 },
  );
});
