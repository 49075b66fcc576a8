import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config.ts';
import { readFileSource } from '../ops/file-source.ts';
import type { Log } from '../ops/log.ts';
import type { Credentials, Identity, IdentityProvider, Peer } from './identity.ts';
import type { Passwords } from './passwords.ts';
import { parseUsersAside } from './users-aside.ts';
import type { UserEntry, UsersRules } from './users-document.ts';
import { decoysOf, verifyUser } from './users-login.ts';
import { UsersError } from './users-text.ts';

/** Milliseconds between two looks at the file, at most. */
const LONGEST_INTERVAL = 2000;

/**
 * Users from a file, read at once and again whenever it changes. While it cannot be read, or is not a users document,
 * the last good one holds, and one log line says why; without a good one nobody can tell who may log in.
 *
 * A session holds for as long as its user's entry stays as it was: whatever is changed about a user, their rights or
 * their password, ends their sessions, and they log in to what holds now.
 */
export function openUsersFile(
  path: string,
  config: UsersRules & { readonly users: Pick<Config['users'], 'refresh'> },
  parts: { readonly passwords: Passwords; readonly log: Log },
): IdentityProvider {
  return new UsersFile(path, config, Math.min(config.users.refresh, LONGEST_INTERVAL), parts);
}

class UsersFile implements IdentityProvider {
  readonly #path: string;
  readonly #rules: UsersRules;
  readonly #passwords: Passwords;
  readonly #log: Log;
  readonly #listeners: (() => void)[] = [];
  /** Settles when the file has been looked at once. */
  readonly #first: Promise<void>;
  #users: ReadonlyMap<string, UserEntry> | undefined;
  #decoys: readonly string[] = [];
  /** Of the file as it was last judged, good or not. */
  #version: string | undefined;
  #complaint: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    path: string,
    rules: UsersRules,
    interval: number,
    { passwords, log }: { readonly passwords: Passwords; readonly log: Log },
  ) {
    this.#path = path;
    this.#rules = rules;
    this.#passwords = passwords;
    this.#log = log;
    this.#first = this.#look();
    void this.#first.then(() => this.#watch(interval));
  }

  authenticate = async (credentials: Credentials, peer: Peer): Promise<Identity | undefined> => {
    await this.#first;
    if (!this.#users) throw new Error('the users file could not be read yet');
    const parts = { passwords: this.#passwords, decoys: this.#decoys };
    const identity = await verifyUser(this.#users.get(credentials.user), credentials, peer, parts);
    // The file may have been read again meanwhile.
    return identity && this.holds(identity) ? identity : undefined;
  };

  holds = (identity: Identity): boolean => this.#users?.get(identity.user)?.identity === identity;

  onChange = (listener: () => void): void => {
    this.#listeners.push(listener);
  };

  /** Looks again and again, each time when the last look is over. */
  #watch(interval: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look().then(() => this.#watch(interval)), interval);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Reads the file if it has changed; never rejects. */
  async #look(): Promise<void> {
    try {
      const { text, version } = await readFileSource(this.#path);
      if (version !== this.#version) await this.#judge(text, version);
      else this.#complaint = undefined;
    } catch (error) {
      this.#complain(error);
    }
  }

  async #judge(text: string, version: string): Promise<void> {
    try {
      this.#take(await parseUsersAside(text, this.#rules));
    } catch (error) {
      if (error instanceof UsersError) this.#version = version;
      throw error;
    }
    this.#version = version;
  }

  /** Entries that have not changed keep their identities, hence their sessions. */
  #take(fresh: ReadonlyMap<string, UserEntry>): void {
    const users = new Map([...fresh].map(([name, entry]) => [name, this.#kept(entry)]));
    const first = this.#users === undefined;
    this.#users = users;
    this.#decoys = decoysOf(users.values());
    this.#log.info(
      { event: 'users', file: this.#path, users: users.size },
      first ? 'users read' : 'users read again',
    );
    if (!first) for (const listener of this.#listeners) listener();
  }

  #kept(entry: UserEntry): UserEntry {
    const old = this.#users?.get(entry.name);
    return old && isDeepStrictEqual(old, entry) ? old : entry;
  }

  /** Once for each reason. */
  #complain(error: unknown): void {
    const problems = error instanceof UsersError ? error.problems : [String(error)];
    const complaint = problems.join('\n');
    if (complaint === this.#complaint) return;
    this.#complaint = complaint;
    const instead = this.#users ? 'the last good users hold' : 'nobody of them can log in';
    this.#log.error({ event: 'users', file: this.#path, problems }, `users not read; ${instead}`);
  }
}
