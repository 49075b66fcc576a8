import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { AWS_CLIENT, type AwsOptions, codeOf, regionOf } from './aws-clients.ts';

/** One version of a secret. */
export interface Secret {
  readonly text: string;
  /** VersionId; another one means that the text may have changed. */
  readonly version: string;
}

/** Reads secrets of AWS Secrets Manager. */
export interface SecretReader {
  /**
   * GetSecretValue, AWSCURRENT.
   * @param id name or ARN
   * @throws SecretError
   */
  read(id: string, signal?: AbortSignal): Promise<Secret>;
  /**
   * ListSecrets: the names that begin with `prefix`, each with its current version, empty where that is not told;
   * without secrets that are scheduled for deletion. The list may lag behind.
   * @throws SecretError
   */
  list(prefix: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Ends the connections. */
  close(): void;
}

/** Why a secret could not be read. The message names the secret, never what it holds. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  readonly failure: 'not-found' | 'denied' | 'unavailable';
  constructor(failure: SecretError['failure'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

const sdk = () => import('@aws-sdk/client-secrets-manager');

/**
 * Opens a reader; the SDK is loaded with the first secret that is read, so that servers without secrets do not pay
 * for it.
 */
export function openSecretReader({ endpoint, region }: AwsOptions = {}): SecretReader {
  const clients = new Map<string | undefined, SecretsManagerClient>();

  async function clientOf(id: string): Promise<SecretsManagerClient> {
    const { SecretsManagerClient } = await sdk();
    const there = regionOf(id) ?? region;
    const client = clients.get(there) ?? new SecretsManagerClient({ ...AWS_CLIENT, endpoint, region: there });
    clients.set(there, client);
    return client;
  }

  return {
    async read(id, signal) {
      const { GetSecretValueCommand } = await sdk();
      const client = await clientOf(id);
      const command = new GetSecretValueCommand({ SecretId: id });
      const answer = await named(id, client.send(command, { abortSignal: signal }));
      const text = answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString();
      return { text, version: answer.VersionId ?? '' };
    },

    async list(prefix, signal) {
      const { ListSecretsCommand } = await sdk();
      const client = await clientOf('');
      const found = new Map<string, string>();
      for (let token: string | undefined; ; ) {
        const Filters = [{ Key: 'name' as const, Values: [prefix] }];
        const command = new ListSecretsCommand({ Filters, MaxResults: 100, NextToken: token });
        const answer = await named(`${prefix}*`, client.send(command, { abortSignal: signal }));
        // The filter does not tell upper and lower case apart.
        for (const { Name = '', SecretVersionsToStages } of answer.SecretList ?? [])
          if (Name.startsWith(prefix)) found.set(Name, currentOf(SecretVersionsToStages));
        token = answer.NextToken;
        if (token === undefined) return found;
      }
    },

    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}

/**
 * Gives a secret that exists a new current version: PutSecretValue. The version before stays as AWSPREVIOUS.
 * @param id name or ARN
 * @throws SecretError
 */
export async function putSecret(
  id: string,
  text: string,
  { endpoint, region }: AwsOptions = {},
): Promise<void> {
  const { PutSecretValueCommand, SecretsManagerClient } = await sdk();
  const client = new SecretsManagerClient({ ...AWS_CLIENT, endpoint, region: regionOf(id) ?? region });
  try {
    await named(id, client.send(new PutSecretValueCommand({ SecretId: id, SecretString: text })));
  } finally {
    client.destroy();
  }
}

function currentOf(versions: Readonly<Record<string, string[]>> = {}): string {
  return Object.keys(versions).find((version) => versions[version]?.includes('AWSCURRENT')) ?? '';
}

async function named<T>(id: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new SecretError(failureOf(cause), `secret ${id}: ${codeOf(cause)}`, { cause });
  }
}

function failureOf(error: unknown): SecretError['failure'] {
  const code = codeOf(error);
  if (code === 'ResourceNotFound') return 'not-found';
  // Scheduled for deletion: whoever did that wants it to be gone.
  if (code === 'InvalidRequest' && /deletion|deleted/i.test((error as Error).message)) return 'not-found';
  return code === 'AccessDenied' || code === 'DecryptionFailure' ? 'denied' : 'unavailable';
}
