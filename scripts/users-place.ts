import { randomBytes } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { openSecretReader, putSecret, type Secret, SecretError } from '../src/identity/secrets.ts';

/** Where a users document stands. */
export interface UsersPlace {
  /** As messages call it. */
  readonly name: string;
  /** The document; undefined where there is none yet. */
  read(): Promise<string | undefined>;
  /** Takes the place of what was read last. @throws Error where that cannot be done, in one line */
  write(text: string): Promise<void>;
}

/** A secret's longest text in bytes (Secrets Manager, PutSecretValue). */
const LONGEST_SECRET = 65_536;

/** A file, which is replaced at once and readable by its owner only. */
export function usersInFile(file: string): UsersPlace {
  return {
    name: file,

    async read() {
      return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
    },

    async write(text) {
      // A link stays one.
      const target = await realpath(file).catch(() => file);
      const owner = await stat(target).catch(() => undefined);
      const fresh = `${target}.${randomBytes(6).toString('hex')}`;
      const handle = await open(fresh, 'wx', 0o600);
      try {
        await handle.writeFile(text);
        // The server must be able to read it as before, also when root edits it.
        if (owner && owner.uid !== process.getuid?.()) await handle.chown(owner.uid, owner.gid);
        await handle.sync();
        await rename(fresh, target);
      } catch (error) {
        await rm(fresh, { force: true });
        throw error;
      } finally {
        await handle.close();
      }
    },
  };
}

/** A secret of Secrets Manager that exists, with or without a value. @param id name or ARN */
export function usersInSecret(id: string): UsersPlace {
  let last: Secret | undefined;

  /** Undefined for a secret without a value, and for one that does not exist: writing tells those apart. */
  async function current(): Promise<Secret | undefined> {
    const reader = openSecretReader();
    try {
      return await reader.read(id);
    } catch (error) {
      if (error instanceof SecretError && error.failure === 'not-found') return undefined;
      throw explained(error);
    } finally {
      reader.close();
    }
  }

  return {
    name: `secret ${id}`,

    async read() {
      last = await current();
      return last?.text;
    },

    async write(text) {
      const bytes = Buffer.byteLength(text);
      if (bytes > LONGEST_SECRET)
        throw new Error(
          `secret ${id}: ${bytes} bytes; allowed: ${LONGEST_SECRET}. A secret for each user: docs/IDENTITY-PROVIDERS.md`,
        );
      // Secrets Manager has no conditional write; a password may have been asked for in between.
      if ((await current())?.version !== last?.version)
        throw new Error(
          `secret ${id}: somebody else has changed it meanwhile; nothing was written, try again`,
        );
      await putSecret(id, text).catch((error) => {
        throw explained(error);
      });
    },
  };
}

/** What a person at a terminal can do about it. */
function explained(error: unknown): unknown {
  if (!(error instanceof SecretError)) return error;
  const { message, failure, cause } = error;
  if (failure === 'not-found')
    return new Error(`${message}: there is no such secret in this account and region`);
  if (failure === 'denied')
    return new Error(
      `${message}: secretsmanager:GetSecretValue and PutSecretValue are needed, and its KMS key`,
    );
  return new Error(cause instanceof Error ? `${message}: ${cause.message}` : message);
}
