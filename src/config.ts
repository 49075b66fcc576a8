import { isIP } from 'node:net';
import { type ObjectRules, parseTemplates } from './fs/attributes.ts';
import { type Encryption, STORAGE_CLASSES } from './fs/s3-attributes.ts';

/** Encodings of names and replies, by the names that FERRY_ENCODING takes; all carry ASCII as it is. */
export const ENCODINGS = [
  'utf-8',
  'latin1',
  'iso-8859-1',
  'iso-8859-2',
  'iso-8859-3',
  'iso-8859-4',
  'iso-8859-5',
  'iso-8859-6',
  'iso-8859-7',
  'iso-8859-8',
  'iso-8859-9',
  'iso-8859-10',
  'iso-8859-11',
  'iso-8859-13',
  'iso-8859-14',
  'iso-8859-15',
  'iso-8859-16',
  'cp1252',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1257',
  'windows-1258',
  'koi8-r',
  'cp437',
  'cp850',
  'shift_jis',
  'euc-jp',
  'gbk',
  'big5',
  'euc-kr',
] as const;

/**
 * The environment contract: every setting that main.ts hands over, its default and what it allows.
 * Sizes carry a unit (`B`, `KiB`, `MiB`, `GiB`), times too (`ms`, `s`, `m`, `h`); port 0 means any free port.
 */
export interface Config {
  /** Listen address of control and passive ports. */
  readonly host: string;
  /** Control port, 0 to 65535. */
  readonly port: number;
  /** Passive ports, each 0 to 65535. */
  readonly passivePorts: readonly number[];
  /** The IPv4 address that 227 tells; undefined: the control connection's own. */
  readonly passiveAddress: string | undefined;
  /** Whether PORT and EPRT are served. */
  readonly active: boolean;
  readonly bucket: string;
  /** Key prefix of the root, empty or ending in `/`. */
  readonly prefix: string;
  readonly s3: {
    readonly endpoint: string | undefined;
    readonly pathStyle: boolean;
    /** `full`: every upload carries a CRC32 of the whole object; `required`: none is sent. */
    readonly checksums: 'full' | 'required';
  };
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly anonymous: { readonly access: 'read' | 'write'; readonly root: string } | undefined;
  /** Bytes that all uploads of the process may buffer together. */
  readonly memory: number;
  /** GETs at once of one large download; 1: none is read ahead. */
  readonly downloadConnections: number;
  /** What uploads give to their objects besides bytes. */
  readonly objects: ObjectRules;
  /** What an upload does to a name that is taken: replace the file, be refused, or take a free name. */
  readonly overwrite: 'replace' | 'refuse' | 'number';
  /** Times that are shown: those of the upload, or those that clients have set. */
  readonly mtime: 'upload' | 'stored';
  /** Milliseconds for which a broken upload can be resumed; 0: not at all. */
  readonly parking: number;
  readonly log: 'pretty' | 'json' | undefined;
  readonly banner: string;
  readonly welcome: string;
  readonly trace: { readonly by: 'user' | 'address'; readonly value: string } | undefined;
  readonly ascii: 'exact' | 'convert';
  readonly chmod: 'ignore' | 'refuse';
  readonly allo: 'hint' | 'exact';
  /** Of names and replies, unless the client asks for UTF-8. */
  readonly encoding: (typeof ENCODINGS)[number];
  readonly limits: {
    readonly sessions: number;
    readonly sessionsPerAddress: number;
    readonly loginAttempts: number;
    /** Entries that a directory rename may move. */
    readonly renameEntries: number;
    /** Bytes that are read for one digest (HASH). */
    readonly digest: number;
  };
  /** All in milliseconds. */
  readonly times: {
    readonly login: number;
    readonly loginDelay: number;
    readonly idle: number;
    readonly data: number;
    readonly connect: number;
    readonly grace: number;
    readonly drain: number;
  };
}

/** What is wrong with the environment: one line a setting, naming it, what was given and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** A value was given that the setting does not allow; the message says what it allows. */
class NotAllowed extends Error {}

type Parse<T> = (text: string) => T;

const fail = (allowed: string): never => {
  throw new NotAllowed(allowed);
};

const text: Parse<string> = (given) => given;

const oneOf =
  <const T extends string>(...values: readonly T[]): Parse<T> =>
  (given) =>
    values.find((value) => value === given) ?? fail(values.join(' or '));

const onOff: Parse<boolean> = (given) => oneOf('on', 'off')(given) === 'on';

const trueFalse: Parse<boolean> = (given) => oneOf('true', 'false')(given) === 'true';

const integer =
  (least: number, most: number): Parse<number> =>
  (given) => {
    const value = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
    return value >= least && value <= most ? value : fail(`a whole number from ${least} to ${most}`);
  };

const port = integer(0, 65_535);

const address: Parse<string> = (given) =>
  isIP(given) ? given : fail('an IP address, such as 127.0.0.1 or ::');

const ipv4: Parse<string> = (given) =>
  isIP(given) === 4 ? given : fail('an IPv4 address, such as 203.0.113.7');

/** `8192-8200`, `8192,8195`, `0,0,0` and mixtures. */
const ports: Parse<readonly number[]> = (given) => {
  const allowed = 'ports and ranges such as 8192-8200 or 8192,8195 (at most 1,000 ports; 0 is any free one)';
  const list = given.split(',').flatMap((item) => {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(item.trim()) ?? fail(allowed);
    const from = Number(first);
    const to = Number(last ?? first);
    if (to < from || to > 65_535 || to - from >= 1000) fail(allowed);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  const fixed = list.filter((value) => value !== 0);
  return list.length <= 1000 && new Set(fixed).size === fixed.length ? list : fail(allowed);
};

const quantity =
  (units: Readonly<Record<string, number>>, example: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  (given: string): number => {
    const [, digits, unit] = /^(\d{1,12})([A-Za-z]+)$/.exec(given) ?? [];
    const value = Number(digits) * (units[unit ?? ''] ?? Number.NaN);
    return value >= least && value <= most ? value : fail(example);
  };

const size = (least: number, example: string) =>
  quantity({ B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }, example, least);

const TIMES = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const DAY = 86_400_000;

const duration = (least: number) => quantity(TIMES, `a time from ${least}ms to 24h, such as 30s`, least, DAY);

const parking: Parse<number> = (given) =>
  given === 'off'
    ? 0
    : quantity(TIMES, 'off, or a time from 1m to 168h, such as 24h', 60_000, 7 * DAY)(given);

const metadata: Parse<ObjectRules['metadata']> = (given) =>
  parseTemplates(given, 'metadata') ??
  fail(
    'name=value;name=value in printable ASCII, at most 1,920 bytes: names of a-z, 0-9, ".", "_" and "-" but not mtime and ferry-upload, values with {user}, {ip}, {date}, {time}, {path} and {name}',
  );

const tags: Parse<ObjectRules['tags']> = (given) =>
  parseTemplates(given, 'tags') ??
  fail(
    'at most 10 name=value;name=value of letters, digits, blanks and + - = . _ : / @ (names to 128 characters and not aws:..., values to 256), values with {user}, {ip}, {date}, {time}, {path} and {name}',
  );

const encryption: Parse<Encryption> = (given) => {
  const [, algorithm, key] = /^(s3|kms)(?::([\w:/+=,.@-]{1,2048}))?$/.exec(given) ?? [];
  if (algorithm === 's3' && key === undefined) return { algorithm: 'AES256' };
  if (algorithm === 'kms') return { algorithm: 'aws:kms', ...(key !== undefined && { key }) };
  return fail('s3, kms, or kms: and the id, alias or ARN of a key');
};

const endpoint: Parse<string> = (given) => {
  const url = URL.parse(given);
  const bare =
    url !== null && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  const plain = bare && /^https?:$/.test(url.protocol);
  return plain ? given : fail('an http or https URL without credentials, such as https://s3.example.com');
};

const bucketName: Parse<string> = (given) =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(given)
    ? given
    : fail('a bucket name: 3 to 63 characters of a-z, 0-9, "." and "-"');

/** A key prefix, made to end in one slash. */
const prefix: Parse<string> = (given) => {
  const trimmed = given.replace(/^\/+|\/+$/g, '');
  const segments = trimmed === '' ? [] : trimmed.split('/');
  const good = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  return good ? segments.map((segment) => `${segment}/`).join('') : fail('a key prefix such as partners/in');
};

/** A prefix below the root, not the root itself. */
const folder: Parse<string> = (given) => prefix(given) || fail('a folder below the root, such as pub');

const userName: Parse<string> = (given) =>
  /^[^\p{Cc}/\\]{1,128}$/u.test(given) && !/^(anonymous|ftp)$/i.test(given)
    ? given
    : fail('1 to 128 characters without control characters or slashes, and not anonymous or ftp');

const password: Parse<string> = (given) => (given === '' ? fail('a password that is not empty') : given);

const trace = (given: string): { by: 'user' | 'address'; value: string } => {
  const [, by, value = ''] = /^(user|address):(.+)$/.exec(given) ?? fail('user:NAME or address:IP');
  if (by === 'address') return isIP(value) ? { by, value } : fail('user:NAME or address:IP');
  return { by: 'user', value };
};

/** Settings whose values an error line must not repeat, besides URLs with credentials. */
const SECRET = new Set(['FERRY_PASSWORD']);

/** Settings of the launcher and the embedded S3 server, which share the environment with the server. */
const OF_THE_LAUNCHER = new Set(['FERRY_DATA_DIR']);

/**
 * Parses the environment into a Config.
 * @param env the process environment; names that do not begin with `FERRY_` are left alone
 * @throws ConfigError with a line for every setting that is unknown, missing or not allowed
 */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const known = new Set<string>(OF_THE_LAUNCHER);

  function optional<T>(name: string, parse: Parse<T>): T | undefined {
    known.add(name);
    const given = env[name];
    if (given === undefined || (given === '' && !SECRET.has(name))) return undefined;
    try {
      return parse(given);
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      const shown =
        SECRET.has(name) || /\/\/.*@/.test(given) ? 'a value that is not shown' : JSON.stringify(given);
      problems.push(`${name}: got ${shown}; allowed: ${error.message}`);
      return undefined;
    }
  }

  const or = <T>(name: string, parse: Parse<T>, byDefault: T): T => optional(name, parse) ?? byDefault;

  const access = or('FERRY_ANONYMOUS', oneOf('off', 'read', 'write'), 'off');
  const anonymousRoot = optional('FERRY_ANONYMOUS_ROOT', folder);
  const name = optional('FERRY_USER', userName);
  const secret = optional('FERRY_PASSWORD', password);
  const bucket = optional('FERRY_BUCKET', bucketName);

  const config: Config = {
    host: or('FERRY_HOST', address, '127.0.0.1'),
    port: or('FERRY_PORT', port, 2121),
    passivePorts: or('FERRY_PASSIVE_PORTS', ports, ports('8192-8200')),
    passiveAddress: optional('FERRY_PASSIVE_ADDRESS', ipv4),
    active: or('FERRY_ACTIVE', onOff, true),
    bucket: bucket ?? '',
    prefix: or('FERRY_PREFIX', prefix, ''),
    s3: {
      endpoint: optional('FERRY_S3_ENDPOINT', endpoint),
      pathStyle: or('FERRY_S3_PATH_STYLE', trueFalse, false),
      checksums: or('FERRY_CHECKSUMS', oneOf('full', 'required'), 'full'),
    },
    user: name !== undefined && secret !== undefined ? { name, password: secret } : undefined,
    anonymous: access === 'off' ? undefined : { access, root: anonymousRoot ?? '' },
    memory: or(
      'FERRY_MEMORY',
      size(64 * 2 ** 20, 'a size from 64MiB, such as 256MiB or 2GiB'),
      256 * 2 ** 20,
    ),
    downloadConnections: or('FERRY_DOWNLOAD_CONNECTIONS', integer(1, 16), 6),
    objects: {
      contentType: or('FERRY_CONTENT_TYPE', oneOf('extension', 'none'), 'extension'),
      metadata: or('FERRY_METADATA', metadata, {}),
      tags: or('FERRY_TAGS', tags, {}),
      storageClass: optional('FERRY_STORAGE_CLASS', oneOf(...STORAGE_CLASSES)),
      encryption: optional('FERRY_ENCRYPTION', encryption),
      carryOver: or('FERRY_CARRY_OVER', onOff, false),
    },
    overwrite: or('FERRY_OVERWRITE', oneOf('replace', 'refuse', 'number'), 'replace'),
    mtime: or('FERRY_MTIME', oneOf('upload', 'stored'), 'upload'),
    parking: or('FERRY_RESUME', parking, DAY),
    log: optional('FERRY_LOG', oneOf('pretty', 'json')),
    banner: or('FERRY_BANNER', text, 'Ferry ready.'),
    welcome: or('FERRY_WELCOME', text, 'Logged in.'),
    trace: optional('FERRY_TRACE', trace),
    ascii: or('FERRY_ASCII', oneOf('exact', 'convert'), 'exact'),
    chmod: or('FERRY_CHMOD', oneOf('ignore', 'refuse'), 'ignore'),
    allo: or('FERRY_ALLO', oneOf('hint', 'exact'), 'hint'),
    encoding: or('FERRY_ENCODING', oneOf(...ENCODINGS), 'utf-8'),
    limits: {
      sessions: or('FERRY_MAX_SESSIONS', integer(1, 100_000), 5000),
      sessionsPerAddress: or('FERRY_MAX_SESSIONS_PER_ADDRESS', integer(1, 100_000), 1000),
      loginAttempts: or('FERRY_LOGIN_ATTEMPTS', integer(1, 100), 3),
      digest: or('FERRY_MAX_HASH', size(0, 'a size such as 1GiB'), 2 ** 30),
      renameEntries: or('FERRY_MAX_RENAME', integer(1, 1_000_000), 10_000),
    },
    times: {
      login: or('FERRY_LOGIN_TIMEOUT', duration(1), 60_000),
      loginDelay: or('FERRY_LOGIN_DELAY', duration(0), 1000),
      idle: or('FERRY_IDLE_TIMEOUT', duration(1), 300_000),
      data: or('FERRY_DATA_TIMEOUT', duration(1), 120_000),
      connect: or('FERRY_CONNECT_TIMEOUT', duration(1), 30_000),
      grace: or('FERRY_UPLOAD_GRACE', duration(0), 2),
      drain: or('FERRY_DRAIN_TIMEOUT', duration(0), 30_000),
    },
  };

  const told = (setting: string) => problems.some((line) => line.startsWith(`${setting}:`));
  if (bucket === undefined && !told('FERRY_BUCKET'))
    problems.push('FERRY_BUCKET: not set; allowed: the name of the bucket that holds the files');
  if (config.anonymous !== undefined && anonymousRoot === undefined && !told('FERRY_ANONYMOUS_ROOT'))
    problems.push(
      'FERRY_ANONYMOUS_ROOT: not set; allowed: a folder such as pub, since FERRY_ANONYMOUS is on',
    );
  if (name !== undefined && env.FERRY_PASSWORD === undefined)
    problems.push('FERRY_PASSWORD: not set; allowed: a password for the user of FERRY_USER');
  if (name === undefined && env.FERRY_PASSWORD !== undefined && !told('FERRY_USER'))
    problems.push('FERRY_USER: not set; allowed: the name that goes with FERRY_PASSWORD');
  for (const given of Object.keys(env))
    if (given.startsWith('FERRY_') && !known.has(given))
      problems.push(`${given}: not a setting of this version; the README lists them`);

  // A terminal must not obey what somebody put into the environment.
  if (problems.length > 0) throw new ConfigError(problems.map((line) => line.replaceAll(/\p{Cc}/gu, '?')));
  return config;
}
