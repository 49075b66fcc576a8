import { hashSync } from 'bcryptjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hashPassword } from '../../src/identity/password-hash.ts';
import { BusyError, Passwords } from '../../src/identity/passwords.ts';
import { HASHES, PASSWORD } from './made-elsewhere.ts';

function open(now?: () => number): Passwords {
  const passwords = new Passwords(now);
  onTestFinished(() => passwords.close());
  return passwords;
}

/** Takes some milliseconds. */
const CHEAP = HASHES.find(([, hash]) => hash.startsWith('$argon2i$'))?.[1] ?? '';

/** As many as may be computed and wait at once. */
const MOST = 66;

test.each(HASHES)('the password is right for the hash of %s, and another is wrong', async (_, hash) => {
  const passwords = open();
  const found = [PASSWORD, `${PASSWORD} `].map((password) => passwords.verify('anna', hash, password));
  expect(await Promise.all(found)).toEqual([true, false]);
});

test('a password in another case or normal form is wrong', async () => {
  const passwords = open();
  expect(await passwords.verify('anna', CHEAP, PASSWORD.toLowerCase())).toBe(false);
  expect(await passwords.verify('anna', CHEAP, PASSWORD.normalize('NFD'))).toBe(false);
});

test("SFTPGo's documented hashes are those of their passwords", async () => {
  const passwords = open();
  const pbkdf2 = '$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=';
  const bcrypt = '$2a$14$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK';
  expect(await passwords.verify('anna', pbkdf2, 'password')).toBe(true);
  expect(await passwords.verify('anna', bcrypt, 'secret')).toBe(true);
});

test("Ferry's own hash is argon2id of 19 MiB and two passes, with a salt of its own each time", async () => {
  const passwords = open();
  const [one, other] = await Promise.all([hashPassword(PASSWORD), hashPassword(PASSWORD)]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(one).not.toBe(other);
  expect(await passwords.verify('anna', one, PASSWORD)).toBe(true);
  expect(await passwords.verify('anna', one, 'wrong')).toBe(false);
});

describe('what is not computed', () => {
  test('an empty password is wrong, even if the hash is that of one', async () => {
    expect(await open().verify('anna', await hashPassword(''), '')).toBe(false);
  });

  test('a password of more than 1,024 bytes is wrong, one of 1,024 is not', async () => {
    const passwords = open();
    const longest = 'ü'.repeat(512);
    expect(await passwords.verify('anna', await hashPassword(longest), longest)).toBe(true);
    expect(await passwords.verify('anna', await hashPassword(`${longest}x`), `${longest}x`)).toBe(false);
  });
});

test('of a password only the first 72 bytes count for bcrypt, as everywhere', async () => {
  const passwords = open();
  const hash = hashSync('x'.repeat(72), 4);
  expect(await passwords.verify('anna', hash, 'x'.repeat(73))).toBe(true);
  expect(await passwords.verify('anna', hash, 'x'.repeat(71))).toBe(false);
});

describe('where more log in than can be served', () => {
  test('whoever finds the queue full is told so, and the others get their answers', async () => {
    const passwords = open();
    const others = Array.from({ length: MOST }, (_, index) =>
      passwords.verify('anna', CHEAP, `wrong ${index}`),
    );
    await expect(passwords.verify('bert', CHEAP, PASSWORD)).rejects.toThrow(BusyError);
    expect(new Set(await Promise.all(others))).toEqual(new Set([false]));
    expect(await passwords.verify('bert', CHEAP, PASSWORD)).toBe(true);
  });

  test('a password that was right is known for five minutes: of that user, by that hash', async () => {
    let now = 0;
    const passwords = open(() => now);
    expect(await passwords.verify('anna', CHEAP, PASSWORD)).toBe(true);
    const other = await hashPassword(PASSWORD);
    const others = Array.from({ length: MOST }, (_, index) =>
      passwords.verify('carl', CHEAP, `wrong ${index}`),
    );

    now = 299_999;
    expect(await passwords.verify('anna', CHEAP, PASSWORD)).toBe(true);
    await expect(passwords.verify('bert', CHEAP, PASSWORD)).rejects.toThrow(BusyError);
    await expect(passwords.verify('anna', other, PASSWORD)).rejects.toThrow(BusyError);
    await expect(passwords.verify('anna', CHEAP, `${PASSWORD}x`)).rejects.toThrow(BusyError);
    now = 300_000;
    await expect(passwords.verify('anna', CHEAP, PASSWORD)).rejects.toThrow(BusyError);
    await Promise.all(others);
  });

  test('a password that was wrong is not remembered', async () => {
    const passwords = open();
    expect(await passwords.verify('anna', CHEAP, 'wrong')).toBe(false);
    const others = Array.from({ length: MOST }, (_, index) =>
      passwords.verify('carl', CHEAP, `wrong ${index}`),
    );
    await expect(passwords.verify('anna', CHEAP, 'wrong')).rejects.toThrow(BusyError);
    await Promise.all(others);
  });
});

test('a hash that cannot be read is an error, never a yes, and does not block the queue', async () => {
  const passwords = open();
  for (let count = 0; count < 3; count++)
    await expect(passwords.verify('anna', '$y$j9T$x$y', PASSWORD)).rejects.toThrow();
  expect(await passwords.verify('anna', CHEAP, PASSWORD)).toBe(true);
});
