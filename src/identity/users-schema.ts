import { z } from 'zod';
import { STORAGE_CLASSES } from '../fs/s3-attributes.ts';
import {
  ENCODINGS,
  encryption,
  fail,
  metadata,
  NotAllowed,
  networks,
  type Parse,
  prefix,
  rate,
  tags,
} from '../setting-values.ts';
import { PERMISSIONS, type Permission } from './identity.ts';
import { parseHash } from './password-format.ts';

/** Short names of sets of permissions. */
export const PERMISSION_SETS = {
  full: PERMISSIONS,
  'read-only': ['list', 'read'],
  /** New names only, as anonymous logins that may write. */
  'write-only': ['write'],
  /** Nothing that is there is changed. */
  'add-only': ['list', 'read', 'write', 'make-directory'],
  none: [],
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

/** Messages of this schema say what is allowed. */
const parsed = <T>(parse: Parse<T>, what = 'a text') =>
  z.string({ error: what }).transform((given, context): T => {
    try {
      return parse(given);
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

const object = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `the keys ${Object.keys(shape).join(', ')}`
        : `a mapping with ${Object.keys(shape).join(', ')}`,
  });

const choice = <const T extends string>(...values: readonly [T, ...T[]]) =>
  z.enum(values, { error: values.join(' or ') });

const flag = z.boolean({ error: 'true or false' });

const list = <T extends z.ZodType>(item: T, what: string) => z.array(item, { error: `a list of ${what}` });

/** Absolute, without a slash at its end, without names that lead elsewhere. */
const virtualPath = parsed((given) => {
  const bare = given.replace(/(?<=.)\/$/, '');
  const names = bare.slice(1).split('/');
  const good = names.every((name) => !/^$|^\.{1,2}$|\p{Cc}/u.test(name));
  return bare === '/' || (bare.startsWith('/') && good) ? bare : fail('an absolute path such as / or /in');
}, 'an absolute path such as / or /in');

const allowedPermissions = `${Object.keys(PERMISSION_SETS).join(', ')}, or a list of ${PERMISSIONS.join(', ')}`;

const permissions = z.unknown().transform((given, context): ReadonlySet<Permission> => {
  const named = typeof given === 'string' && Object.hasOwn(PERMISSION_SETS, given);
  if (named) return new Set(PERMISSION_SETS[given as keyof typeof PERMISSION_SETS]);
  const known = PERMISSIONS.filter((permission) => Array.isArray(given) && given.includes(permission));
  if (Array.isArray(given) && given.every((each) => known.includes(each))) return new Set(known);
  context.addIssue({ code: 'custom', message: allowedPermissions });
  return z.NEVER;
});

const mount = object({
  path: virtualPath,
  bucket: z.string({ error: 'the name of a bucket' }).optional(),
  prefix: parsed(prefix, 'a key prefix such as partners/in, or "" for all'),
  permissions,
  overwrite: choice('replace', 'refuse', 'number').optional(),
  objects: object({
    contentType: choice('extension', 'none').optional(),
    metadata: parsed(metadata).optional(),
    tags: parsed(tags).optional(),
    storageClass: choice(...STORAGE_CLASSES).optional(),
    encryption: parsed(encryption).optional(),
    carryOver: flag.optional(),
  }).optional(),
});

/** AssumeRole in the STS API reference. */
const role = object({
  arn: parsed((given) =>
    /^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/.test(given)
      ? given
      : fail('the ARN of a role such as arn:aws:iam::123456789012:role/ferry/anna'),
  ),
  externalId: parsed((given) =>
    /^[\w+=,.@:/-]{2,1224}$/.test(given) ? given : fail('2 to 1,224 letters, digits and _+=,.@:/-'),
  ).optional(),
  policy: z.unknown().transform(policy).optional(),
  tags: z
    .record(
      z.string().regex(/^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu, { error: 'names to 128 characters' }),
      z.string({ error: 'a text' }).regex(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u, {
        error: 'letters, digits, blanks and _.:/=+-@, to 256 characters',
      }),
      { error: 'a mapping of names to texts' },
    )
    .refine((all) => Object.keys(all).length <= 50, { error: 'at most 50 tags' })
    .optional(),
});

/** A session policy: JSON as a text, or the same as a mapping. */
function policy(given: unknown, context: z.RefinementCtx): string {
  const text = typeof given === 'string' ? given : jsonOf(given);
  if (isJsonObject(text) && text.length <= 2048) return text;
  context.addIssue({ code: 'custom', message: 'a session policy of at most 2,048 characters of JSON' });
  return z.NEVER;
}

/** Empty for what holds itself, by an alias of YAML. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}

function isJsonObject(text: string): boolean {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const limits = object({
  sessions: z.int({ error: 'a whole number from 1' }).min(1, { error: 'a whole number from 1' }).optional(),
  uploadRate: parsed(rate).optional(),
  uploadRatePerUser: parsed(rate).optional(),
  downloadRate: parsed(rate).optional(),
  downloadRatePerUser: parsed(rate).optional(),
});

/** SHA-256 in base64. */
const publicKey = parsed((given) =>
  /^[\w+/]{43}=$/.test(given)
    ? given
    : fail('the SHA-256 of a public key (SubjectPublicKeyInfo) in base64, 44 characters'),
);

/** One user of a document; what is not there holds as configured for the process. */
export const USER = object({
  hash: parsed((given) => {
    parseHash(given);
    return given;
  }, 'the hash of a password').optional(),
  login: choice('password', 'certificate', 'both').optional(),
  publicKeys: list(publicKey, 'public keys').optional(),
  certificateName: flag.optional(),
  mounts: list(mount, 'mounts').min(1, { error: 'at least one mount' }),
  grants: list(object({ path: virtualPath, permissions }), 'paths with permissions').optional(),
  limits: limits.optional(),
  networks: list(
    parsed((given) => networks(given).join()),
    'networks such as 203.0.113.0/24',
  ).optional(),
  tls: choice('off', 'optional', 'login', 'data').optional(),
  resume: choice('off', 'accept', 'require').optional(),
  encoding: choice(...ENCODINGS).optional(),
  role: role.optional(),
});

/** One user of a document, read. */
export type User = z.output<typeof USER>;
