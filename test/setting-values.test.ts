import { isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inNetworks } from '../src/identity/networks.ts';
import * as values from '../src/setting-values.ts';

/** What stands between blanks. */
const words = (text: string) => text.split(/\s+/);

/** Text made of what a parser looks for, and of anything else. */
const made = (text: string) =>
  fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...words(text)) },
        { weight: 1, arbitrary: fc.string({ maxLength: 3, unit: 'binary' }) },
      ),
      { maxLength: 8 },
    )
    .map((list) => list.join(''));

/** What a parser gives; undefined where it says in one line what is allowed. Any other error is a fault of ours. */
function read<T>(parse: values.Parse<T>, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof values.NotAllowed)) throw error;
    expect(error.message).toMatch(/^.+$/);
    return undefined;
  }
}

/** A parser, what its texts are made of, and what holds of all that it gives. */
const PARSERS: readonly (readonly [
  name: string,
  parts: string,
  parse: values.Parse<unknown>,
  good: (value: never) => boolean,
])[] = [
  ['ports', '0 1 8192 8200 , , 8192,8192 8190-8195, 65535 65536 - 99999999', values.ports, isPorts],
  ['integer', '0 1 5 9 99 1000 - + . e x 00', values.integer(5, 1000), isWhole(5, 1000)],
  ['port', '0 1 8192 65535 65536 - 9', values.port, isWhole(0, 65_535)],
  ['address', '127.0.0.1 :: :: 1 ffff : . 0 256 %lo /8', values.address, (text: string) => isIP(text) > 0],
  [
    'passiveAddress',
    '127.0.0.1 ftp.example.com 10.0.0.0/8 = , :: 1 . 0 256 -',
    values.passiveAddress,
    (rules: readonly values.PassiveAddressRule[]) => rules.every(({ host }) => isIP(host) !== 6),
  ],
  [
    'size',
    '1 0 99 999999999999 B KiB MiB GiB kb - .',
    values.size(1024, 'x'),
    isWhole(1024, Number.MAX_SAFE_INTEGER),
  ],
  ['duration', '0 1 24 25 86400000 ms s m h d - .', values.duration(5), isWhole(5, values.DAY)],
  [
    'parking',
    'off 0 1 168 169 s m h',
    values.parking,
    (time: number) => time === 0 || isWhole(60_000, 7 * values.DAY)(time),
  ],
  [
    'rate',
    'off 0 1 1024 B KiB GiB',
    values.rate,
    (rate: number) => rate === 0 || isWhole(1024, Number.MAX_SAFE_INTEGER)(rate),
  ],
  ['prefix', '/ / a b . .. // partners %2e \\', values.prefix, isPrefix],
  ['folder', '/ / a b . .. //', values.folder, (text: string) => text !== '' && isPrefix(text)],
  [
    'userName',
    'a anonymous ftp FTP / \\ \x01 x@y .',
    values.userName,
    (name: string) => !/[/\\\p{Cc}]|^(ftp|anonymous)$/iu.test(name),
  ],
  [
    'bucketName',
    'a bucket . - 1 A _ ..',
    values.bucketName,
    (name: string) => /^[a-z0-9.-]{3,63}$/.test(name),
  ],
  ['endpoint', 'https:// http:// ftp:// localhost :9000 /x ? # u:p@ ..', values.endpoint, isBareUrl],
  [
    'userSource',
    'file: secret: secrets: lambda: https:// x /y u:p@ ? arn:aws:lambda:eu-west-1:123456789012:function:f',
    values.userSource,
    isSource,
  ],
  [
    'source',
    'file: secret: secrets: / x arn',
    values.source,
    (found: { kind: string }) => /^(file|secret)$/.test(found.kind),
  ],
  [
    'networks',
    '10.0.0.0 203.0.113.7 :: 2001:db8:: %lo /0 /8 /32 /33 /128 /129 , x',
    values.networks,
    areNetworks,
  ],
  ['exactAddresses', '10.0.0.1 :: ::1 0.0.0.0 %lo /8 , x', values.exactAddresses, areExact],
  [
    'arns',
    'arn:aws:iam::123456789012:role/ * a / , x',
    values.arns,
    (list: string[]) => list.every((arn) => /^[^*]+\*?$/.test(arn)),
  ],
  ['metadata', 'a = ; { } user name {user} {name} mtime ferry-upload : \u00e9', values.metadata, () => true],
  ['tags', 'a = ; { } {user} aws: : @ \u00e9', values.tags, () => true],
  [
    'encryption',
    's3 kms : key arn:aws:kms:x',
    values.encryption,
    (found: { algorithm: string }) => /^(AES256|aws:kms)$/.test(found.algorithm),
  ],
  [
    'trace',
    'user: address: 127.0.0.1 :: x demo',
    values.trace,
    (found: { value: string }) => found.value !== '',
  ],
];

function isWhole(least: number, most: number) {
  return (value: number) => Number.isSafeInteger(value) && value >= least && value <= most;
}

function isPorts(ports: number[]): boolean {
  const fixed = ports.filter((port) => port !== 0);
  return (
    ports.length > 0 &&
    ports.length <= 1000 &&
    ports.every(isWhole(0, 65_535)) &&
    new Set(fixed).size === fixed.length
  );
}

function isPrefix(text: string): boolean {
  return (
    text === '' ||
    (text.endsWith('/') &&
      !text
        .slice(0, -1)
        .split('/')
        .some((name) => /^\.{0,2}$/.test(name)))
  );
}

function isBareUrl(text: string): boolean {
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '');
}

function isSource(found: values.UserSource): boolean {
  return found.kind === 'https'
    ? isBareUrl(found.url) && found.url.startsWith('https:')
    : Object.values(found).every((part) => part !== '');
}

function areNetworks(list: string[]): boolean {
  return list.every((network) => {
    const [host = '', bits] = network.split('/');
    inNetworks([network]);
    return isWhole(0, isIP(host) === 4 ? 32 : 128)(Number(bits)) && isIP(host) > 0;
  });
}

function areExact(list: string[]): boolean {
  return list.length > 0 && list.every((address) => isIP(address) > 0 && !/^[0:.]+$/.test(address));
}

test.each(PARSERS)(
  '%s gives what it promises, or says in one line what is allowed, whatever the text',
  (_, parts, parse, good) => {
    fc.assert(
      fc.property(made(parts), (text) => {
        const value = read(parse, text);
        if (value !== undefined) expect([text, value, good(value as never)]).toEqual([text, value, true]);
      }),
      { numRuns: 1500 },
    );
  },
);

test.each(PARSERS)('%s is not held up by a text of 100,000 characters', (_, parts, parse) => {
  for (const part of [...words(parts), ' ', '\n', ',']) {
    const started = performance.now();
    read(parse, part.repeat(100_000 / part.length));
    read(parse, `${words(parts)[0]}${part.repeat(100_000 / part.length)}!`);
    expect(performance.now() - started).toBeLessThan(1000);
  }
});
