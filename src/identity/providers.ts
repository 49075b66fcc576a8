import type { Config } from '../config.ts';
import type { Log } from '../ops/log.ts';
import type { AwsOptions } from './aws-clients.ts';
import { openHttps } from './https.ts';
import type { Identity, IdentityProvider } from './identity.ts';
import { openLambda } from './lambda.ts';
import { isAllowedRole, overlapsAnonymous } from './mount-rules.ts';
import type { Passwords } from './passwords.ts';
import { RoleRefused, type Roles } from './role.ts';
import { openSecretUsers, openUserSecrets } from './secret-users.ts';
import { openSecretReader } from './secrets.ts';
import { transferUsers } from './transfer-provider.ts';
import { parseUsersAside } from './users-aside.ts';
import { parseUsers } from './users-document.ts';
import { openUsersFile } from './users-file.ts';

/** What the providers are made with. */
export interface ProviderParts {
  readonly log: Log;
  readonly roles: Roles;
  readonly passwords: Passwords;
  /** Where AWS is reached instead; for tests. */
  readonly aws?: AwsOptions | undefined;
  /** PEM of the only CA that an https source's certificate may come from; for tests. */
  readonly ca?: string | undefined;
}

/** The source of users that FERRY_USERS names; undefined where there is none. */
export function openProvider(config: Config, parts: ProviderParts): IdentityProvider | undefined {
  const provider = openSource(config, parts);
  return provider && confined(provider, config, parts);
}

function openSource(config: Config, parts: ProviderParts): IdentityProvider | undefined {
  const { source, serverId, refresh, stale } = config.users;
  const { log, passwords, aws, ca } = parts;
  const secrets = () => ({ reader: openSecretReader(aws), passwords, refresh, stale, log });
  switch (source?.kind) {
    case 'file':
      return openUsersFile(source.path, config, { passwords, log });
    case 'secret':
      return openSecretUsers(source.id, { ...secrets(), parse: (text) => parseUsersAside(text, config) });
    case 'secrets':
      return openUserSecrets(source.prefix, {
        ...secrets(),
        parse: async (text) => parseUsers(text, config),
      });
    case 'lambda':
      return transferUsers(openLambda(source.arn, aws), { serverId, log });
    case 'https':
      return transferUsers(openHttps(source.url, { ca }), { serverId, log });
    case undefined:
      return undefined;
  }
}

/**
 * Lets nobody in whose mounts or role are not those that the settings allow, or whose role cannot be assumed: nobody
 * with a role is ever served with the server's own rights.
 */
function confined(
  provider: IdentityProvider,
  config: Config,
  { log, roles }: Pick<ProviderParts, 'log' | 'roles'>,
): IdentityProvider {
  async function whyNot(identity: Identity): Promise<string | undefined> {
    const reason = notAllowed(identity, config);
    if (reason !== undefined || identity.role === undefined) return reason;
    try {
      await roles.assume(identity);
      // That took its time: whoever has been removed meanwhile has no session yet that could be ended.
      return provider.holds?.(identity) === false ? 'the user has changed meanwhile' : undefined;
    } catch (error) {
      if (error instanceof RoleRefused) return `the role cannot be assumed: ${error.message}`;
      throw error;
    }
  }
  return {
    async authenticate(credentials, peer) {
      const identity = await provider.authenticate(credentials, peer);
      const reason = identity && (await whyNot(identity));
      if (reason === undefined) return identity;
      log.warn({ event: 'identity', outcome: 'refused', user: identity?.user, reason });
      return undefined;
    },
    holds: provider.holds && ((identity) => provider.holds?.(identity) ?? true),
    onChange: provider.onChange && ((listener) => provider.onChange?.(listener)),
    close: () => provider.close(),
  };
}

/** Which setting forbids what the identity sees or may do. */
function notAllowed({ mounts, role }: Identity, config: Config): string | undefined {
  const { bucket, prefix, users } = config;
  for (const mount of mounts) {
    const named = users.allowedBuckets.includes(mount.bucket);
    if (mount.bucket !== bucket && !named) return `bucket ${mount.bucket}: not in FERRY_ALLOWED_BUCKETS`;
    if (!named && !mount.prefix.startsWith(prefix)) return 'a mount outside FERRY_PREFIX';
    if (overlapsAnonymous(config, mount)) return 'a mount that overlaps FERRY_ANONYMOUS_ROOT';
  }
  if (role && !isAllowedRole(users.allowedRoles, role.arn))
    return `role ${role.arn}: not in FERRY_ALLOWED_ROLES`;
  return undefined;
}
