import { describe, expect, test } from 'vitest';
import { parseHash, whyRefused } from '../../src/identity/password-format.ts';
import { HASHES, REFUSED_HASHES } from './made-elsewhere.ts';

test.each(HASHES)('the hash of %s is taken', (_, hash) => {
  expect(whyRefused(hash)).toBeUndefined();
});

test.each(REFUSED_HASHES)('a hash of %s is refused, and the reason does not repeat it', (_, hash, why) => {
  expect(whyRefused(hash)).toMatch(why);
  expect(whyRefused(hash)).not.toContain(hash);
});

describe('what a hash may cost', () => {
  const argon2 = (parameters: string) => `$argon2id$v=19$${parameters}$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const sha = (rounds: number) => `$6$rounds=${rounds}$salt$${'A'.repeat(86)}`;
  const bcrypt = (cost: string) => `$2b$${cost}$${'A'.repeat(53)}`;
  const pbkdf2 = (iterations: number) => `$pbkdf2-sha256$${iterations}$salt$${'A'.repeat(43)}=`;

  test.each([
    argon2('m=262144,t=64,p=16'),
    argon2('m=8192,t=2048,p=1'),
    argon2('m=8,t=1,p=1'),
    sha(1000),
    sha(1_000_000),
    bcrypt('04'),
    bcrypt('14'),
    pbkdf2(1),
    pbkdf2(1_000_000),
  ])('%s is taken', (hash) => {
    expect(whyRefused(hash)).toBeUndefined();
  });

  test.each([
    argon2('m=262145,t=1,p=1'),
    argon2('m=262144,t=65,p=1'),
    argon2('m=8192,t=2049,p=1'),
    argon2('m=262144,t=1,p=17'),
    argon2('m=7,t=1,p=1'),
    argon2('m=15,t=1,p=2'),
    argon2('m=19456,t=0,p=1'),
    argon2('m=19456,t=2,p=0'),
    argon2('m=99999999999,t=1,p=1'),
    sha(999),
    sha(1_000_001),
    bcrypt('03'),
    bcrypt('15'),
    bcrypt('31'),
    pbkdf2(0),
    pbkdf2(1_000_001),
  ])('%s is refused', (hash) => {
    expect(whyRefused(hash)).toBeDefined();
  });
});

test.each([
  ['another version of argon2', `$argon2id$v=16$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
  ['argon2 without a version', `$argon2id$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
  ['argon2 with a short salt', `$argon2id$v=19$m=19456,t=2,p=1$AAAA$${'A'.repeat(43)}`],
  ['argon2 with a short hash', `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$AAAA`],
  ['bcrypt with a character too many', `$2b$10$${'A'.repeat(54)}`],
  ['SHA-crypt with a hash of the other kind', `$5$salt$${'A'.repeat(86)}`],
  ['SHA-crypt with a long salt', `$6$${'s'.repeat(17)}$${'A'.repeat(86)}`],
  ['PBKDF2 without a salt field', '$pbkdf2-sha256$1000$AAAA'],
  ['PBKDF2 with a short hash', '$pbkdf2-sha256$1000$salt$AAAA'],
  ['a hash with a line end', `$2b$10$${'A'.repeat(53)}\n`],
  ['nothing', ''],
])('%s is refused', (_, hash) => {
  expect(whyRefused(hash)).toBeDefined();
});

test('a hash of PBKDF2 with padding has its salt as it stands, one without in base64', () => {
  const salt = (text: string) => {
    const hash = parseHash(text);
    return hash.kind === 'pbkdf2' ? hash.salt.toString('latin1') : undefined;
  };
  expect(salt(`$pbkdf2-sha256$1000$c2FsdA$${'A'.repeat(43)}=`)).toBe('c2FsdA');
  expect(salt(`$pbkdf2-sha256$1000$c2FsdA$${'A'.repeat(43)}`)).toBe('salt');
  expect(salt(`$pbkdf2-b64salt-sha256$1000$c2FsdA==$${'A'.repeat(43)}=`)).toBe('salt');
});
