import { z } from 'zod';
import type { Permission } from './identity.ts';
import { type Found, isNetwork, restOf } from './imported-user.ts';

const texts = z.array(z.string()).nullish();

/** What of a user's fields is taken over, or keeps the user from it (SFTPGo's OpenAPI schema, User). */
const DUMP = z.object({
  users: z.array(
    z.object({
      username: z.string(),
      password: z.string().nullish(),
      status: z.number(),
      expiration_date: z.number().nullish(),
      home_dir: z.string().nullish(),
      permissions: z.record(z.string(), z.array(z.string())).nullish(),
      max_sessions: z.number().nullish(),
      /** KiB a second of one session, as the other. */
      upload_bandwidth: z.number().nullish(),
      download_bandwidth: z.number().nullish(),
      quota_size: z.number().nullish(),
      quota_files: z.number().nullish(),
      virtual_folders: z.array(z.unknown()).nullish(),
      groups: z.array(z.unknown()).nullish(),
      filters: z
        .object({
          allowed_ip: texts,
          denied_ip: texts,
          denied_protocols: texts,
          denied_login_methods: texts,
          file_patterns: z.array(z.unknown()).nullish(),
          totp_config: z.object({ enabled: z.boolean().nullish() }).nullish(),
        })
        .nullish(),
      filesystem: z
        .object({
          provider: z.number(),
          s3config: z.object({ bucket: z.string().nullish(), key_prefix: z.string().nullish() }).nullish(),
        })
        .nullish(),
    }),
  ),
});

type DumpedUser = z.output<typeof DUMP>['users'][number];

/** SFTPGo's permissions by Ferry's; those of owners, modes, times and links mean nothing here. */
const PERMISSIONS: Readonly<Record<string, readonly Permission[]>> = {
  list: ['list'],
  download: ['read'],
  upload: ['write'],
  /** Also what resuming an upload takes there. */
  overwrite: ['overwrite', 'append'],
  delete: ['delete', 'remove-directory'],
  delete_files: ['delete'],
  delete_dirs: ['remove-directory'],
  rename: ['rename'],
  rename_files: ['rename'],
  rename_dirs: ['rename'],
  create_dirs: ['make-directory'],
};

const ALL = [...new Set(Object.values(PERMISSIONS).flat())];

/** `provider` of S3. */
const S3 = 1;

/**
 * Reads the users of a dump as `dumpdata` writes it.
 * @throws SyntaxError where it is not one
 */
export function parseSftpgo(text: string): readonly Found[] {
  const { data, error } = DUMP.safeParse(JSON.parse(text));
  const [issue] = error?.issues ?? [];
  if (!data) throw new SyntaxError(`not a dump of SFTPGo: ${issue?.path.join('.')}: ${issue?.message}`);
  return data.users.map(toFound);
}

function toFound(user: DumpedUser): Found {
  const { permissions, filesystem, filters } = user;
  const s3 = filesystem?.provider === S3 ? filesystem.s3config : undefined;
  const own = Object.entries(permissions ?? {}).filter(([path]) => path !== '/');
  const grants = own.map(([path, names]) => ({ path, permissions: toPermissions(names) }));
  const { max_sessions: sessions, upload_bandwidth, download_bandwidth } = user;
  const limits = {
    sessions,
    upload: 1024 * (upload_bandwidth ?? 0),
    download: 1024 * (download_bandwidth ?? 0),
  };
  return {
    name: user.username,
    hash: user.password ?? '',
    home: user.home_dir ?? '',
    ...(s3 && { bucket: s3.bucket ?? undefined, prefix: s3.key_prefix ?? '' }),
    permissions: toPermissions(permissions?.['/'] ?? []),
    rest: {
      ...(grants.length > 0 && { grants }),
      ...restOf({ ...limits, clients: filters?.allowed_ip ?? [] }),
    },
    notes: notesOn(user),
    refused: whyNot(user),
  };
}

function toPermissions(names: readonly string[]): readonly Permission[] {
  return names.includes('*') ? ALL : [...new Set(names.flatMap((name) => PERMISSIONS[name] ?? []))];
}

function notesOn(user: DumpedUser): readonly string[] {
  const { quota_size, quota_files, virtual_folders, expiration_date, groups } = user;
  return [
    quota_size || quota_files ? 'the quota is not taken over' : '',
    virtual_folders?.length ? 'virtual folders are not taken over' : '',
    expiration_date ? 'the date of expiry is not taken over' : '',
    groups?.length ? 'what groups give or forbid is not taken over' : '',
  ].filter(Boolean);
}

/** Restrictions that Ferry does not have would be gone, hence keep a user from being taken over. */
function whyNot({
  status,
  filters,
  filesystem,
  permissions,
  expiration_date,
}: DumpedUser): string | undefined {
  if (status !== 1) return 'the user is disabled';
  if (expiration_date && expiration_date < Date.now()) return 'the user has expired';
  if (![0, S3].includes(filesystem?.provider ?? 0)) return 'the files are neither local nor in S3';
  if (filters?.denied_protocols?.includes('FTP')) return 'FTP is denied to the user';
  if (filters?.denied_login_methods?.includes('password')) return 'passwords are denied to the user';
  if (filters?.totp_config?.enabled) return 'the user has a second factor';
  if (filters?.file_patterns?.length) return 'restricted by patterns of names';
  if (Object.keys(permissions ?? {}).some((path) => /[*?[]/.test(path)))
    return 'permissions by patterns of paths';
  const taken = !filters?.denied_ip?.length && (filters?.allowed_ip ?? []).every(isNetwork);
  return taken ? undefined : 'restricted to clients in a way that cannot be taken over';
}
