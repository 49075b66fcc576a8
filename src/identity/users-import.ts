import { type Found, isNetwork, type RawUser, restOf } from './imported-user.ts';
import { parseSftpgo } from './sftpgo-dump.ts';
import { USER } from './users-schema.ts';
import { shownField } from './users-text.ts';

/** Whose files of users can be read: ProFTPD's AuthUserFile, Pure-FTPd's passwd file, SFTPGo's dump, `/etc/shadow`. */
export const IMPORT_FORMATS = ['proftpd', 'pure-ftpd', 'sftpgo', 'shadow'] as const;

export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** What came of an import. Lines name their user. */
export interface Imported {
  readonly users: ReadonlyMap<string, RawUser>;
  /** Who cannot be taken over, and why. */
  readonly refused: readonly string[];
  /** What could not be taken over of those who are. */
  readonly notes: readonly string[];
}

export interface ImportOptions {
  /** Home directories become key prefixes seen from here; undefined: each user's prefix is their name. */
  readonly home?: string | undefined;
  /** Of mounts whose source says nothing of permissions. */
  readonly permissions: unknown;
}

/**
 * Reads another server's users with their hashes.
 * @throws SyntaxError where a dump of SFTPGo is not one
 */
export function importUsers(text: string, format: ImportFormat, options: ImportOptions): Imported {
  const users = new Map<string, RawUser>();
  const refused: string[] = [];
  const notes: string[] = [];
  for (const found of PARSERS[format](text)) {
    const user = toUser(found, options);
    const why = found.refused ?? (typeof user === 'string' ? user : whyNot(found, user));
    if (why !== undefined) refused.push(`${found.name}: ${why}`);
    else if (typeof user === 'object') {
      users.set(found.name, user);
      for (const note of found.notes ?? []) notes.push(`${found.name}: ${note}`);
    }
  }
  return { users, refused, notes };
}

function toUser(found: Found, options: ImportOptions): RawUser | string {
  const prefix = found.prefix ?? prefixOf(found, options.home);
  if (prefix === undefined) return `the home directory ${found.home} is not in ${options.home}`;
  const { bucket, permissions = options.permissions } = found;
  const mount = { path: '/', ...(bucket !== undefined && { bucket }), prefix, permissions };
  return { hash: found.hash, mounts: [mount], ...found.rest };
}

function prefixOf({ name, home = '' }: Found, from: string | undefined): string | undefined {
  if (from === undefined) return name;
  const [base, path] = [from, home].map((each) => `${each.replace(/\/\.?\/?$/, '')}/`);
  return path?.startsWith(base ?? '') ? path.slice(base?.length, -1) : undefined;
}

function whyNot({ hash }: Found, user: RawUser): string | undefined {
  if (hash === '') return 'no password';
  const [issue] = USER.safeParse(user).error?.issues ?? [];
  if (!issue) return undefined;
  return issue.path[0] === 'hash' ? issue.message : `${shownField(issue.path)}: allowed: ${issue.message}`;
}

/** Lines of fields with colons between; `#` begins a comment. */
function lines(text: string): readonly (readonly string[])[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

/** `passwd(5)`: name, hash, uid, gid, gecos, home, shell. */
function parseProFtpd(text: string): readonly Found[] {
  return lines(text).map(([name = '', hash = '', , , , home]) => ({ name, hash, home }));
}

function parseShadow(text: string): readonly Found[] {
  return lines(text).map(([name = '', hash = '']) => ({ name, hash }));
}

/** README.Virtual-Users of Pure-FTPd tells the fields; bandwidths are bytes a second of one session. */
function parsePureFtpd(text: string): readonly Found[] {
  return lines(text).map((fields): Found => {
    const [name = '', hash = '', , , , home = '', upload, download, , , sessions] = fields;
    const [allowed = '', denied = '', times = ''] = fields.slice(15);
    const clients = allowed.split(',').filter(Boolean);
    return {
      name,
      hash,
      home,
      rest: restOf({ sessions, upload, download, clients }),
      notes: [8, 9, 11, 12, 13, 14].some((index) => fields[index])
        ? ['ratios, quotas and local addresses are not taken over']
        : [],
      refused:
        clients.every(isNetwork) && denied === '' && times === ''
          ? undefined
          : 'restricted to what cannot be taken over: host names, denied clients, or times',
    };
  });
}

const PARSERS = {
  proftpd: parseProFtpd,
  'pure-ftpd': parsePureFtpd,
  sftpgo: parseSftpgo,
  shadow: parseShadow,
} as const satisfies Record<ImportFormat, (text: string) => readonly Found[]>;
