import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Config, ConfigError, parseEnvironment } from '../src/config.ts';
import { SETTINGS } from '../src/settings.ts';

const BASE = { FERRY_BUCKET: 'files' };

/** What is wrong with an environment that has its bucket; empty where nothing is. */
function problemsOf(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  try {
    parseEnvironment({ ...BASE, ...env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test('every setting but the bucket has a default', () => {
  expect(parseEnvironment(BASE)).toEqual({
    host: '127.0.0.1',
    port: 2121,
    passivePorts: [8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200],
    passiveAddress: [],
    active: true,
    bucket: 'files',
    prefix: '',
    s3: { endpoint: undefined, pathStyle: false, checksums: 'full' },
    user: undefined,
    anonymous: undefined,
    tls: {
      policy: 'optional',
      port: 9990,
      certificate: undefined,
      key: undefined,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: undefined,
      resume: 'accept',
      clients: 'off',
      clientCa: undefined,
      crl: undefined,
      closeNotify: 'accept',
      ccc: false,
    },
    users: {
      source: undefined,
      refresh: 60_000,
      stale: 3_600_000,
      allowedRoles: [],
      allowedBuckets: [],
      serverId: 's-ferry',
    },
    proxies: [],
    networks: { allowed: [], denied: [] },
    adminSocket: undefined,
    memory: 268_435_456,
    downloadConnections: 6,
    objects: {
      contentType: 'extension',
      metadata: {},
      tags: {},
      storageClass: undefined,
      encryption: undefined,
      carryOver: false,
    },
    overwrite: 'replace',
    mtime: 'upload',
    parking: 86_400_000,
    log: undefined,
    healthPort: undefined,
    embeddedMetrics: false,
    fleet: { hold: 0, probed: 0, lag: 0, task: undefined },
    banner: 'Ferry ready.',
    welcome: 'Logged in.',
    trace: undefined,
    ascii: 'exact',
    chmod: 'ignore',
    allo: 'hint',
    encoding: 'utf-8',
    limits: {
      sessions: 5000,
      sessionsPerAddress: 1000,
      sessionsPerUser: 1000,
      loginAttempts: 3,
      banAttempts: 10,
      uploadRate: { session: 0, user: 0 },
      downloadRate: { session: 0, user: 0 },
      digest: 2 ** 30,
      renameEntries: 10_000,
    },
    times: {
      login: 60_000,
      loginDelay: 1000,
      session: 43_200_000,
      handshake: 30_000,
      ban: 600_000,
      idle: 300_000,
      data: 120_000,
      connect: 30_000,
      grace: 2,
      drain: 30_000,
    },
  } satisfies Config);
});

const FILE = (path: string) => ({ kind: 'file', path });
const SECRET_ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:ferry/users-AbCdEf';
const LAMBDA_ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:ftp-users';
const ROLE = 'arn:aws:iam::123456789012:role/ferry/';

type Good = readonly [name: string, given: string, read: (config: Config) => unknown, value: unknown];

const GOOD: readonly Good[] = [
  ['FERRY_HOST', '::', ({ host }) => host, '::'],
  ['FERRY_HOST', '203.0.113.7', ({ host }) => host, '203.0.113.7'],
  ['FERRY_PORT', '0', ({ port }) => port, 0],
  ['FERRY_PORT', '65535', ({ port }) => port, 65_535],
  ['FERRY_PASSIVE_PORTS', '9000', (config) => config.passivePorts, [9000]],
  [
    'FERRY_PASSIVE_PORTS',
    '9000-9002,8000, 8001',
    (config) => config.passivePorts,
    [9000, 9001, 9002, 8000, 8001],
  ],
  ['FERRY_PASSIVE_PORTS', '0,0', (config) => config.passivePorts, [0, 0]],
  ['FERRY_PASSIVE_PORTS', '8000-8999', (config) => config.passivePorts.length, 1000],
  [
    'FERRY_PASSIVE_ADDRESS',
    '10.0.0.0/8=10.0.0.5,ftp.example.com',
    (config) => config.passiveAddress,
    [
      { network: '10.0.0.0/8', host: '10.0.0.5' },
      { network: undefined, host: 'ftp.example.com' },
    ],
  ],
  ['FERRY_HEALTH_PORT', '8080', ({ healthPort }) => healthPort, 8080],
  ['FERRY_HEALTH_PORT', 'off', ({ healthPort }) => healthPort, undefined],
  ['FERRY_HOLD', '120s', ({ fleet }) => fleet.hold, 120_000],
  ['FERRY_HOLD_PROBES', '40s', ({ fleet }) => fleet.probed, 40_000],
  ['FERRY_DRAIN_LAG', '120s', ({ fleet }) => fleet.lag, 120_000],
  ['FERRY_ECS', 'on', ({ fleet }) => fleet.task, undefined],
  ['FERRY_ECS_INTERVAL', '1s', ({ fleet }) => fleet.task, undefined],
  ['FERRY_METRICS', 'cloudwatch', ({ embeddedMetrics }) => embeddedMetrics, true],
  ['FERRY_ACTIVE', 'off', ({ active }) => active, false],
  ['FERRY_ACTIVE', 'on', ({ active }) => active, true],
  ['FERRY_BUCKET', 'a.b-1', ({ bucket }) => bucket, 'a.b-1'],
  ['FERRY_PREFIX', 'partners/in', ({ prefix }) => prefix, 'partners/in/'],
  ['FERRY_PREFIX', '/partners/in//', ({ prefix }) => prefix, 'partners/in/'],
  ['FERRY_PREFIX', '/', ({ prefix }) => prefix, ''],
  ['FERRY_S3_ENDPOINT', 'http://127.0.0.1:9000', ({ s3 }) => s3.endpoint, 'http://127.0.0.1:9000'],
  ['FERRY_S3_ENDPOINT', 'https://s3.example.com', ({ s3 }) => s3.endpoint, 'https://s3.example.com'],
  ['FERRY_S3_PATH_STYLE', 'true', ({ s3 }) => s3.pathStyle, true],
  ['FERRY_S3_PATH_STYLE', 'false', ({ s3 }) => s3.pathStyle, false],
  ['FERRY_CHECKSUMS', 'required', ({ s3 }) => s3.checksums, 'required'],
  ['FERRY_MEMORY', '64MiB', ({ memory }) => memory, 2 ** 26],
  ['FERRY_MEMORY', '2GiB', ({ memory }) => memory, 2 ** 31],
  ['FERRY_MEMORY', '65537KiB', ({ memory }) => memory, 67_109_888],
  ['FERRY_MEMORY', '67108864B', ({ memory }) => memory, 2 ** 26],
  ['FERRY_CONTENT_TYPE', 'none', ({ objects }) => objects.contentType, 'none'],
  [
    'FERRY_METADATA',
    'from={ip}; by={user} = {name}',
    ({ objects }) => objects.metadata,
    { from: '{ip}', by: '{user} = {name}' },
  ],
  ['FERRY_METADATA', `a=${'x'.repeat(1919)}`, ({ objects }) => objects.metadata, { a: 'x'.repeat(1919) }],
  [
    'FERRY_TAGS',
    'Büro 1={user};day={date}',
    ({ objects }) => objects.tags,
    { 'Büro 1': '{user}', day: '{date}' },
  ],
  ['FERRY_STORAGE_CLASS', 'STANDARD_IA', ({ objects }) => objects.storageClass, 'STANDARD_IA'],
  ['FERRY_ENCRYPTION', 's3', ({ objects }) => objects.encryption, { algorithm: 'AES256' }],
  ['FERRY_ENCRYPTION', 'kms', ({ objects }) => objects.encryption, { algorithm: 'aws:kms' }],
  [
    'FERRY_ENCRYPTION',
    'kms:alias/ferry',
    ({ objects }) => objects.encryption,
    { algorithm: 'aws:kms', key: 'alias/ferry' },
  ],
  ['FERRY_CARRY_OVER', 'on', ({ objects }) => objects.carryOver, true],
  ['FERRY_OVERWRITE', 'refuse', ({ overwrite }) => overwrite, 'refuse'],
  ['FERRY_OVERWRITE', 'number', ({ overwrite }) => overwrite, 'number'],
  ['FERRY_RESUME', 'off', ({ parking }) => parking, 0],
  ['FERRY_RESUME', '1m', ({ parking }) => parking, 60_000],
  ['FERRY_RESUME', '168h', ({ parking }) => parking, 604_800_000],
  ['FERRY_LOG', 'json', ({ log }) => log, 'json'],
  ['FERRY_LOG', 'pretty', ({ log }) => log, 'pretty'],
  ['FERRY_BANNER', 'Hello\\nthere', ({ banner }) => banner, 'Hello\\nthere'],
  ['FERRY_WELCOME', 'Come in', ({ welcome }) => welcome, 'Come in'],
  ['FERRY_TRACE', 'user:scanner 3', ({ trace }) => trace, { by: 'user', value: 'scanner 3' }],
  ['FERRY_TRACE', 'address:2001:db8::7', ({ trace }) => trace, { by: 'address', value: '2001:db8::7' }],
  ['FERRY_ASCII', 'convert', ({ ascii }) => ascii, 'convert'],
  ['FERRY_MTIME', 'stored', ({ mtime }) => mtime, 'stored'],
  ['FERRY_CHMOD', 'refuse', ({ chmod }) => chmod, 'refuse'],
  ['FERRY_ALLO', 'exact', ({ allo }) => allo, 'exact'],
  ['FERRY_ENCODING', 'shift_jis', ({ encoding }) => encoding, 'shift_jis'],
  ['FERRY_MAX_SESSIONS', '1', ({ limits }) => limits.sessions, 1],
  ['FERRY_MAX_SESSIONS_PER_ADDRESS', '100000', ({ limits }) => limits.sessionsPerAddress, 100_000],
  ['FERRY_LOGIN_ATTEMPTS', '100', ({ limits }) => limits.loginAttempts, 100],
  ['FERRY_MAX_HASH', '0B', ({ limits }) => limits.digest, 0],
  ['FERRY_MAX_RENAME', '1000000', ({ limits }) => limits.renameEntries, 1_000_000],
  ['FERRY_DOWNLOAD_CONNECTIONS', '1', ({ downloadConnections }) => downloadConnections, 1],
  ['FERRY_LOGIN_TIMEOUT', '1ms', ({ times }) => times.login, 1],
  ['FERRY_LOGIN_DELAY', '0ms', ({ times }) => times.loginDelay, 0],
  ['FERRY_IDLE_TIMEOUT', '24h', ({ times }) => times.idle, 86_400_000],
  ['FERRY_DATA_TIMEOUT', '5m', ({ times }) => times.data, 300_000],
  ['FERRY_CONNECT_TIMEOUT', '9s', ({ times }) => times.connect, 9000],
  ['FERRY_UPLOAD_GRACE', '0s', ({ times }) => times.grace, 0],
  ['FERRY_DRAIN_TIMEOUT', '0s', ({ times }) => times.drain, 0],
  ['FERRY_TLS', 'data', ({ tls }) => tls.policy, 'data'],
  ['FERRY_TLS_PORT', 'off', ({ tls }) => tls.port, undefined],
  ['FERRY_TLS_PORT', '990', ({ tls }) => tls.port, 990],
  ['FERRY_TLS_CERT', 'file:/etc/ferry/cert.pem', ({ tls }) => tls.certificate, FILE('/etc/ferry/cert.pem')],
  [
    'FERRY_TLS_CERT',
    `secret:${SECRET_ARN}`,
    ({ tls }) => tls.certificate,
    { kind: 'secret', id: SECRET_ARN },
  ],
  ['FERRY_TLS_KEY', 'file:key.pem', ({ tls }) => tls.key, FILE('key.pem')],
  ['FERRY_TLS_MIN', '1.3', ({ tls }) => tls.minVersion, 'TLSv1.3'],
  ['FERRY_TLS_MAX', '1.2', ({ tls }) => tls.maxVersion, 'TLSv1.2'],
  ['FERRY_TLS_CIPHERS', 'HIGH:!aNULL', ({ tls }) => tls.ciphers, 'HIGH:!aNULL'],
  ['FERRY_TLS_RESUME', 'require', ({ tls }) => tls.resume, 'require'],
  ['FERRY_TLS_CLIENTS', 'optional', ({ tls }) => tls.clients, 'optional'],
  ['FERRY_TLS_CLIENT_CA', 'file:ca.pem', ({ tls }) => tls.clientCa, FILE('ca.pem')],
  ['FERRY_TLS_CRL', 'file:crl.pem', ({ tls }) => tls.crl, FILE('crl.pem')],
  ['FERRY_TLS_CLOSE_NOTIFY', 'require', ({ tls }) => tls.closeNotify, 'require'],
  ['FERRY_TLS_TIMEOUT', '5s', ({ times }) => times.handshake, 5000],
  ['FERRY_CCC', 'on', ({ tls }) => tls.ccc, true],
  ['FERRY_USERS', 'file:users.yaml', ({ users }) => users.source, FILE('users.yaml')],
  ['FERRY_USERS', `secret:${SECRET_ARN}`, ({ users }) => users.source, { kind: 'secret', id: SECRET_ARN }],
  ['FERRY_USERS', 'secrets:ftp/', ({ users }) => users.source, { kind: 'secrets', prefix: 'ftp/' }],
  ['FERRY_USERS', `lambda:${LAMBDA_ARN}`, ({ users }) => users.source, { kind: 'lambda', arn: LAMBDA_ARN }],
  [
    'FERRY_USERS',
    'https://users.example.com/prod/',
    ({ users }) => users.source,
    { kind: 'https', url: 'https://users.example.com/prod' },
  ],
  ['FERRY_USERS_REFRESH', '5s', ({ users }) => users.refresh, 5000],
  ['FERRY_USERS_STALE', '0s', ({ users }) => users.stale, 0],
  ['FERRY_ALLOWED_ROLES', `${ROLE}*, ${ROLE}a`, ({ users }) => users.allowedRoles, [`${ROLE}*`, `${ROLE}a`]],
  ['FERRY_ALLOWED_BUCKETS', 'one,two.three', ({ users }) => users.allowedBuckets, ['one', 'two.three']],
  ['FERRY_SERVER_ID', 's-0123456789abcdef0', ({ users }) => users.serverId, 's-0123456789abcdef0'],
  ['FERRY_PROXIES', '10.0.0.7,2001:db8::7', ({ proxies }) => proxies, ['10.0.0.7', '2001:db8::7']],
  ['FERRY_ALLOWED_NETWORKS', '10.0.0.0/8,::1', ({ networks }) => networks.allowed, ['10.0.0.0/8', '::1/128']],
  ['FERRY_DENIED_NETWORKS', '10.0.0.7', ({ networks }) => networks.denied, ['10.0.0.7/32']],
  ['FERRY_ADMIN_SOCKET', 'data/ferry.sock', ({ adminSocket }) => adminSocket, 'data/ferry.sock'],
  ['FERRY_MAX_SESSIONS_PER_USER', '5', ({ limits }) => limits.sessionsPerUser, 5],
  ['FERRY_MAX_SESSION_AGE', '24h', ({ times }) => times.session, 86_400_000],
  ['FERRY_BAN_ATTEMPTS', '0', ({ limits }) => limits.banAttempts, 0],
  ['FERRY_BAN_TIME', '1h', ({ times }) => times.ban, 3_600_000],
  ['FERRY_UPLOAD_RATE', '10MiB', ({ limits }) => limits.uploadRate, { session: 10 * 2 ** 20, user: 0 }],
  ['FERRY_UPLOAD_RATE_PER_USER', '1KiB', ({ limits }) => limits.uploadRate, { session: 0, user: 1024 }],
  ['FERRY_DOWNLOAD_RATE', 'off', ({ limits }) => limits.downloadRate, { session: 0, user: 0 }],
  [
    'FERRY_DOWNLOAD_RATE_PER_USER',
    '1GiB',
    ({ limits }) => limits.downloadRate,
    { session: 0, user: 2 ** 30 },
  ],
];

/** Settings without which another one means nothing. */
const GOES_WITH: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  FERRY_TLS_KEY: { FERRY_TLS_CERT: 'file:cert.pem' },
  FERRY_TLS_CLIENTS: { FERRY_TLS_CLIENT_CA: 'file:ca.pem' },
};

test.each([
  [
    'FERRY_TLS_KEY',
    'file:key.pem',
    'FERRY_TLS_CERT: not set; allowed: the certificate that goes with FERRY_TLS_KEY',
  ],
  [
    'FERRY_TLS_CLIENTS',
    'required',
    'FERRY_TLS_CLIENT_CA: not set; allowed: file:PATH or secret:ARN, since FERRY_TLS_CLIENTS is on',
  ],
])('%s alone is refused in one line', (name, given, line) => {
  expect(problemsOf({ [name]: given })).toEqual([line]);
});

test('FERRY_TLS is at least login where client certificates are required, and off is refused', () => {
  const required = { ...GOES_WITH.FERRY_TLS_CLIENTS, FERRY_TLS_CLIENTS: 'required' };
  expect(parseEnvironment({ ...BASE, ...required }).tls.policy).toBe('login');
  expect(parseEnvironment({ ...BASE, ...required, FERRY_TLS: 'data' }).tls.policy).toBe('data');
  expect(problemsOf({ ...required, FERRY_TLS: 'off' })).toEqual([
    'FERRY_TLS: got "off"; allowed: login or data, since FERRY_TLS_CLIENTS is required',
  ]);
});

test('FERRY_TLS_MAX below FERRY_TLS_MIN is refused in one line', () => {
  expect(problemsOf({ FERRY_TLS_MIN: '1.3', FERRY_TLS_MAX: '1.2' })).toEqual([
    'FERRY_TLS_MAX: got "1.2"; allowed: 1.3, since FERRY_TLS_MIN is 1.3',
  ]);
});

test.each(GOOD)('%s takes %s', (name, given, read, value) => {
  expect(read(parseEnvironment({ ...BASE, ...GOES_WITH[name], [name]: given }))).toEqual(value);
});

const IP = 'an IP address, such as 127.0.0.1 or ::';
const PASSIVE_ADDRESS =
  'an IPv4 address or a host name, or rules such as 10.0.0.0/8=10.0.0.5,ftp.example.com, the last one without a network';
const PORT = 'a whole number from 0 to 65535';
const PORTS = 'ports and ranges such as 8192-8200 or 8192,8195 (at most 1,000 ports; 0 is any free one)';
const BUCKET = 'a bucket name: 3 to 63 characters of a-z, 0-9, "." and "-"';
const PREFIX = 'a key prefix such as partners/in';
const URL = 'an http or https URL without credentials, such as https://s3.example.com';
const SIZE = 'a size from 64MiB, such as 256MiB or 2GiB';
const NAME = '1 to 128 characters without control characters or slashes, and not anonymous or ftp';
const TRACE = 'user:NAME or address:IP';
const METADATA =
  'name=value;name=value in printable ASCII, at most 1,920 bytes: names of a-z, 0-9, ".", "_" and "-" but not mtime and ferry-upload, values with {user}, {ip}, {date}, {time}, {path} and {name}';
const TAGS =
  'at most 10 name=value;name=value of letters, digits, blanks and + - = . _ : / @ (names to 128 characters and not aws:..., values to 256), values with {user}, {ip}, {date}, {time}, {path} and {name}';
const time = (least: number) => `a time from ${least}ms to 24h, such as 30s`;

const BAD: readonly (readonly [name: string, given: readonly string[], allowed: string])[] = [
  ['FERRY_HOST', ['localhost', '1.2.3', '1.2.3.4:21', '[::]'], IP],
  ['FERRY_PORT', ['-1', '65536', '21.0', '0x15', '1e3', ' 21', 'ftp', '99999999999'], PORT],
  [
    'FERRY_PASSIVE_PORTS',
    ['8200-8192', '65536', '1-', '-1', '8192..8200', '1,,2', '1,1', '1-5,3', '1-1001', '1-1000,2000'],
    PORTS,
  ],
  ['FERRY_PASSIVE_ADDRESS', ['::1', '1.2.3', 'a b'], PASSIVE_ADDRESS],
  ['FERRY_ACTIVE', ['yes', 'ON', 'true'], 'on or off'],
  ['FERRY_BUCKET', ['ab', 'Files', 'a_b', '-ab', 'ab-', 'a/b', 'x'.repeat(64)], BUCKET],
  ['FERRY_PREFIX', ['a//b', 'a/../b', '..', './a'], PREFIX],
  [
    'FERRY_S3_ENDPOINT',
    ['s3.example.com', 'ftp://s3.example.com', 'https://', 'https://x/?a=b', 'https://x/#a'],
    URL,
  ],
  ['FERRY_S3_PATH_STYLE', ['on', '1', 'TRUE'], 'true or false'],
  ['FERRY_CHECKSUMS', ['none', 'FULL'], 'full or required'],
  ['FERRY_USER', ['anonymous', 'FTP', 'a/b', 'a\\b', 'a\u0007b', 'x'.repeat(129)], NAME],
  ['FERRY_ANONYMOUS', ['on', 'yes', 'READ'], 'off or read or write'],
  [
    'FERRY_MEMORY',
    ['256', '256MB', '256 MiB', '63MiB', '1TiB', '-1GiB', '1.5GiB', '999999999999GiB', '1toString'],
    SIZE,
  ],
  ['FERRY_CONTENT_TYPE', ['on', 'text/plain'], 'extension or none'],
  [
    'FERRY_METADATA',
    [
      'a',
      '=x',
      'a=1;',
      'a=1;a=2',
      'A=1',
      'a b=1',
      'mtime=1',
      'ferry-upload=1',
      'a={nobody}',
      'a={user',
      'a=é',
      `a=${'x'.repeat(1920)}`,
    ],
    METADATA,
  ],
  [
    'FERRY_TAGS',
    [
      'a',
      '=x',
      'a=1;a=2',
      'a&b=1',
      'a=x?',
      'AWS:a=1',
      'a={nobody}',
      `${'x'.repeat(129)}=1`,
      `a=${'x'.repeat(257)}`,
      Array.from({ length: 11 }, (_, index) => `t${index}=1`).join(';'),
    ],
    TAGS,
  ],
  [
    'FERRY_STORAGE_CLASS',
    ['standard', 'COLD'],
    'STANDARD or STANDARD_IA or ONEZONE_IA or INTELLIGENT_TIERING or GLACIER_IR or GLACIER or DEEP_ARCHIVE or REDUCED_REDUNDANCY',
  ],
  [
    'FERRY_ENCRYPTION',
    ['AES256', 's3:key', 'kms:', 'kms:a b', 'none'],
    's3, kms, or kms: and the id, alias or ARN of a key',
  ],
  ['FERRY_CARRY_OVER', ['yes'], 'on or off'],
  ['FERRY_OVERWRITE', ['on', 'rename'], 'replace or refuse or number'],
  ['FERRY_RESUME', ['on', '59s', '169h', '0s', '24'], 'off, or a time from 1m to 168h, such as 24h'],
  ['FERRY_LOG', ['text', 'JSON'], 'pretty or json'],
  ['FERRY_TRACE', ['anna', 'user:', 'host:a', 'address:printer', 'address:'], TRACE],
  ['FERRY_ASCII', ['on'], 'exact or convert'],
  ['FERRY_MTIME', ['keep', 'Stored'], 'upload or stored'],
  ['FERRY_CHMOD', ['allow'], 'ignore or refuse'],
  ['FERRY_ALLO', ['off'], 'hint or exact'],
  ['FERRY_MAX_SESSIONS', ['0', '100001', 'many'], 'a whole number from 1 to 100000'],
  ['FERRY_MAX_SESSIONS_PER_ADDRESS', ['0', '100001'], 'a whole number from 1 to 100000'],
  ['FERRY_LOGIN_ATTEMPTS', ['0', '101'], 'a whole number from 1 to 100'],
  ['FERRY_MAX_HASH', ['1', 'GiB', '-1GiB'], 'a size such as 1GiB'],
  ['FERRY_MAX_RENAME', ['0', '1000001'], 'a whole number from 1 to 1000000'],
  ...['LOGIN', 'IDLE', 'DATA', 'CONNECT'].map(
    (name) => [`FERRY_${name}_TIMEOUT`, ['30', '0s', '25h', '1d', '-1s', '1.5s', '1 s'], time(1)] as const,
  ),
  ['FERRY_LOGIN_DELAY', ['1', '25h'], time(0)],
  ['FERRY_UPLOAD_GRACE', ['1', '25h'], time(0)],
  ['FERRY_DRAIN_TIMEOUT', ['1', '25h'], time(0)],
];

const NETWORKS = 'networks such as 203.0.113.0/24 or 2001:db8::/32, with commas between';
const USERS = 'file:PATH, secret:ARN, secrets:PREFIX, lambda:ARN or https://HOST/PATH';

const BAD_SECURITY: typeof BAD = [
  ['FERRY_TLS', ['on', 'required'], 'off or optional or login or data'],
  ['FERRY_TLS_PORT', ['none', '65536'], 'off, or a port from 0 to 65535'],
  ['FERRY_TLS_CERT', ['cert.pem', 'file:', 'https://example.com/cert'], 'file:PATH or secret:ARN'],
  ['FERRY_TLS_MIN', ['1.0', '1.1', 'TLSv1.2'], '1.2 or 1.3'],
  ['FERRY_TLS_MAX', ['1.1', 'TLSv1.3'], '1.2 or 1.3'],
  ['FERRY_USERS', ['users.yaml', 'file:', 'lambda:users', 'secrets:a b', 'http://example.com'], USERS],
  [
    'FERRY_USERS',
    ['https://example.com/?a=1', 'https://example.com/#a'],
    'an https URL without credentials, query or fragment',
  ],
  [
    'FERRY_ALLOWED_ROLES',
    ['*', 'arn:aws:iam::*:role/a', 'arn:aws:iam::123456789012:role/*/a'],
    'ARNs of roles such as arn:aws:iam::123456789012:role/ferry/*, with commas between',
  ],
  ['FERRY_ALLOWED_BUCKETS', ['*', 'A'], BUCKET],
  ['FERRY_SERVER_ID', ['a b', 'a/b'], '1 to 64 letters, digits, ".", "_" and "-"'],
  [
    'FERRY_PROXIES',
    ['0.0.0.0', '::', '10.0.0.0/8', 'proxy.example.com'],
    'exact IP addresses of proxies, with commas between; no networks',
  ],
  ['FERRY_ALLOWED_NETWORKS', ['10.0.0.0/33', '::/129', 'example.com', '10.0.0.0/-1'], NETWORKS],
  ['FERRY_DENIED_NETWORKS', ['10.0.0.1/', '10.0.0'], NETWORKS],
  ['FERRY_UPLOAD_RATE', ['10', '0B', '10MB'], 'off, or bytes a second from 1KiB, such as 10MiB'],
  ['FERRY_MAX_SESSION_AGE', ['25h'], time(1)],
];

describe.each([...BAD, ...BAD_SECURITY])('%s', (name, values, allowed) => {
  test.each(values)('refuses %j in one line that says what is allowed', (given) => {
    const more = name === 'FERRY_USER' ? { FERRY_PASSWORD: 'secret' } : {};
    expect(problemsOf({ ...more, [name]: given })).toEqual([
      `${name}: got ${JSON.stringify(given)}; allowed: ${allowed}`,
    ]);
  });
});

/** The settings that are asked for. */
function asked(): string[] {
  const names = new Set<string>();
  const env = new Proxy<Record<string, string>>(
    { ...BASE },
    {
      get: (target, name) => {
        names.add(String(name));
        return Reflect.get(target, name);
      },
    },
  );
  parseEnvironment(env);
  return [...names].filter((name) => name.startsWith('FERRY_')).toSorted();
}

test('the environment contract names what is read, and nothing else', () => {
  expect(asked()).toEqual([...SETTINGS].toSorted());
});

test('a task of ECS is watched where its metadata can be reached', () => {
  const uri = 'http://169.254.170.2/v4/1';
  const { fleet } = parseEnvironment({ ...BASE, FERRY_ECS: 'on', ECS_CONTAINER_METADATA_URI_V4: uri });
  expect(fleet.task).toEqual({ metadata: uri, interval: 12_000 });
});

test('the lists above leave no setting out', () => {
  const good = new Set([
    ...GOOD.map(([name]) => name),
    'FERRY_USER',
    'FERRY_PASSWORD',
    'FERRY_ANONYMOUS',
    'FERRY_ANONYMOUS_ROOT',
  ]);
  expect(asked()).toEqual([...good].toSorted());
});

test('an empty value is as good as none', () => {
  const empty = Object.fromEntries(GOOD.map(([name]) => [name, '']));
  expect(parseEnvironment({ ...empty, ...BASE })).toEqual(parseEnvironment(BASE));
});

test('a bucket is asked for', () => {
  expect(() => parseEnvironment({})).toThrow(
    new ConfigError(['FERRY_BUCKET: not set; allowed: the name of the bucket that holds the files']),
  );
});

test('a bad bucket is told once', () => {
  expect(problemsOf({ FERRY_BUCKET: 'X' })).toHaveLength(1);
});

test('all problems are told at once, each in a line of its own', () => {
  const problems = problemsOf({ FERRY_PORT: 'x', FERRY_MEMORY: '1', FERRY_LOG: 'loud', FERRY_NEW: 'off' });
  expect(problems.map((line) => line.split(':')[0]).toSorted()).toEqual([
    'FERRY_LOG',
    'FERRY_MEMORY',
    'FERRY_NEW',
    'FERRY_PORT',
  ]);
  expect(new ConfigError(problems).message).toBe(problems.join('\n'));
});

test('an unknown setting is told, without its value', () => {
  expect(problemsOf({ FERRY_PASWORD: 'hunter2' })).toEqual([
    'FERRY_PASWORD: not a setting of this version; the README lists them',
  ]);
});

test('settings of the launcher and of other programs are left alone', () => {
  expect(problemsOf({ FERRY_DATA_DIR: './data', AWS_REGION: 'x', PATH: '/bin', ferry_port: 'x' })).toEqual(
    [],
  );
});

describe('a user', () => {
  test('has a name and a password', () => {
    const { user } = parseEnvironment({ ...BASE, FERRY_USER: 'anna', FERRY_PASSWORD: ' p w ' });
    expect(user).toEqual({ name: 'anna', password: ' p w ' });
  });

  test.each([
    [
      'no password',
      { FERRY_USER: 'anna' },
      'FERRY_PASSWORD: not set; allowed: a password for the user of FERRY_USER',
    ],
    [
      'an empty password',
      { FERRY_USER: 'anna', FERRY_PASSWORD: '' },
      'FERRY_PASSWORD: got a value that is not shown; allowed: a password that is not empty',
    ],
    [
      'no name',
      { FERRY_PASSWORD: 'secret' },
      'FERRY_USER: not set; allowed: the name that goes with FERRY_PASSWORD',
    ],
    [
      'an empty name',
      { FERRY_USER: '', FERRY_PASSWORD: 'secret' },
      'FERRY_USER: not set; allowed: the name that goes with FERRY_PASSWORD',
    ],
  ])('with %s is refused', (_, env, line) => {
    expect(problemsOf(env)).toEqual([line]);
  });
});

describe('anonymous access', () => {
  test.each(['read', 'write'])('to %s has a root', (access) => {
    const { anonymous } = parseEnvironment({
      ...BASE,
      FERRY_ANONYMOUS: access,
      FERRY_ANONYMOUS_ROOT: '/pub/',
    });
    expect(anonymous).toEqual({ access, root: 'pub/' });
  });

  test('is off by default and by "off", with a root or without', () => {
    expect(parseEnvironment({ ...BASE, FERRY_ANONYMOUS: 'off' }).anonymous).toBeUndefined();
    expect(parseEnvironment({ ...BASE, FERRY_ANONYMOUS_ROOT: 'pub' }).anonymous).toBeUndefined();
  });

  test.each([undefined, '', '/', 'a//b'])('without a root (%j) is refused in one line', (root) => {
    expect(problemsOf({ FERRY_ANONYMOUS: 'read', FERRY_ANONYMOUS_ROOT: root })).toEqual([
      expect.stringMatching(
        /^FERRY_ANONYMOUS_ROOT: .*; allowed: a (folder|key prefix)( below the root,)? such as p/,
      ),
    ]);
  });
});

test.each([
  'https://KEY:hidden@s3.example.com',
  'https://:hidden@s3.example.com',
  'https://hidden@s3.example.com',
])('an endpoint with credentials is refused, and %s is not repeated', (given) => {
  expect(problemsOf({ FERRY_S3_ENDPOINT: given })).toEqual([
    `FERRY_S3_ENDPOINT: got a value that is not shown; allowed: ${URL}`,
  ]);
});

test.each([
  ['a name', { 'FERRY_X\nferry: forged': '1' }],
  ['a value', { FERRY_LOG: 'a\u009b2J\u0085b\nc' }],
])('control characters in %s do not reach the terminal', (_, env) => {
  const [line = '', ...more] = problemsOf(env);
  expect(more).toEqual([]);
  expect(line).not.toMatch(/\p{Cc}/u);
});

test('the password never appears in a message, whatever else is wrong', () => {
  // Long, so that no message holds it by chance.
  const secrets = fc.string({ unit: 'grapheme-ascii', minLength: 12, maxLength: 40 });
  const names = fc.subarray(['FERRY_PORT', 'FERRY_USER', 'FERRY_BUCKET', 'FERRY_TRACE', 'FERRY_NONSENSE']);
  fc.assert(
    fc.property(secrets, names, (secret, bad) => {
      const env = { FERRY_PASSWORD: secret, ...Object.fromEntries(bad.map((name) => [name, '\u0007'])) };
      expect(problemsOf(env).join('\n')).not.toContain(secret);
    }),
  );
});

test('whatever the values, a Config is given or one line for each setting that is wrong', () => {
  const names = GOOD.map(([name]) => name);
  const values = fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'grapheme-ascii' }));
  fc.assert(
    fc.property(values, (env) => {
      const problems = problemsOf(env);
      const told = problems.map((line) => line.split(':')[0]);
      expect(new Set(told).size).toBe(told.length);
      for (const line of problems) expect(line).not.toMatch(/[\r\n]/);
    }),
  );
});
