import { isIP } from 'node:net';
import { type ObjectRules, parseTemplates } from './fs/attributes.ts';
import type { Encryption } from './fs/s3-attributes.ts';

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

/** A value was given that the setting does not allow; the message says what it allows. */
export class NotAllowed extends Error {}

export type Parse<T> = (text: string) => T;

export const fail = (allowed: string): never => {
  throw new NotAllowed(allowed);
};

export const text: Parse<string> = (given) => given;

export const oneOf =
  <const T extends string>(...values: readonly T[]): Parse<T> =>
  (given) =>
    values.find((value) => value === given) ?? fail(values.join(' or '));

export const onOff: Parse<boolean> = (given) => oneOf('on', 'off')(given) === 'on';

export const trueFalse: Parse<boolean> = (given) => oneOf('true', 'false')(given) === 'true';

export const integer =
  (least: number, most: number): Parse<number> =>
  (given) => {
    const value = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
    return value >= least && value <= most ? value : fail(`a whole number from ${least} to ${most}`);
  };

export const port = integer(0, 65_535);

export const address: Parse<string> = (given) =>
  isIP(given) ? given : fail('an IP address, such as 127.0.0.1 or ::');

/** `8192-8200`, `8192,8195`, `0,0,0` and mixtures. */
export const ports: Parse<readonly number[]> = (given) => {
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

export const size = (least: number, example: string) =>
  quantity({ B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }, example, least);

const TIMES = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const DAY = 86_400_000;

export const duration = (least: number) =>
  quantity(TIMES, `a time from ${least}ms to 24h, such as 30s`, least, DAY);

export const parking: Parse<number> = (given) =>
  given === 'off'
    ? 0
    : quantity(TIMES, 'off, or a time from 1m to 168h, such as 24h', 60_000, 7 * DAY)(given);

export const metadata: Parse<ObjectRules['metadata']> = (given) =>
  parseTemplates(given, 'metadata') ??
  fail(
    'name=value;name=value in printable ASCII, at most 1,920 bytes: names of a-z, 0-9, ".", "_" and "-" but not mtime and ferry-upload, values with {user}, {ip}, {date}, {time}, {path} and {name}',
  );

export const tags: Parse<ObjectRules['tags']> = (given) =>
  parseTemplates(given, 'tags') ??
  fail(
    'at most 10 name=value;name=value of letters, digits, blanks and + - = . _ : / @ (names to 128 characters and not aws:..., values to 256), values with {user}, {ip}, {date}, {time}, {path} and {name}',
  );

export const encryption: Parse<Encryption> = (given) => {
  const [, algorithm, key] = /^(s3|kms)(?::([\w:/+=,.@-]{1,2048}))?$/.exec(given) ?? [];
  if (algorithm === 's3' && key === undefined) return { algorithm: 'AES256' };
  if (algorithm === 'kms') return { algorithm: 'aws:kms', ...(key !== undefined && { key }) };
  return fail('s3, kms, or kms: and the id, alias or ARN of a key');
};

export const endpoint: Parse<string> = (given) => {
  const url = URL.parse(given);
  const bare =
    url !== null && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  const plain = bare && /^https?:$/.test(url.protocol);
  return plain ? given : fail('an http or https URL without credentials, such as https://s3.example.com');
};

export const bucketName: Parse<string> = (given) =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(given)
    ? given
    : fail('a bucket name: 3 to 63 characters of a-z, 0-9, "." and "-"');

/** A key prefix, made to end in one slash. */
export const prefix: Parse<string> = (given) => {
  const trimmed = given.replace(/^\/+|\/+$/g, '');
  const segments = trimmed === '' ? [] : trimmed.split('/');
  const good = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  return good ? segments.map((segment) => `${segment}/`).join('') : fail('a key prefix such as partners/in');
};

/** A prefix below the root, not the root itself. */
export const folder: Parse<string> = (given) => prefix(given) || fail('a folder below the root, such as pub');

export const userName: Parse<string> = (given) =>
  /^[^\p{Cc}/\\]{1,128}$/u.test(given) && !/^(anonymous|ftp)$/i.test(given)
    ? given
    : fail('1 to 128 characters without control characters or slashes, and not anonymous or ftp');

export const password: Parse<string> = (given) =>
  given === '' ? fail('a password that is not empty') : given;

export const trace = (given: string): { by: 'user' | 'address'; value: string } => {
  const [, by, value = ''] = /^(user|address):(.+)$/.exec(given) ?? fail('user:NAME or address:IP');
  if (by === 'address') return isIP(value) ? { by, value } : fail('user:NAME or address:IP');
  return { by: 'user', value };
};

/** Where a text is kept: in a file, or in Secrets Manager. */
export type Source =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'secret'; readonly id: string };

/** Where users are kept, or who is asked for them. */
export type UserSource =
  | Source
  | { readonly kind: 'secrets'; readonly prefix: string }
  | { readonly kind: 'lambda'; readonly arn: string }
  | { readonly kind: 'https'; readonly url: string };

export const source: Parse<Source> = (given) => {
  const [, kind, where = ''] = /^(file|secret):(.+)$/s.exec(given) ?? fail('file:PATH or secret:ARN');
  return kind === 'file' ? { kind, path: where } : { kind: 'secret', id: where };
};

/** A key prefix of secrets' names: what Secrets Manager allows in a name. */
const SECRET_PREFIX = /^[\w/+=.@-]{1,256}$/;

const LAMBDA_ARN = /^arn:aws[\w-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]{1,64}(:[\w$-]{1,128})?$/;

export const userSource: Parse<UserSource> = (given) => {
  const allowed = 'file:PATH, secret:ARN, secrets:PREFIX, lambda:ARN or https://HOST/PATH';
  if (given.startsWith('https:')) {
    const { username, password: secret, search, hash } = URL.parse(given) ?? fail(allowed);
    return [username, secret, search, hash].every((part) => part === '')
      ? { kind: 'https', url: given.replace(/\/+$/, '') }
      : fail('an https URL without credentials, query or fragment');
  }
  const [, kind, where = ''] = /^(file|secret|secrets|lambda):(.+)$/s.exec(given) ?? fail(allowed);
  if (kind === 'secrets') return SECRET_PREFIX.test(where) ? { kind, prefix: where } : fail(allowed);
  if (kind === 'lambda') return LAMBDA_ARN.test(where) ? { kind, arn: where } : fail(allowed);
  return source(given);
};

const list =
  <T>(item: Parse<T>): Parse<readonly T[]> =>
  (given) =>
    given.split(',').map((each) => item(each.trim()));

/** Role ARNs, each with at most one `*`, at its end. */
export const arns = list((given) =>
  /^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]*\*?$/.test(given)
    ? given
    : fail('ARNs of roles such as arn:aws:iam::123456789012:role/ferry/*, with commas between'),
);

export const bucketNames = list(bucketName);

/** IPv4 or IPv6 networks in CIDR notation; a bare address is a network of one. */
export const networks = list((given) => {
  const allowed = 'networks such as 203.0.113.0/24 or 2001:db8::/32, with commas between';
  const [, host = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(given) ?? fail(allowed);
  const most = { 4: 32, 6: 128 }[isIP(host)] ?? fail(allowed);
  const length = Number(bits ?? most);
  return length <= most ? `${host}/${length}` : fail(allowed);
});

/** Addresses of proxies: exact ones, never networks, since whoever may send a PROXY header may be anybody. */
export const exactAddresses = list((given) =>
  isIP(given) && !/^[0:.]+$/.test(given)
    ? given
    : fail('exact IP addresses of proxies, with commas between; no networks'),
);

/** Bytes a second, as `10MiB`; 0: `off`. */
export const rate: Parse<number> = (given) =>
  given === 'off' ? 0 : size(1024, 'off, or bytes a second from 1KiB, such as 10MiB')(given);

/** `off`, or what `parse` gives. */
export const orOff =
  <T>(parse: Parse<T>, example: string): Parse<T | 'off'> =>
  (given) => {
    if (given === 'off') return 'off';
    try {
      return parse(given);
    } catch (error) {
      if (error instanceof NotAllowed) fail(`off, or ${example}`);
      throw error;
    }
  };

/** As Transfer Family's server ids are written, so that a function that checks them goes on working. */
export const serverId: Parse<string> = (given) =>
  /^[\w.-]{1,64}$/.test(given) ? given : fail('1 to 64 letters, digits, ".", "_" and "-"');

/** What PASV tells clients of a network, or all others. */
export interface PassiveAddressRule {
  /** In CIDR notation; undefined: every client. */
  readonly network: string | undefined;
  /** An IPv4 address, or a name that has one. */
  readonly host: string;
}

/** `203.0.113.7`, `ftp.example.com`, or rules with networks before them: `10.0.0.0/8=10.0.0.5,203.0.113.7`. */
export const passiveAddress: Parse<readonly PassiveAddressRule[]> = (given) =>
  given.split(',').map((rule) => {
    const allowed =
      'an IPv4 address or a host name, or rules such as 10.0.0.0/8=10.0.0.5,ftp.example.com, the last one without a network';
    const [, network, host = ''] = /^(?:([^=]+)=)?([^=]+)$/.exec(rule.trim()) ?? fail(allowed);
    const name = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host);
    if (isIP(host) !== 4 && (!name || /^[\d.]+$/.test(host))) fail(allowed);
    if (network === undefined) return { network: undefined, host };
    try {
      return { network: networks(network)[0], host };
    } catch {
      return fail(allowed);
    }
  });
