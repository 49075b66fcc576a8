import type { ObjectRules } from './fs/attributes.ts';
import { STORAGE_CLASSES } from './fs/s3-attributes.ts';
import {
  address,
  arns,
  bucketName,
  bucketNames,
  DAY,
  duration,
  ENCODINGS,
  encryption,
  endpoint,
  exactAddresses,
  folder,
  integer,
  metadata,
  NotAllowed,
  networks,
  oneOf,
  onOff,
  orOff,
  type Parse,
  type PassiveAddressRule,
  parking,
  passiveAddress,
  password,
  port,
  ports,
  prefix,
  rate,
  type Source,
  serverId,
  size,
  source,
  tags,
  text,
  trace,
  trueFalse,
  type UserSource,
  userName,
  userSource,
} from './setting-values.ts';
import type { Setting } from './settings.ts';

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
  /** The addresses that 227 tells, by the client's network; where none fits it is the control connection's own. */
  readonly passiveAddress: readonly PassiveAddressRule[];
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
  /** FTPS (RFC 4217). */
  readonly tls: {
    /** `off`; `optional`; `login`: needed to log in; `data`: for data connections, too. */
    readonly policy: TlsPolicy;
    /** Port of implicit TLS, 0 to 65535; undefined: none. */
    readonly port: number | undefined;
    /** Certificate chain in PEM; undefined: one is made for the day. */
    readonly certificate: Source | undefined;
    /** Private key in PEM; undefined: it stands with the certificate. */
    readonly key: Source | undefined;
    readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
    /** Not below `minVersion`. */
    readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
    /** OpenSSL's notation; undefined: Node's default without what is weak. */
    readonly ciphers: string | undefined;
    /** Whether data connections must resume the session of their control connection. */
    readonly resume: ResumePolicy;
    /** Whether clients are asked for a certificate, and must have one. */
    readonly clients: 'off' | 'optional' | 'required';
    /** CA certificates in PEM that client certificates must lead to. */
    readonly clientCa: Source | undefined;
    /** Revoked client certificates: CRLs in PEM. */
    readonly crl: Source | undefined;
    /** Whether an upload that ends without close_notify is always broken. */
    readonly closeNotify: 'accept' | 'require';
    /** Whether CCC is served (RFC 4217 section 12.3). */
    readonly ccc: boolean;
  };
  /** Where users come from besides `user`. */
  readonly users: {
    readonly source: UserSource | undefined;
    /** Milliseconds after which the source is read again. */
    readonly refresh: number;
    /** Milliseconds for which entries are used while their source is out of reach. */
    readonly stale: number;
    /** ARNs of the roles that an identity may take; a `*` at the end stands for any rest. */
    readonly allowedRoles: readonly string[];
    /** Buckets that a mount may lead to besides `bucket`. */
    readonly allowedBuckets: readonly string[];
    /** What a Lambda or https provider is told as the server's id. */
    readonly serverId: string;
  };
  /** Addresses of proxies that send PROXY protocol headers; empty: nobody may. */
  readonly proxies: readonly string[];
  /** Clients' networks in CIDR notation; where `allowed` is not empty, all others are denied. */
  readonly networks: { readonly allowed: readonly string[]; readonly denied: readonly string[] };
  /** Path of the socket by which `npm run sessions` asks; undefined: none. */
  readonly adminSocket: string | undefined;
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
  /** Port of health, readiness and metrics, 0 to 65535; undefined: none. */
  readonly healthPort: number | undefined;
  /** Whether metrics are written to the log for CloudWatch, once a minute. */
  readonly embeddedMetrics: boolean;
  /** How the process behaves as one of many behind a load balancer. All in milliseconds; 0 outside a fleet. */
  readonly fleet: {
    /** Least age of the process before it serves anybody. */
    readonly hold: number;
    /** Age that the first health check of each passive port must have by then. */
    readonly probed: number;
    /** From the start of a drain: for how long new connections may still come, and get 421. */
    readonly lag: number;
    /** Where the process learns of its task's state; undefined: not in ECS. */
    readonly task: { readonly metadata: string; readonly interval: number } | undefined;
  };
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
    /** Sessions of one user in this process. */
    readonly sessionsPerUser: number;
    readonly loginAttempts: number;
    /** Failed logins of one user from one address until they are banned; 0: nobody is. */
    readonly banAttempts: number;
    /** Bytes a second that a session, and a user in this process, may send and receive; 0: no limit. */
    readonly uploadRate: Rate;
    readonly downloadRate: Rate;
    /** Entries that a directory rename may move. */
    readonly renameEntries: number;
    /** Bytes that are read for one digest (HASH). */
    readonly digest: number;
  };
  /** All in milliseconds. */
  readonly times: {
    readonly login: number;
    readonly loginDelay: number;
    /** Longest life of a session. */
    readonly session: number;
    /** A TLS handshake. */
    readonly handshake: number;
    readonly ban: number;
    readonly idle: number;
    readonly data: number;
    readonly connect: number;
    readonly grace: number;
    readonly drain: number;
  };
}

/** `off`; `optional`; `login`: needed to log in; `data`: for data connections, too. */
export type TlsPolicy = 'off' | 'optional' | 'login' | 'data';

/** `off`: never resumed; `accept`: as the client does; `require`: data connections that do not resume are refused. */
export type ResumePolicy = 'off' | 'accept' | 'require';

/** Bytes a second; 0: no limit. */
export interface Rate {
  readonly session: number;
  readonly user: number;
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

/** Settings whose values an error line must not repeat, besides URLs with credentials. */
const SECRET = new Set(['FERRY_PASSWORD']);

const unlessOff = <T>(value: T | 'off'): T | undefined => (value === 'off' ? undefined : value);

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

  function optional<T>(name: Setting, parse: Parse<T>): T | undefined {
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

  const or = <T>(name: Setting, parse: Parse<T>, byDefault: T): T => optional(name, parse) ?? byDefault;

  const policy = or('FERRY_TLS', oneOf('off', 'optional', 'login', 'data'), 'optional');
  const clients = or('FERRY_TLS_CLIENTS', oneOf('off', 'optional', 'required'), 'off');
  const access = or('FERRY_ANONYMOUS', oneOf('off', 'read', 'write'), 'off');
  const anonymousRoot = optional('FERRY_ANONYMOUS_ROOT', folder);
  const name = optional('FERRY_USER', userName);
  const secret = optional('FERRY_PASSWORD', password);
  const bucket = optional('FERRY_BUCKET', bucketName);
  const ecs = or('FERRY_ECS', onOff, false);
  const interval = or('FERRY_ECS_INTERVAL', duration(1), 12_000);
  // ECS tells it to every container (ECS developer guide, task metadata endpoint version 4).
  const uri = env.ECS_CONTAINER_METADATA_URI_V4;

  const config: Config = {
    host: or('FERRY_HOST', address, '127.0.0.1'),
    port: or('FERRY_PORT', port, 2121),
    passivePorts: or('FERRY_PASSIVE_PORTS', ports, ports('8192-8200')),
    passiveAddress: or('FERRY_PASSIVE_ADDRESS', passiveAddress, []),
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
    tls: {
      // In clear nobody can show a certificate.
      policy: clients === 'required' && policy === 'optional' ? 'login' : policy,
      port: unlessOff(or('FERRY_TLS_PORT', orOff(port, 'a port from 0 to 65535'), 9990)),
      certificate: optional('FERRY_TLS_CERT', source),
      key: optional('FERRY_TLS_KEY', source),
      minVersion: `TLSv${or('FERRY_TLS_MIN', oneOf('1.2', '1.3'), '1.2')}`,
      maxVersion: `TLSv${or('FERRY_TLS_MAX', oneOf('1.2', '1.3'), '1.3')}`,
      ciphers: optional('FERRY_TLS_CIPHERS', text),
      resume: or('FERRY_TLS_RESUME', oneOf('off', 'accept', 'require'), 'accept'),
      clients,
      clientCa: optional('FERRY_TLS_CLIENT_CA', source),
      crl: optional('FERRY_TLS_CRL', source),
      closeNotify: or('FERRY_TLS_CLOSE_NOTIFY', oneOf('accept', 'require'), 'accept'),
      ccc: or('FERRY_CCC', onOff, false),
    },
    users: {
      source: optional('FERRY_USERS', userSource),
      refresh: or('FERRY_USERS_REFRESH', duration(1), 60_000),
      stale: or('FERRY_USERS_STALE', duration(0), 3_600_000),
      allowedRoles: or('FERRY_ALLOWED_ROLES', arns, []),
      allowedBuckets: or('FERRY_ALLOWED_BUCKETS', bucketNames, []),
      serverId: or('FERRY_SERVER_ID', serverId, 's-ferry'),
    },
    proxies: or('FERRY_PROXIES', exactAddresses, []),
    networks: {
      allowed: or('FERRY_ALLOWED_NETWORKS', networks, []),
      denied: or('FERRY_DENIED_NETWORKS', networks, []),
    },
    adminSocket: optional('FERRY_ADMIN_SOCKET', text),
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
    healthPort: unlessOff(or('FERRY_HEALTH_PORT', orOff(port, 'a port from 0 to 65535'), 'off')),
    embeddedMetrics: or('FERRY_METRICS', oneOf('off', 'cloudwatch'), 'off') === 'cloudwatch',
    fleet: {
      hold: or('FERRY_HOLD', duration(0), 0),
      probed: or('FERRY_HOLD_PROBES', duration(0), 0),
      lag: or('FERRY_DRAIN_LAG', duration(0), 0),
      task: ecs && uri !== undefined ? { metadata: uri, interval } : undefined,
    },
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
      sessionsPerUser: or('FERRY_MAX_SESSIONS_PER_USER', integer(1, 100_000), 1000),
      loginAttempts: or('FERRY_LOGIN_ATTEMPTS', integer(1, 100), 3),
      banAttempts: or('FERRY_BAN_ATTEMPTS', integer(0, 1000), 10),
      uploadRate: {
        session: or('FERRY_UPLOAD_RATE', rate, 0),
        user: or('FERRY_UPLOAD_RATE_PER_USER', rate, 0),
      },
      downloadRate: {
        session: or('FERRY_DOWNLOAD_RATE', rate, 0),
        user: or('FERRY_DOWNLOAD_RATE_PER_USER', rate, 0),
      },
      digest: or('FERRY_MAX_HASH', size(0, 'a size such as 1GiB'), 2 ** 30),
      renameEntries: or('FERRY_MAX_RENAME', integer(1, 1_000_000), 10_000),
    },
    times: {
      login: or('FERRY_LOGIN_TIMEOUT', duration(1), 60_000),
      loginDelay: or('FERRY_LOGIN_DELAY', duration(0), 1000),
      session: or('FERRY_MAX_SESSION_AGE', duration(1), DAY / 2),
      handshake: or('FERRY_TLS_TIMEOUT', duration(1), 30_000),
      ban: or('FERRY_BAN_TIME', duration(1), 600_000),
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
  if (config.tls.clients !== 'off' && config.tls.clientCa === undefined && !told('FERRY_TLS_CLIENT_CA'))
    problems.push(
      'FERRY_TLS_CLIENT_CA: not set; allowed: file:PATH or secret:ARN, since FERRY_TLS_CLIENTS is on',
    );
  if (policy === 'off' && clients === 'required')
    problems.push('FERRY_TLS: got "off"; allowed: login or data, since FERRY_TLS_CLIENTS is required');
  if (config.tls.maxVersion < config.tls.minVersion)
    problems.push('FERRY_TLS_MAX: got "1.2"; allowed: 1.3, since FERRY_TLS_MIN is 1.3');
  if (config.tls.key !== undefined && config.tls.certificate === undefined && !told('FERRY_TLS_CERT'))
    problems.push('FERRY_TLS_CERT: not set; allowed: the certificate that goes with FERRY_TLS_KEY');
  for (const given of Object.keys(env))
    if (given.startsWith('FERRY_') && !known.has(given))
      problems.push(`${given}: not a setting of this version; the README lists them`);

  // A terminal must not obey what somebody put into the environment.
  if (problems.length > 0) throw new ConfigError(problems.map((line) => line.replaceAll(/\p{Cc}/gu, '?')));
  return config;
}
