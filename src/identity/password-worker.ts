import { timingSafeEqual } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';
import { parseHash } from './password-format.ts';
import { shaCrypt } from './sha-crypt.ts';

/** What the worker is asked: whether the hash is that of the password. It answers with a boolean, in turn. */
export interface Question {
  readonly hash: string;
  readonly password: string;
}

// A thread of its own: both kinds of hash are computed in JavaScript, and take up to seconds.
parentPort?.on('message', ({ hash, password }: Question) => {
  parentPort?.postMessage(isRight(hash, password));
});

function isRight(text: string, password: string): boolean {
  const hash = parseHash(text);
  if (hash.kind !== 'sha-crypt') return compareSync(password, text);
  const found = shaCrypt(hash.algorithm, password, hash.salt, hash.rounds);
  return timingSafeEqual(Buffer.from(found), Buffer.from(text.slice(text.lastIndexOf('$') + 1)));
}
