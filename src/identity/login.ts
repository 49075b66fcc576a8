import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config.ts';
import { type Authenticate, type Identity, PERMISSIONS, type Permission } from './identity.ts';

/** The names that ask for the anonymous login (RFC 1635). */
export function isAnonymousName(user: string): boolean {
  return /^(anonymous|ftp)$/i.test(user);
}

/**
 * The logins that the environment itself configures: one user with the whole root, and the anonymous one
 * with a root of its own.
 */
export function configuredLogins(
  config: Pick<Config, 'user' | 'anonymous' | 'bucket' | 'prefix'>,
): Authenticate {
  const { user, anonymous } = config;
  const named = user && identity(user.name, false, config, '', PERMISSIONS);
  const stranger =
    anonymous &&
    identity(
      'anonymous',
      true,
      config,
      anonymous.root,
      anonymous.access === 'read' ? ['list', 'read'] : ['write'],
    );

  return async ({ user: name, password }) => {
    if (isAnonymousName(name)) return stranger;
    // Both sides are hashed and compared whole, so that the time tells neither length nor prefix.
    const right = sameSecret(password ?? '', user?.password ?? '');
    return right && name === user?.name && password ? named : undefined;
  };
}

function identity(
  user: string,
  anonymous: boolean,
  { bucket, prefix }: Pick<Config, 'bucket' | 'prefix'>,
  root: string,
  permissions: readonly Permission[],
): Identity {
  const mount = { path: '/', bucket, prefix: prefix + root, permissions: new Set(permissions) };
  return { user, anonymous, mounts: [mount] };
}

function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
