import { fail, NotAllowed } from '../setting-values.ts';

/** A password's hash, read: what it takes to verify a password against it. */
export type PasswordHash =
  | {
      readonly kind: 'argon2';
      readonly algorithm: 'argon2id' | 'argon2i' | 'argon2d';
      /** KiB. */
      readonly memory: number;
      readonly passes: number;
      readonly parallelism: number;
      readonly salt: Buffer;
      readonly digest: Buffer;
    }
  | {
      readonly kind: 'pbkdf2';
      readonly algorithm: 'sha1' | 'sha256' | 'sha512';
      readonly iterations: number;
      readonly salt: Buffer;
      readonly digest: Buffer;
    }
  | { readonly kind: 'bcrypt' }
  | {
      readonly kind: 'sha-crypt';
      readonly algorithm: 'sha256' | 'sha512';
      readonly rounds: number;
      readonly salt: string;
    };

/** 256 MiB, in KiB. */
const MOST_MEMORY = 2 ** 18;

/**
 * KiB times passes, about 8 s of a processor: Pure-FTPd's pure-pw writes 8 MiB with as many passes as its machine did
 * in a second, 1,023 say, hence a limit of passes alone would refuse it.
 */
const MOST_MEMORY_PASSES = 2 ** 24;

const MOST_PARALLELISM = 16;
const MOST_ROUNDS = 1_000_000;
const MOST_BCRYPT_COST = 14;

/** Rounds of SHA-crypt where none are written (Drepper, "Unix crypt using SHA-256 and SHA-512"). */
const DEFAULT_ROUNDS = 5000;
const LEAST_ROUNDS = 1000;

/** What is not verified here, by the start of its text, and why. */
const REFUSED: readonly (readonly [start: RegExp, why: string])[] = [
  [/^\$g?y\$/, 'yescrypt ($y$) cannot be verified here; give the user a new password'],
  [/^\$7\$/, 'scrypt ($7$) cannot be verified here; give the user a new password'],
  [/^\$(1|apr1|md5)[$,]/, 'MD5-crypt ($1$) is too weak; give the user a new password'],
  [/^\$(2|2x)\$/, 'this form of bcrypt is that of a faulty program; give the user a new password'],
  [/^\$(sha1|3)\$|^\{/, 'this kind of hash is too weak; give the user a new password'],
  [/^(_[\w./]{19}|[\w./]{13})$/, 'DES-crypt is too weak; give the user a new password'],
  [/^[!*]/, 'the password is locked; unlock it first, or give the user a new one'],
];

const ALLOWED =
  'a hash by `npm run user -- passwd`, or one of argon2 ($argon2id$, $argon2i$, $argon2d$), bcrypt ($2a$, $2b$, $2y$), PBKDF2 ($pbkdf2-sha256$ and such), SHA-crypt ($5$, $6$)';

/**
 * Reads a password's hash: PHC strings of argon2, bcrypt, PBKDF2 as SFTPGo and passlib write it, SHA-crypt.
 * @throws NotAllowed that says why it cannot or should not be verified; it never holds the hash
 */
export function parseHash(text: string): PasswordHash {
  for (const [start, why] of REFUSED) if (start.test(text)) fail(why);
  if (text.startsWith('$argon2')) return parseArgon2(text);
  if (text.startsWith('$pbkdf2')) return parsePbkdf2(text);
  if (/^\$2[aby]\$/.test(text)) return parseBcrypt(text);
  if (/^\$[56]\$/.test(text)) return parseShaCrypt(text);
  return fail(ALLOWED);
}

/** https://github.com/P-H-C/phc-string-format, version 0x13 only: Node computes no other. */
function parseArgon2(text: string): PasswordHash {
  const [, algorithm, memory, passes, parallelism, salt = '', digest = ''] =
    /^\$(argon2id|argon2i|argon2d)\$v=19\$m=(\d{1,8}),t=(\d{1,8}),p=(\d{1,4})\$([\w+/]+)\$([\w+/]+)$/.exec(
      text,
    ) ?? fail('argon2 of version 19, as $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH');
  const hash = {
    kind: 'argon2',
    algorithm: algorithm as 'argon2id',
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    digest: Buffer.from(digest, 'base64'),
  } as const;
  const cheap =
    hash.memory <= MOST_MEMORY &&
    hash.memory * hash.passes <= MOST_MEMORY_PASSES &&
    hash.parallelism <= MOST_PARALLELISM;
  if (!cheap) fail('argon2 with m to 262144, m times t to 16777216, p to 16');
  // RFC 9106 section 3.1.
  const sound = hash.memory >= 8 * hash.parallelism && hash.passes >= 1 && hash.parallelism >= 1;
  const long = hash.salt.length >= 8 && hash.digest.length >= 16;
  return sound && long && hash.salt.length <= 64 && hash.digest.length <= 128
    ? hash
    : fail('argon2 with a salt of 8 to 64 and a hash of 16 to 128 bytes, m at least 8 times p');
}

/**
 * SFTPGo: `$pbkdf2-sha256$ITERATIONS$SALT$HASH` with the salt as it stands, or in base64 where the name says `b64salt`;
 * the hash in base64. passlib: the same, without padding, `.` for `+`, the salt in the same alphabet. The two are told
 * apart by the padding, which SFTPGo's hashes of 20, 32 and 64 bytes always have.
 */
function parsePbkdf2(text: string): PasswordHash {
  const [, encoded, name, iterations, salt = '', digest = ''] =
    /^\$pbkdf2(-b64salt)?(-sha1|-sha256|-sha512)?\$(\d{1,8})\$([^$]*)\$([\w+/.]+={0,2})$/.exec(text) ??
    fail('PBKDF2 as $pbkdf2-sha256$150000$SALT$HASH');
  const passlib = encoded === undefined && !digest.endsWith('=') && [27, 43, 86].includes(digest.length);
  const fromBase64 = (given: string) => Buffer.from(given.replaceAll('.', '+'), 'base64');
  const hash = {
    kind: 'pbkdf2',
    algorithm: (name?.slice(1) ?? 'sha1') as 'sha1',
    iterations: Number(iterations),
    salt: encoded !== undefined || passlib ? fromBase64(salt) : Buffer.from(salt),
    digest: fromBase64(digest),
  } as const;
  if (hash.iterations < 1 || hash.iterations > MOST_ROUNDS) fail('PBKDF2 with 1 to 1000000 iterations');
  return hash.digest.length >= 16 && hash.digest.length <= 128 && hash.salt.length <= 256
    ? hash
    : fail('PBKDF2 with a hash of 16 to 128 bytes and a salt of at most 256');
}

function parseBcrypt(text: string): PasswordHash {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[\w./]{53}$/.exec(text) ?? fail('bcrypt as $2b$12$ and 53 characters');
  const allowed = Number(cost) >= 4 && Number(cost) <= MOST_BCRYPT_COST;
  return allowed ? { kind: 'bcrypt' } : fail(`bcrypt with a cost from 4 to ${MOST_BCRYPT_COST}`);
}

function parseShaCrypt(text: string): PasswordHash {
  const [, id, given, salt = '', digest = ''] =
    /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$]{0,16})\$([\w./]+)$/.exec(text) ??
    fail('SHA-crypt as $6$SALT$HASH or $6$rounds=100000$SALT$HASH');
  const rounds = Number(given ?? DEFAULT_ROUNDS);
  if (rounds < LEAST_ROUNDS || rounds > MOST_ROUNDS) fail('SHA-crypt with 1000 to 1000000 rounds');
  const algorithm = id === '5' ? 'sha256' : 'sha512';
  return digest.length === { sha256: 43, sha512: 86 }[algorithm]
    ? { kind: 'sha-crypt', algorithm, rounds, salt }
    : fail('SHA-crypt with 43 ($5$) or 86 ($6$) characters after the salt');
}

/** Why a hash is refused, for an import; undefined where it can be verified. */
export function whyRefused(text: string): string | undefined {
  try {
    parseHash(text);
    return undefined;
  } catch (error) {
    if (error instanceof NotAllowed) return error.message;
    throw error;
  }
}
