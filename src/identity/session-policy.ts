import { decodePath } from '../fs/names.ts';
import type { Identity, Mount, Permission } from './identity.ts';

/** Characters of a session policy (STS API reference, AssumeRole). */
const LONGEST = 2048;

const READ = ['s3:GetObject', 's3:GetObjectTagging'];
const WRITE = [
  's3:PutObject',
  's3:PutObjectTagging',
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
];

/** What Ferry's requests need for each permission: HeadObject is GetObject, and a copy is both. */
const ACTIONS: Readonly<Record<Permission, readonly string[]>> = {
  list: READ,
  read: READ,
  write: WRITE,
  overwrite: [...READ, ...WRITE],
  append: [...READ, ...WRITE],
  delete: [...READ, 's3:DeleteObject'],
  rename: [...READ, ...WRITE, 's3:DeleteObject'],
  'make-directory': ['s3:PutObject'],
  'remove-directory': ['s3:DeleteObject'],
};

/** Keys that a mount or a grant covers, and what may be done with them. */
interface Area {
  readonly bucket: string;
  /** What their keys begin with. */
  readonly prefix: string;
  /** A grant's own path, which may be a file. */
  readonly key?: string;
  readonly mount: Mount;
  readonly actions: ReadonlySet<string>;
}

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

/**
 * Session policies for what an identity may do, the finest first, each within STS's 2,048 characters; empty where
 * none is so short. None allows anything outside the mounts. The first says what the permissions say, but for LIST,
 * which uploads need to find their directory; the later ones leave the exceptions below a mount, and then the
 * differences between mounts, to Ferry alone.
 * @param options.looks whether uploads look at what stands under their name (FERRY_OVERWRITE, FERRY_CARRY_OVER)
 */
export function sessionPolicies(identity: Identity, { looks }: { looks: boolean }): string[] {
  const [, partition = 'aws'] = identity.role?.arn.split(':') ?? [];
  const mounts = identity.mounts.map((mount) => mountArea(mount, looks));
  const grants = grantAreas(identity, looks);
  const all = [...mounts, ...grants];
  const base = [...lists(partition, identity.mounts), keys()];
  const every = new Set(all.flatMap(({ actions }) => [...actions]));
  const one = mounts.map((area) => ({ ...area, actions: every }));
  const candidates = [
    [...base, ...allows(partition, all), ...denies(partition, mounts, grants)],
    [...base, ...allows(partition, all)],
    [...base, ...allows(partition, one)],
  ];
  const texts = candidates.map((Statement) => policyText({ Version: '2012-10-17', Statement }));
  return [...new Set(texts)].filter((text) => text.length <= LONGEST);
}

function actionsOf(permissions: ReadonlySet<Permission>, looks: boolean): Set<string> {
  const actions = new Set([...permissions].flatMap((permission) => ACTIONS[permission]));
  if (looks && permissions.has('write')) for (const action of READ) actions.add(action);
  return actions;
}

function mountArea(mount: Mount, byDefault: boolean): Area {
  const { bucket, prefix, permissions, overwrite, objects } = mount;
  const looks = byDefault || (overwrite ?? 'replace') !== 'replace' || objects?.carryOver === true;
  return { bucket, prefix, mount, actions: actionsOf(permissions, looks) };
}

/** Each grant at the mount that it is below of. */
function grantAreas({ mounts, grants = [] }: Identity, looks: boolean): Area[] {
  return grants.flatMap(({ path, permissions }) => {
    const mount = mounts
      .filter((each) => each.path === '/' || path === each.path || path.startsWith(`${each.path}/`))
      .reduce<Mount | undefined>((a, b) => (a && a.path.length > b.path.length ? a : b), undefined);
    if (!mount) return [];
    const inside = decodePath(path.slice(mount.path === '/' ? 1 : mount.path.length + 1));
    const key = mount.prefix + inside;
    const actions = mountArea({ ...mount, permissions }, looks).actions;
    if (inside === '') return [{ bucket: mount.bucket, prefix: mount.prefix, mount, actions }];
    return [{ bucket: mount.bucket, prefix: `${key}/`, key, mount, actions }];
  });
}

/** ListBucket, one statement a bucket. */
function lists(partition: string, mounts: readonly Mount[]): Statement[] {
  return [...Map.groupBy(mounts, ({ bucket }) => bucket)].map(([bucket, here]) => {
    const list = {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: `arn:${partition}:s3:::${bucket}`,
    } as const;
    if (here.some(({ prefix }) => prefix === '')) return list;
    const prefixes = [...new Set(here.map(({ prefix }) => `${literally(prefix)}*`))];
    return { ...list, Condition: { StringLike: { 's3:prefix': prefixes } } };
  });
}

/** S3 asks KMS with the user's rights; which keys that may be, the role says. */
function keys(): Statement {
  const Condition = { StringLike: { 'kms:ViaService': 's3.*' } };
  return { Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: '*', Condition };
}

function allows(partition: string, areas: readonly Area[]): Statement[] {
  return statements('Allow', partition, areas);
}

/** What a grant takes from its mount, unless that would take it from keys that another one gives it to. */
function denies(partition: string, mounts: readonly Area[], grants: readonly Area[]): Statement[] {
  const taking = grants.map((grant) => {
    const others = [...mounts.filter(({ mount }) => mount !== grant.mount), ...grants].filter(
      (other) => other !== grant && overlap(other, grant) && !isAround(other, grant),
    );
    const around = [...mounts, ...grants].filter((other) => other !== grant && isAround(other, grant));
    const given = around.flatMap(({ actions }) => [...actions]);
    const taken = given.filter(
      (action) => !grant.actions.has(action) && !others.some(({ actions }) => actions.has(action)),
    );
    return { ...grant, actions: new Set(taken) };
  });
  return statements('Deny', partition, taking);
}

function overlap(a: Area, b: Area): boolean {
  return a.bucket === b.bucket && (a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix));
}

/** Whether the outer one is of the same mount, and covers the inner one whole. */
function isAround(outer: Area, inner: Area): boolean {
  return outer.mount === inner.mount && inner.prefix.startsWith(outer.prefix);
}

/** One statement for all areas with the same actions. */
function statements(Effect: 'Allow' | 'Deny', partition: string, areas: readonly Area[]): Statement[] {
  const some = areas.filter(({ actions }) => actions.size > 0);
  return [...Map.groupBy(some, ({ actions }) => [...actions].sort().join())].map(([actions, alike]) => {
    const Resource = alike.flatMap(({ bucket, prefix, key }) => [
      ...(key === undefined ? [] : [`arn:${partition}:s3:::${bucket}/${literally(key)}`]),
      `arn:${partition}:s3:::${bucket}/${literally(prefix)}*`,
    ]);
    return { Effect, Action: actions.split(','), Resource: [...new Set(Resource)] };
  });
}

/** Text that means only itself (IAM user guide, policy variables). */
export function literally(text: string): string {
  return text.replace(/[*?$]/g, (special) => `\${${special}}`);
}

/** A policy as JSON in Latin-1, as policies have to be (IAM user guide, quotas): JSON has escapes for the rest. */
export function policyText(policy: unknown): string {
  return JSON.stringify(policy).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
