import type { STSClient } from '@aws-sdk/client-sts';
import type { Config } from '../config.ts';
import type { Log } from '../ops/log.ts';
import { AWS_CLIENT, type AwsOptions, codeOf } from './aws-clients.ts';
import type { Identity } from './identity.ts';
import { sessionName, sessionTags } from './role-session.ts';
import { sessionPolicies } from './session-policy.ts';

/** A user's own credentials for S3. */
export interface RoleCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** Credentials of users with roles, by STS AssumeRole. */
export interface Roles {
  /**
   * Settles if the identity's role can be assumed.
   * @throws RoleRefused where STS says no; anything else where it cannot be told now
   */
  assume(identity: Identity): Promise<void>;
  /** What S3's client asks again and again: gives what it has until ten minutes before the hour ends. */
  credentialsOf(identity: Identity): () => Promise<RoleCredentials>;
  /** Equal for identities that get the same credentials. */
  keyOf(identity: Identity): string;
  /** Ends the connections. */
  close(): void;
}

/** STS does not give this identity the rights of its role: a matter of configuration, not of time. */
export class RoleRefused extends Error {
  override readonly name = 'RoleRefused';
}

/** The role cannot be assumed now. */
export class RoleUnavailable extends Error {
  override readonly name = 'RoleUnavailable';
}

export interface RolesOptions extends AwsOptions {
  readonly config: Pick<Config, 'overwrite'> & { readonly objects: Pick<Config['objects'], 'carryOver'> };
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Seconds: the most that one role's session may get for another role. */
const DURATION = 3600;

/** Milliseconds before their end from which on credentials are replaced; S3's client asks five minutes before. */
const EARLY = 600_000;

/** Users whose credentials are kept. */
const MOST = 10_000;

/** What STS answers where asking again is of no use. */
const REFUSALS = new Set([
  'AccessDenied',
  'MalformedPolicyDocument',
  'PackedPolicyTooLarge',
  'ValidationError',
]);

interface Held {
  credentials?: RoleCredentials;
  asking?: Promise<RoleCredentials> | undefined;
}

/** Opens the way to STS; the SDK is loaded with the first role. */
export function openRoles(options: RolesOptions): Roles {
  return new StsRoles(options);
}

class StsRoles implements Roles {
  readonly #options: RolesOptions;
  readonly #now: () => number;
  /** The least lately used first. */
  readonly #known = new Map<string, Held>();
  #client: STSClient | undefined;

  constructor(options: RolesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async assume(identity: Identity): Promise<void> {
    await this.#get(identity, keyOf(identity));
  }

  credentialsOf(identity: Identity): () => Promise<RoleCredentials> {
    const key = keyOf(identity);
    return () => this.#get(identity, key);
  }

  keyOf(identity: Identity): string {
    return keyOf(identity);
  }

  close(): void {
    this.#client?.destroy();
  }

  /** Many sessions and requests may want new ones at once: STS is asked once. */
  async #get(identity: Identity, key: string): Promise<RoleCredentials> {
    const held = this.#held(key);
    const left = (held.credentials?.expiration.getTime() ?? 0) - this.#now();
    if (held.credentials && left > EARLY) return held.credentials;
    held.asking ??= this.#assume(identity)
      .then((credentials) => {
        held.credentials = credentials;
        return credentials;
      })
      .finally(() => {
        held.asking = undefined;
      });
    try {
      return await held.asking;
    } catch (error) {
      // A running transfer goes on with what still holds.
      if (held.credentials && left > 0 && !(error instanceof RoleRefused)) return held.credentials;
      throw error;
    }
  }

  #held(key: string): Held {
    const found = this.#known.get(key) ?? {};
    this.#known.delete(key);
    this.#known.set(key, found);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST) break;
      this.#known.delete(oldest);
    }
    return found;
  }

  /** The finest policy that STS can pack, or none: then tags and the role alone narrow what the user may do. */
  async #assume(identity: Identity): Promise<RoleCredentials> {
    const { user, role } = identity;
    const choices = this.#policies(identity);
    for (const [index, policy] of choices.entries()) {
      if (policy === undefined)
        this.#options.log.warn(
          { event: 'role', user, role: role?.arn },
          'no session policy is short enough for its mounts',
        );
      try {
        return await this.#ask(identity, policy);
      } catch (cause) {
        const code = codeOf(cause);
        if (code === 'PackedPolicyTooLarge' && index < choices.length - 1) continue;
        const message = `${role?.arn}: ${cause instanceof RangeError ? cause.message : code}`;
        if (REFUSALS.has(code) || cause instanceof RangeError) throw new RoleRefused(message, { cause });
        throw new RoleUnavailable(message, { cause });
      }
    }
    throw new RoleRefused(`${role?.arn}: no policy`);
  }

  /** In the order in which they are tried. */
  #policies(identity: Identity): readonly (string | undefined)[] {
    if (identity.role?.policy !== undefined) return [identity.role.policy];
    const { overwrite, objects } = this.#options.config;
    return [...sessionPolicies(identity, { looks: overwrite !== 'replace' || objects.carryOver }), undefined];
  }

  async #ask(identity: Identity, Policy: string | undefined): Promise<RoleCredentials> {
    const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts');
    const { endpoint, region } = this.#options;
    this.#client ??= new STSClient({ ...AWS_CLIENT, endpoint, region });
    const name = sessionName(identity.user);
    const command = new AssumeRoleCommand({
      RoleArn: identity.role?.arn,
      ExternalId: identity.role?.externalId,
      RoleSessionName: name,
      SourceIdentity: name,
      Tags: sessionTags(identity),
      DurationSeconds: DURATION,
      Policy,
    });
    const { Credentials: given } = await this.#client.send(command);
    if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken || !given.Expiration)
      throw new Error('STS answered without credentials');
    return {
      accessKeyId: given.AccessKeyId,
      secretAccessKey: given.SecretAccessKey,
      sessionToken: given.SessionToken,
      expiration: given.Expiration,
    };
  }
}

function keyOf({ user, role, mounts, grants = [] }: Identity): string {
  return JSON.stringify([user, role, mounts, grants], (_key, value) =>
    value instanceof Set ? [...value].sort() : value,
  );
}
