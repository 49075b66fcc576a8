import { hash } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * The hash of a password by SHA-crypt (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6), without
 * the text before it. Takes about a microsecond a round, and all of its thread.
 * @param password UTF-8
 * @param salt at most 16 bytes
 * @param rounds as they are to be done, 1,000 and more
 */
export function shaCrypt(
  algorithm: 'sha256' | 'sha512',
  password: string,
  salt: string,
  rounds: number,
): string {
  const digest = (...parts: readonly Buffer[]) => hash(algorithm, Buffer.concat(parts), 'buffer');
  const key = Buffer.from(password);
  const salted = Buffer.from(salt);
  let sum = firstDigest(digest, key, salted);
  const keys = fill(digest(...Array<Buffer>(key.length).fill(key)), key.length);
  const salts = fill(digest(...Array<Buffer>(16 + (sum[0] ?? 0)).fill(salted)), salted.length);
  // Step 21.
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1;
    const parts = [odd ? keys : sum];
    if (round % 3 !== 0) parts.push(salts);
    if (round % 7 !== 0) parts.push(keys);
    parts.push(odd ? sum : keys);
    sum = digest(...parts);
  }
  return algorithm === 'sha256' ? encode256(sum) : encode512(sum);
}

/** Steps 1 to 12. */
function firstDigest(digest: (...parts: readonly Buffer[]) => Buffer, key: Buffer, salt: Buffer): Buffer {
  const alternate = digest(key, salt, key);
  const bits: Buffer[] = [];
  for (let left = key.length; left > 0; left >>= 1) bits.push(left % 2 === 1 ? alternate : key);
  return digest(key, salt, fill(alternate, key.length), ...bits);
}

/** As many bytes as asked for, of the digest over and over. */
function fill(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

/** Step 22 for SHA-256: the places rotate by one with each group, and count up. */
function encode256(sum: Buffer): string {
  let text = '';
  for (let [a, b, c, left] = [0, 10, 20, 10]; left > 0; [a, b, c, left] = [c + 1, a + 1, b + 1, left - 1])
    text += group(sum[a], sum[b], sum[c], 4);
  return text + group(0, sum[31], sum[30], 3);
}

/** Step 22 for SHA-512, likewise. */
function encode512(sum: Buffer): string {
  let text = '';
  for (let [a, b, c, left] = [0, 21, 42, 21]; left > 0; [a, b, c, left] = [b + 1, c + 1, a + 1, left - 1])
    text += group(sum[a], sum[b], sum[c], 4);
  return text + group(0, 0, sum[63], 2);
}

function group(high = 0, middle = 0, low = 0, characters = 4): string {
  let bits = (high << 16) | (middle << 8) | low;
  let text = '';
  for (let count = 0; count < characters; count++) {
    text += ALPHABET[bits & 63];
    bits >>= 6;
  }
  return text;
}
