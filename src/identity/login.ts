import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config.ts';
import {
  type Authenticate,
  type Identity,
  type IdentityProvider,
  PERMISSIONS,
  type Permission,
} from './identity.ts';

/** Names that no user has; people type passwords and worse here. */
const BAD_NAME = /^$|[\p{Cc}/\\]|^.{129,}$/su;

/** The names that ask for the anonymous login (RFC 1635). */
export function isAnonymousName(user: string): boolean {
  return /^(anonymous|ftp)$/i.test(user);
}

/**
 * Everybody who may log in: the environment's own logins first, then those of a provider. Before it is asked, names
 * that nobody has, and empty passwords, are refused; `anonymous`, `ftp` and the environment's user never reach it.
 * `holds` and `onChange` are those of the provider; the environment's logins hold as long as the process.
 */
export function openLogins(
  config: Pick<Config, 'user' | 'anonymous' | 'bucket' | 'prefix'>,
  provider: IdentityProvider | undefined,
): IdentityProvider {
  const configured = configuredLogins(config);
  const own = new WeakSet<Identity>();
  return {
    async authenticate(credentials, peer) {
      const { user: name, password } = credentials;
      if (BAD_NAME.test(name)) return undefined;
      if (isAnonymousName(name) || name === config.user?.name) {
        const identity = await configured(credentials, peer);
        if (identity) own.add(identity);
        return identity;
      }
      if (!provider || password === '') return undefined;
      return provider.authenticate(credentials, peer);
    },
    holds: (identity) => own.has(identity) || (provider?.holds?.(identity) ?? true),
    onChange: (listener) => provider?.onChange?.(listener),
    close: () => provider?.close(),
  };
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
