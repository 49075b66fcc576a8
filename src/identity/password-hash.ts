import { argon2, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { PasswordHash } from './password-format.ts';

/** Bytes of UTF-8 that a password may have; SHA-crypt's cost grows with them. */
export const LONGEST_PASSWORD = 1024;

/** OWASP's password storage cheat sheet: 19 MiB, two passes, one lane. */
const OWN = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;

const deriveArgon2 = promisify(argon2);
const derivePbkdf2 = promisify(pbkdf2);

/** Hashes a new password by argon2id, off the event loop; a PHC string. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16);
  const digest = await deriveArgon2('argon2id', { message: password, nonce, ...OWN });
  const [salt, tag] = [nonce, digest].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=${OWN.memory},t=${OWN.passes},p=${OWN.parallelism}$${salt}$${tag}`;
}

/** Verifies by what Node computes off the event loop. */
export async function verifyByNode(
  hash: Extract<PasswordHash, { kind: 'argon2' | 'pbkdf2' }>,
  password: string,
): Promise<boolean> {
  const { digest, salt } = hash;
  const length = digest.length;
  const found =
    hash.kind === 'argon2'
      ? await deriveArgon2(hash.algorithm, {
          message: password,
          nonce: salt,
          memory: hash.memory,
          passes: hash.passes,
          parallelism: hash.parallelism,
          tagLength: length,
        })
      : await derivePbkdf2(password, salt, hash.iterations, length, hash.algorithm);
  return timingSafeEqual(found, digest);
}
