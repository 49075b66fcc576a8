import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePath } from '../../src/fs/names.ts';
import { type Identity, type Mount, PERMISSIONS, type Permission } from '../../src/identity/identity.ts';
import { sessionPolicies } from '../../src/identity/session-policy.ts';
import { allows, type Statement } from '../support/iam.ts';

const ROLE = { arn: 'arn:aws:iam::123456789012:role/ftp' };
const EXACT = { looks: false };

/** What Ferry asks of S3, by the permission that it needs; `list` and `read` ask the same (HeadObject). */
const NEEDED: Readonly<Record<Permission, readonly string[]>> = {
  list: ['s3:GetObject'],
  read: ['s3:GetObject'],
  write: ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
  overwrite: ['s3:PutObject', 's3:GetObject'],
  append: ['s3:PutObject', 's3:GetObject'],
  delete: ['s3:DeleteObject', 's3:GetObject'],
  rename: ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
  'make-directory': ['s3:PutObject'],
  'remove-directory': ['s3:DeleteObject'],
};

function mount(path: string, bucket: string, prefix: string, ...permissions: Permission[]): Mount {
  return { path, bucket, prefix, permissions: new Set(permissions) };
}

function identity(mounts: readonly Mount[], changes: Partial<Identity> = {}): Identity {
  return { user: 'anna', anonymous: false, mounts, role: ROLE, ...changes };
}

const object = (bucket: string, key: string) => `arn:aws:s3:::${bucket}/${key}`;

describe('a session policy', () => {
  test('is this text for a home directory', () => {
    const [policy] = sessionPolicies(identity([mount('/', 'files', 'home/anna/', 'list', 'read')]), EXACT);
    expect(JSON.parse(policy ?? '')).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 's3:ListBucket',
          Resource: 'arn:aws:s3:::files',
          Condition: { StringLike: { 's3:prefix': ['home/anna/*'] } },
        },
        {
          Effect: 'Allow',
          Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
          Resource: '*',
          Condition: { StringLike: { 'kms:ViaService': 's3.*' } },
        },
        {
          Effect: 'Allow',
          Action: ['s3:GetObject', 's3:GetObjectTagging'],
          Resource: ['arn:aws:s3:::files/home/anna/*'],
        },
      ],
    });
  });

  test('names the partition of the role', () => {
    const role = { arn: 'arn:aws-cn:iam::123456789012:role/ftp' };
    const [policy] = sessionPolicies(identity([mount('/', 'files', '', 'read')], { role }), EXACT);
    expect(policy).toContain('"arn:aws-cn:s3:::files/*"');
  });

  test('does not let a mount at a prefix read a sibling whose name begins alike', () => {
    const [policy = ''] = sessionPolicies(identity([mount('/', 'files', 'a/', ...PERMISSIONS)]), EXACT);
    expect(allows(policy, 's3:GetObject', object('files', 'a/x'))).toBe(true);
    expect(allows(policy, 's3:GetObject', object('files', 'ab/x'))).toBe(false);
    const list = (prefix: string) =>
      allows(policy, 's3:ListBucket', 'arn:aws:s3:::files', { 's3:prefix': prefix });
    expect([list('a/'), list('a/x'), list('ab/'), list('')]).toEqual([true, true, false, false]);
  });

  test('takes wildcards and variables in a prefix for themselves', () => {
    const prefix = `a*?\${aws:userid}/`;
    const [policy = ''] = sessionPolicies(identity([mount('/', 'files', prefix, 'read')]), EXACT);
    expect(allows(policy, 's3:GetObject', object('files', `${prefix}x`))).toBe(true);
    expect(allows(policy, 's3:GetObject', object('files', 'abc/x'))).toBe(false);
    expect(policy).toContain(`a\${*}\${?}\${$}{aws:userid}/*`);
  });

  test('lets one who may only write read nothing, unless uploads have to look at what stands there', () => {
    const dropBox = identity([mount('/', 'files', 'in/', 'write')]);
    const may = (looks: boolean) =>
      allows(sessionPolicies(dropBox, { looks })[0] ?? '', 's3:GetObject', object('files', 'in/x'));
    expect([may(false), may(true)]).toEqual([false, true]);
  });

  test('takes from a path what a grant takes from it, and gives what a deeper one gives back', () => {
    const grants = [
      { path: '/out', permissions: new Set<Permission>(['read']) },
      { path: '/drop', permissions: new Set<Permission>(['write']) },
    ];
    const mounts = [mount('/', 'files', '', 'read', 'write', 'delete')];
    const [policy = ''] = sessionPolicies(identity(mounts, { grants }), EXACT);
    const may = (action: string, key: string) => allows(policy, action, object('files', key));
    expect(may('s3:PutObject', 'x')).toBe(true);
    expect(may('s3:PutObject', 'out/x')).toBe(false);
    expect(may('s3:DeleteObject', 'out')).toBe(false);
    expect(may('s3:GetObject', 'out/x')).toBe(true);
    expect(may('s3:GetObject', 'drop/x')).toBe(false);
    expect(may('s3:PutObject', 'drop/x')).toBe(true);
    expect(may('s3:PutObject', 'outside')).toBe(true);
  });

  test('takes nothing from a path that a deeper grant, or another mount, gives', () => {
    const write = new Set<Permission>(['write']);
    const none = new Set<Permission>();
    const mounts = [mount('/', 'files', '', 'write'), mount('/again', 'files', 'b/', 'write')];
    const grants = [
      { path: '/a', permissions: none },
      { path: '/a/in', permissions: write },
      { path: '/b', permissions: none },
      { path: '/c', permissions: none },
    ];
    const [policy = ''] = sessionPolicies(identity(mounts, { grants }), EXACT);
    const may = (key: string) => allows(policy, 's3:PutObject', object('files', key));
    expect([may('a/in/x'), may('b/x'), may('c/x')]).toEqual([true, true, false]);
  });

  test('lets the whole bucket be listed where a mount is the whole bucket', () => {
    const [policy = ''] = sessionPolicies(
      identity([mount('/', 'files', '', 'list'), mount('/a', 'files', 'a/', 'list')]),
      EXACT,
    );
    expect(allows(policy, 's3:ListBucket', 'arn:aws:s3:::files')).toBe(true);
  });

  test('becomes coarser where it would be too long, and is none where nothing is short enough', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => mount(`/${n}`, 'files', `partners/${n}/`, 'read'));
    const grants = Array.from({ length: 12 }, (_, n) => ({
      path: `/${n}/${'x'.repeat(40)}`,
      permissions: new Set<Permission>(['write']),
    }));
    const coarse = sessionPolicies(identity(many(12), { grants }), EXACT);
    expect(coarse).toHaveLength(1);
    expect(coarse[0]).not.toContain('xxxx');
    expect(sessionPolicies(identity(many(100)), EXACT)).toEqual([]);
  });

  // Few plain ones, so that mounts and grants often lie in each other.
  const name = fc.oneof(
    { arbitrary: fc.constantFrom('a', 'b'), weight: 4 },
    fc.string({ unit: fc.constantFrom('*', '?', '$', '{', '}', ' ', 'é', '日'), minLength: 1, maxLength: 3 }),
  );
  const permissions = fc.subarray([...PERMISSIONS]).map((some) => new Set(some));
  const folder = fc.array(name, { maxLength: 2 });
  const someMounts = fc.uniqueArray(
    fc.record({
      path: folder.map((names) => `/${names.join('/')}`),
      bucket: fc.constantFrom('one', 'two'),
      prefix: folder.map((names) => names.map((each) => `${each}/`).join('')),
      permissions,
    }),
    { minLength: 1, maxLength: 3, selector: ({ path }) => path },
  );
  const someGrants = fc.array(
    fc.record({ path: folder.map((names) => `/${names.join('/')}`), permissions }),
    { maxLength: 3 },
  );

  test('is short enough, in Latin-1, and names only actions that S3 and KMS have', () => {
    const known =
      /^(s3:(ListBucket|(Get|Put)Object(Tagging)?|DeleteObject|AbortMultipartUpload|ListMultipartUploadParts)|kms:(Decrypt|GenerateDataKey))$/;
    fc.assert(
      fc.property(someMounts, someGrants, (mounts, grants) => {
        for (const policy of sessionPolicies(identity(mounts, { grants }), EXACT)) {
          expect(policy).toMatch(/^[\t\n\r\u0020-\u00ff]{1,2048}$/);
          const { Version, Statement } = JSON.parse(policy) as { Version: string; Statement: Statement[] };
          expect(Version).toBe('2012-10-17');
          for (const { Effect, Action, Resource } of Statement) {
            expect(Effect).toMatch(/^(Allow|Deny)$/);
            for (const action of [Action].flat()) expect(action).toMatch(known);
            expect([Resource].flat()).not.toHaveLength(0);
          }
        }
      }),
    );
  });

  test('never allows anything outside the mounts', () => {
    fc.assert(
      fc.property(
        someMounts,
        someGrants,
        fc.constantFrom('one', 'two'),
        folder,
        (mounts, grants, bucket, names) => {
          const key = [...names, 'x'].join('/');
          const inside = mounts.some((each) => each.bucket === bucket && key.startsWith(each.prefix));
          for (const policy of sessionPolicies(identity(mounts, { grants }), EXACT))
            for (const action of Object.values(NEEDED).flat())
              if (!inside) expect(allows(policy, action, object(bucket, key))).toBe(false);
        },
      ),
    );
  });

  test('allows whatever the permissions of a path allow', () => {
    fc.assert(
      fc.property(someMounts, someGrants, folder, (mounts, given, names) => {
        // One grant a path, as documents have it.
        const grants = given.filter(({ path }, n) => given.findIndex((each) => each.path === path) === n);
        const path = `/${[...names, 'x'].join('/')}`;
        const deepest = <T extends { path: string }>(all: readonly T[]) =>
          all
            .filter((each) => each.path === '/' || `${path}/`.startsWith(`${each.path}/`))
            .sort((a, b) => b.path.length - a.path.length)[0];
        const at = deepest(mounts);
        if (!at) return;
        const grant = deepest(grants);
        const holding = grant && grant.path.length >= at.path.length ? grant : at;
        const key = at.prefix + decodePath(path.slice(at.path === '/' ? 1 : at.path.length + 1));
        for (const policy of sessionPolicies(identity(mounts, { grants }), EXACT))
          for (const permission of holding.permissions)
            for (const action of NEEDED[permission])
              expect(allows(policy, action, object(at.bucket, key)), `${permission}: ${policy}`).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
