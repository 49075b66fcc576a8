import type { Config, Rate } from '../config.ts';
import { canonicalPath } from '../fs/names.ts';
import type { Identity, Mount, UserLimits } from './identity.ts';
import { isAllowedRole, overlapsAnonymous } from './mount-rules.ts';
import type { User } from './users-schema.ts';
import { type Field, readUsers, UsersError } from './users-text.ts';

/** The settings that a users document must agree with. Plain data, so that a thread can be given it. */
export type UsersRules = Pick<Config, 'bucket' | 'prefix' | 'anonymous' | 'objects'> & {
  readonly users: Pick<Config['users'], 'allowedBuckets' | 'allowedRoles'>;
};

/** One user of a document: how they prove who they are, and who they are then. Plain data. */
export interface UserEntry {
  readonly name: string;
  /** What they must prove: the password, possession of a certificate's key, or both. */
  readonly login: 'password' | 'certificate' | 'both';
  /** Of the password; there unless `login` is `certificate`. */
  readonly hash: string | undefined;
  /** SHA-256 of public keys (SubjectPublicKeyInfo, DER) in base64. */
  readonly publicKeys: readonly string[];
  /** Whether any verified certificate whose common name is the user's name will do. */
  readonly certificateName: boolean;
  readonly identity: Identity;
}

/** Reports a problem of a field, and goes on. */
type Report = (field: Field, allowed: string) => void;

/**
 * Reads a users document, JSON or YAML, and checks it against the settings. All or nothing.
 * @throws UsersError with a line for every problem
 */
export function parseUsers(text: string, rules: UsersRules): Map<string, UserEntry> {
  const problems: string[] = [];
  const entries = readUsers(text).map(({ name, user, problem }): [string, UserEntry] => {
    const report: Report = (field, allowed) => void problems.push(problem(field, allowed));
    const certificates = user.publicKeys !== undefined || user.certificateName === true;
    checkLogin(user, certificates, report);
    checkPlaces(user, rules, report);
    const byDefault = user.hash === undefined ? 'certificate' : certificates ? 'both' : 'password';
    const { login = byDefault, hash, publicKeys = [], certificateName = false } = user;
    const identity = toIdentity(name, user, rules);
    return [name, { name, login, hash, publicKeys, certificateName, identity }];
  });
  if (problems.length > 0) throw new UsersError(problems);
  return new Map(entries);
}

function checkLogin({ login, hash }: User, certificates: boolean, report: Report): void {
  if (hash === undefined && !certificates) report([], 'a hash, publicKeys, or certificateName: true');
  else if (hash === undefined && login !== undefined && login !== 'certificate')
    report(['login'], 'certificate, since there is no hash');
  if (!certificates && login !== undefined && login !== 'password')
    report(['login'], 'password, since there are neither publicKeys nor certificateName: true');
}

function checkPlaces({ mounts, grants = [], role }: User, rules: UsersRules, report: Report): void {
  const { allowedBuckets, allowedRoles } = rules.users;
  const paths = mounts.map(({ path }) => canonicalPath(path));
  for (const [index, mount] of mounts.entries()) {
    const field = (name: string) => ['mounts', index, name];
    if (paths.indexOf(canonicalPath(mount.path)) < index)
      report(field('path'), 'a path that no other mount has');
    const { bucket = rules.bucket } = mount;
    if (bucket !== rules.bucket && !allowedBuckets.includes(bucket))
      report(field('bucket'), 'the bucket of FERRY_BUCKET, or one of FERRY_ALLOWED_BUCKETS');
    if (overlapsAnonymous(rules, placeOf(mount, rules)))
      report(field('prefix'), 'a prefix that neither holds nor lies in FERRY_ANONYMOUS_ROOT');
  }
  for (const [index, { path }] of grants.entries()) {
    const field = ['grants', index, 'path'];
    if (grants.findIndex((grant) => grant.path === path) < index)
      report(field, 'a path that no other grant has');
    const within = paths.some((mount) => mount === '/' || `${canonicalPath(path)}/`.startsWith(`${mount}/`));
    if (!within) report(field, 'a path in one of the mounts');
  }
  if (role && !isAllowedRole(allowedRoles, role.arn))
    report(['role', 'arn'], 'a role that FERRY_ALLOWED_ROLES names');
}

/** A mount's prefix is seen from FERRY_PREFIX, unless it leads to another bucket. */
function placeOf({ bucket, prefix }: User['mounts'][number], rules: UsersRules) {
  const own = bucket === undefined || bucket === rules.bucket;
  return { bucket: bucket ?? rules.bucket, prefix: own ? rules.prefix + prefix : prefix };
}

/** Who a user of a document is. */
export function toIdentity(name: string, user: User, rules: UsersRules): Identity {
  const { grants, limits, networks, tls, resume, encoding, role } = user;
  return {
    user: name,
    anonymous: false,
    mounts: user.mounts.map(
      (mount): Mount => ({
        path: canonicalPath(mount.path),
        ...placeOf(mount, rules),
        permissions: mount.permissions,
        overwrite: mount.overwrite,
        objects: mount.objects && { ...rules.objects, ...mount.objects },
      }),
    ),
    grants: grants?.map(({ path, permissions }) => ({ path: canonicalPath(path), permissions })),
    limits: limits && toLimits(limits),
    networks,
    tls,
    resume,
    encoding,
    role,
  };
}

function toLimits(limits: NonNullable<User['limits']>): UserLimits {
  const rate = (session: number | undefined, user: number | undefined): Partial<Rate> => ({
    ...(session !== undefined && { session }),
    ...(user !== undefined && { user }),
  });
  return {
    sessions: limits.sessions,
    uploadRate: rate(limits.uploadRate, limits.uploadRatePerUser),
    downloadRate: rate(limits.downloadRate, limits.downloadRatePerUser),
  };
}
