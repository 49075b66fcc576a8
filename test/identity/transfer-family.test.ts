import { describe, expect, test } from 'vitest';
import { PERMISSIONS } from '../../src/identity/identity.ts';
import { readAnswer, transferRequest } from '../../src/identity/transfer-family.ts';

const ROLE = 'arn:aws:iam::123456789012:role/MyUserS3AccessRole';
const PEER = { address: '203.0.113.9' };
const ALL = new Set(PERMISSIONS);

/** The identity of an answer that is expected to have one. */
function identityOf(answer: unknown, user = 'anna') {
  const answered = readAnswer(answer, user);
  if (!('identity' in answered)) throw new Error(answered.refused);
  return answered.identity;
}

describe('what a provider is asked', () => {
  test('has the documented shape', () => {
    expect(
      transferRequest({ user: 'anna', password: 'x' }, { ...PEER, protocol: 'FTPS' }, 's-abcd123456'),
    ).toEqual({
      username: 'anna',
      password: 'x',
      protocol: 'FTPS',
      serverId: 's-abcd123456',
      sourceIp: '203.0.113.9',
    });
    expect(transferRequest({ user: 'anna', password: 'x' }, PEER, 's')?.protocol).toBe('FTP');
  });

  test.each(['', undefined])(
    'is nothing for the password %j, for which functions answer SSH keys and a role',
    (password) => {
      expect(transferRequest({ user: 'anna', password }, PEER, 's')).toBeUndefined();
    },
  );

  test.each(['ab', '.anna', '-anna', '@anna', 'an na', 'an/na', 'anna\n', 'ännä', 'a'.repeat(101)])(
    'is nothing for the name %j',
    (user) => {
      expect(transferRequest({ user, password: 'x' }, PEER, 's')).toBeUndefined();
    },
  );

  test.each(['ann', '_anna', 'anna@example.com', '0.a-b', 'a'.repeat(100)])('takes the name %j', (user) => {
    expect(transferRequest({ user, password: 'x' }, PEER, 's')?.username).toBe(user);
  });
});

describe('an answer', () => {
  test.each([
    {},
    null,
    undefined,
    { Role: '' },
    { Role: null, HomeDirectory: '/b/home' },
    { HomeDirectory: '/b' },
  ])('%j authenticates nobody', (answer) => {
    expect(readAnswer(answer, 'anna')).toMatchObject({ refused: expect.any(String) });
  });

  test('with SSH keys proves nothing', () => {
    const answer = { Role: ROLE, HomeDirectory: '/b/anna', PublicKeys: ['ssh-rsa AAAA'] };
    expect(readAnswer(answer, 'anna')).toMatchObject({ refused: expect.stringContaining('keys') });
    expect(readAnswer({ ...answer, PublicKeys: [] }, 'anna')).toHaveProperty('identity');
  });

  test('with PATH is confined to the home directory, and keeps a POSIX profile out', () => {
    const answer = {
      Role: ROLE,
      HomeDirectory: '/bucket/home/anna',
      PosixProfile: { Uid: 1000, Gid: 1000 },
    };
    expect(identityOf(answer)).toEqual({
      user: 'anna',
      anonymous: false,
      mounts: [{ path: '/', bucket: 'bucket', prefix: 'home/anna/', permissions: ALL }],
      role: { arn: ROLE, policy: undefined },
    });
    expect(identityOf({ ...answer, HomeDirectory: '/bucket' }).mounts[0]?.prefix).toBe('');
    expect(identityOf({ ...answer, HomeDirectory: '/bucket/a/' }).mounts[0]?.prefix).toBe('a/');
  });

  test.each([
    ['as JSON in a string', JSON.stringify],
    ['as a list', (details: unknown) => details],
  ])('with LOGICAL mounts its mappings %s', (_how, write) => {
    const HomeDirectoryDetails = write([
      { Entry: '/', Target: `/bucket/home/\${transfer:UserName}` },
      { Entry: '/pics/2026/', Target: '/other' },
    ]);
    const { mounts } = identityOf({ Role: ROLE, HomeDirectoryType: 'LOGICAL', HomeDirectoryDetails });
    expect(mounts).toEqual([
      { path: '/', bucket: 'bucket', prefix: 'home/anna/', permissions: ALL },
      { path: '/pics/2026', bucket: 'other', prefix: '', permissions: ALL },
    ]);
  });

  test('shows a mapping under the one name that listings have for it', () => {
    const HomeDirectoryDetails = [{ Entry: '/100%(41)', Target: '/b' }];
    const { mounts } = identityOf({ Role: ROLE, HomeDirectoryType: 'LOGICAL', HomeDirectoryDetails });
    expect(mounts[0]?.path).toBe('/100%(41)');
  });

  test('has its variables replaced in the policy, by text that means only itself', () => {
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: 's3:*',
        Resource: `arn:aws:s3:::\${transfer:HomeDirectory}/*`,
        Condition: {
          StringLike: {
            's3:prefix': [`\${transfer:HomeFolder}/*`, `\${transfer:UserName}`, `\${aws:userid}`],
          },
        },
      },
    });
    const { role } = identityOf({ Role: ROLE, HomeDirectory: `/bucket/a*b/\${transfer:UserName}`, Policy });
    expect(JSON.parse(role?.policy ?? '').Statement).toMatchObject({
      Resource: `arn:aws:s3:::bucket/a\${*}b/anna/*`,
      Condition: { StringLike: { 's3:prefix': [`a\${*}b/anna/*`, 'anna', `\${aws:userid}`] } },
    });
  });

  test('cannot add a statement to its policy by a value that looks like JSON', () => {
    const Policy = `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"\${transfer:HomeFolder}"}]}`;
    const HomeDirectory = '/bucket/x"},{"Effect":"Allow","Action":"*","Resource":"';
    const { role } = identityOf({ Role: ROLE, HomeDirectory, Policy });
    expect(JSON.parse(role?.policy ?? '').Statement).toEqual([
      {
        Effect: 'Allow',
        Action: 's3:*',
        Resource: HomeDirectory.slice('/bucket/'.length).replace('*', `\${*}`),
      },
    ]);
  });

  test('has no value put in twice: a variable in a value is not replaced', () => {
    const Policy = `{"Statement":[{"Resource":"\${transfer:HomeFolder}"}]}`;
    const HomeDirectory = `/bucket/$\${transfer:UserName}{transfer:HomeBucket}`;
    const { role } = identityOf({ Role: ROLE, HomeDirectory, Policy }, 'anna');
    expect(role?.policy).toContain(`\${$}anna{transfer:HomeBucket}`);
  });

  test('writes a policy within Latin-1, as STS wants it', () => {
    const Policy = `{"Statement":[{"Resource":"\${transfer:HomeFolder}"}]}`;
    const { role } = identityOf({ Role: ROLE, HomeDirectory: '/bucket/日本', Policy });
    expect(role?.policy).toBe('{"Statement":[{"Resource":"\\u65e5\\u672c"}]}');
  });

  const path = { Role: ROLE, HomeDirectory: '/b/anna' };
  const logical = (HomeDirectoryDetails: unknown) => ({
    Role: ROLE,
    HomeDirectoryType: 'LOGICAL',
    HomeDirectoryDetails,
  });
  test.each([
    ['a text', 'the answer itself'],
    [{ ...path, Role: 'admin' }, 'Role'],
    [{ ...path, Role: `${ROLE} ` }, 'Role'],
    [{ ...path, Role: 7 }, 'Role'],
    [{ ...path, HomeDirectory: undefined }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: 'b/anna' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: '/' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: '/b/../c' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: '/b/./c' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: '/b//c' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: '/b/a\u0000' }, 'HomeDirectory'],
    [{ ...path, HomeDirectory: `/b/\${transfer:HomeFolder}` }, 'transfer:HomeFolder'],
    [{ ...path, HomeDirectoryType: 'FLAT' }, 'HomeDirectoryType'],
    [logical(undefined), 'HomeDirectoryDetails'],
    [logical('[]'), 'HomeDirectoryDetails'],
    [logical('not JSON'), 'HomeDirectoryDetails'],
    [logical('{"Entry":"/"}'), 'HomeDirectoryDetails'],
    [logical([{ Entry: '/' }]), 'HomeDirectoryDetails'],
    [logical([{ Entry: 'a', Target: '/b' }]), 'HomeDirectoryDetails'],
    [logical([{ Entry: '/../a', Target: '/b' }]), 'HomeDirectoryDetails'],
    [logical([{ Entry: '/a', Target: '/b/..' }]), 'HomeDirectoryDetails'],
    [logical([{ Entry: '/a', Target: '/b/f', Type: 'FILE' }]), 'HomeDirectoryDetails'],
    [
      logical([
        { Entry: '/a', Target: '/b' },
        { Entry: '/a/', Target: '/c' },
      ]),
      'HomeDirectoryDetails',
    ],
    [{ ...path, Policy: 'secret{' }, 'Policy'],
    [{ ...path, Policy: '[]' }, 'Policy'],
    [{ ...path, Policy: JSON.stringify({ Sid: 'x'.repeat(2048) }) }, 'Policy'],
    [
      { ...logical([{ Entry: '/a', Target: '/b' }]), Policy: `{"Resource":"\${transfer:HomeBucket}"}` },
      'transfer:HomeBucket',
    ],
  ])('%j is none, and the error names the field %s, not its value', (answer, field) => {
    const read = () => readAnswer(answer, 'anna');
    expect(read).toThrow(field);
    expect(read).not.toThrow(/secret|admin|not JSON\{/);
  });
});
