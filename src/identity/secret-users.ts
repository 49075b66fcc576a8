import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../ops/log.ts';
import type { Credentials, Identity, IdentityProvider, Peer } from './identity.ts';
import type { Passwords } from './passwords.ts';
import { SecretError, type SecretReader } from './secrets.ts';
import type { UserEntry } from './users-document.ts';
import { decoysOf, openVerifier, type Verify, verifyUser } from './users-login.ts';

export interface SecretUsersOptions {
  readonly reader: SecretReader;
  readonly passwords: Passwords;
  /** Reads a users document. @throws UsersError */
  readonly parse: (text: string) => Promise<ReadonlyMap<string, UserEntry>>;
  /** Milliseconds after which a secret is read again. */
  readonly refresh: number;
  /** Milliseconds for which entries are used while Secrets Manager does not answer. */
  readonly stale: number;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Milliseconds for which a name without a secret is remembered. */
const UNKNOWN = 10_000;

/** Names that are remembered: those with a secret, and those without. */
const MOST = 10_000;

/** What may stand behind the prefix: characters of secrets' names, but no slash that would lead to other ones. */
const NAME = /^[\w+=.@-]{1,128}$/;

const clock = () => performance.now();

/**
 * Users of one secret that holds a document. It is read at once and then again and again; a document that is broken,
 * or cannot be read for a time, leaves the one before in place.
 *
 * As with the users file, a session holds for as long as its user's entry stays as it was.
 */
export function openSecretUsers(id: string, options: SecretUsersOptions): IdentityProvider {
  return new SecretUsers(id, options);
}

/**
 * Users with a secret each, named by the prefix and the user's name. A secret is read when its user logs in, unless it
 * was read lately; which ones have changed or gone is asked for all of them together.
 */
export function openUserSecrets(prefix: string, options: SecretUsersOptions): IdentityProvider {
  return new UserSecrets(prefix, options);
}

class SecretUsers implements IdentityProvider {
  readonly #id: string;
  readonly #options: SecretUsersOptions;
  readonly #now: () => number;
  readonly #listeners: (() => void)[] = [];
  readonly #polling: Polling;
  #users: ReadonlyMap<string, UserEntry> | undefined;
  #decoys: readonly string[] = [];
  #version: string | undefined;
  #read = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(id: string, options: SecretUsersOptions) {
    this.#id = id;
    this.#options = options;
    this.#now = options.now ?? clock;
    this.#polling = poll(options.refresh, () => this.#again(), complaints(options.log, id));
    this.#polling.now();
  }

  authenticate = async (credentials: Credentials, peer: Peer): Promise<Identity | undefined> => {
    const { passwords, refresh, stale } = this.#options;
    if (!this.#users || this.#now() - this.#read > Math.max(stale, refresh)) await this.#again();
    const entry = this.#users?.get(credentials.user);
    const identity = await verifyUser(entry, credentials, peer, { passwords, decoys: this.#decoys });
    // The secret may have been read again meanwhile.
    return identity && this.holds(identity) ? identity : undefined;
  };

  holds = (identity: Identity): boolean => this.#users?.get(identity.user)?.identity === identity;

  onChange = (listener: () => void): void => void this.#listeners.push(listener);

  close(): void {
    this.#polling.stop();
    this.#options.reader.close();
  }

  #again(): Promise<void> {
    this.#reading ??= this.#load().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #load(): Promise<void> {
    const { reader, parse, log } = this.#options;
    const secret = await reader.read(this.#id);
    this.#read = this.#now();
    if (secret.version === this.#version) return;
    try {
      this.#take(await parse(secret.text));
    } catch (error) {
      if (!this.#users) throw error;
      const reason = messageOf(error);
      log.error({ event: 'users', source: this.#id, reason }, 'the last good users hold');
    }
    this.#version = secret.version;
  }

  #take(fresh: ReadonlyMap<string, UserEntry>): void {
    const users = [...fresh].map(([name, entry]) => [name, kept(this.#users?.get(name), entry)] as const);
    this.#users = new Map(users);
    this.#decoys = decoysOf(this.#users.values());
    for (const listener of this.#listeners) listener();
  }
}

interface Known {
  readonly entry: UserEntry;
  readonly version: string;
  readonly read: number;
}

class UserSecrets implements IdentityProvider {
  readonly #prefix: string;
  readonly #options: SecretUsersOptions;
  readonly #now: () => number;
  readonly #verify: Verify;
  readonly #listeners: (() => void)[] = [];
  readonly #polling: Polling;
  readonly #known = new Map<string, Known>();
  /** Names without a secret, and when they were asked for. */
  readonly #unknown = new Map<string, number>();
  readonly #reading = new Map<string, Promise<UserEntry | undefined>>();

  constructor(prefix: string, options: SecretUsersOptions) {
    this.#prefix = prefix;
    this.#options = options;
    this.#now = options.now ?? clock;
    this.#verify = openVerifier(options.passwords);
    const complain = complaints(options.log, `${prefix}*`);
    this.#polling = poll(options.refresh, () => this.#lookForChanges(), complain);
  }

  authenticate = async (credentials: Credentials, peer: Peer): Promise<Identity | undefined> => {
    const identity = await this.#verify(await this.#find(credentials.user), credentials, peer);
    return identity && this.holds(identity) ? identity : undefined;
  };

  holds = (identity: Identity): boolean => {
    const here = this.#known.get(identity.user);
    return here ? here.entry.identity === identity : !this.#unknown.has(identity.user);
  };

  onChange = (listener: () => void): void => void this.#listeners.push(listener);

  close(): void {
    this.#polling.stop();
    this.#options.reader.close();
  }

  async #find(name: string): Promise<UserEntry | undefined> {
    if (!NAME.test(name)) return undefined;
    const before = this.#known.get(name);
    if (before && this.#now() - before.read < this.#options.refresh) return before.entry;
    const asked = this.#unknown.get(name) ?? Number.NEGATIVE_INFINITY;
    return this.#now() - asked < UNKNOWN ? undefined : this.#again(name);
  }

  /** Many connections of one client log in at once: the secret is read once. */
  #again(name: string): Promise<UserEntry | undefined> {
    const found = this.#reading.get(name) ?? this.#read(name).finally(() => this.#reading.delete(name));
    this.#reading.set(name, found);
    return found;
  }

  async #read(name: string): Promise<UserEntry | undefined> {
    const { reader, parse } = this.#options;
    const before = this.#known.get(name);
    try {
      const { text, version } = await reader.read(this.#prefix + name);
      const same = before?.version === version;
      const entry = same ? before.entry : kept(before?.entry, await parseOne(name, text, parse));
      this.#unknown.delete(name);
      remember(this.#known, name, { entry, version, read: this.#now() });
      if (before && entry !== before.entry) this.#tell();
      return entry;
    } catch (error) {
      return this.#withoutAnswer(name, before, error);
    }
  }

  /** @throws the error, where nothing that was read before can stand in */
  #withoutAnswer(name: string, before: Known | undefined, error: unknown): UserEntry | undefined {
    const { refresh, stale, log } = this.#options;
    if (error instanceof SecretError && error.failure === 'not-found') {
      remember(this.#unknown, name, this.#now());
      if (this.#known.delete(name)) this.#tell();
      return undefined;
    }
    if (!before || this.#now() - before.read > Math.max(stale, refresh)) throw error;
    const record = { event: 'users', source: this.#prefix + name, reason: messageOf(error) };
    log.error(record, 'the last good entry holds');
    return before.entry;
  }

  /** One request for a hundred users; the list may lag behind, so that the secret itself decides. */
  async #lookForChanges(): Promise<void> {
    if (this.#known.size === 0) return;
    const versions = await this.#options.reader.list(this.#prefix);
    for (const [name, { version }] of [...this.#known])
      if (versions.get(this.#prefix + name) !== version) await this.#again(name);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** One user's entry, read as a document of one user; lines that errors tell are those of that document. */
async function parseOne(name: string, text: string, parse: SecretUsersOptions['parse']): Promise<UserEntry> {
  const users = await parse(`users:\n  ${JSON.stringify(name)}:\n${text.replaceAll(/^/gm, '    ')}`);
  const user = users.size === 1 ? users.get(name) : undefined;
  if (user === undefined) throw new Error('not the entry of one user');
  return user;
}

/** An entry that has not changed keeps its identity, hence its sessions. */
function kept(old: UserEntry | undefined, fresh: UserEntry): UserEntry {
  return old && isDeepStrictEqual(old, fresh) ? old : fresh;
}

interface Complaints {
  about(error: unknown): void;
  over(): void;
}

interface Polling {
  now(): void;
  stop(): void;
}

function poll(interval: number, look: () => Promise<void>, complain: Complaints): Polling {
  const now = () => void look().then(complain.over, complain.about);
  const timer = setInterval(now, interval).unref();
  return { now, stop: () => clearInterval(timer) };
}

/** Says what fails in one line when it begins, or changes, and when it is over. */
function complaints(log: Log, source: string): Complaints {
  let last: string | undefined;
  return {
    about(error) {
      const reason = messageOf(error);
      if (reason !== last) log.error({ event: 'users', source, reason }, 'users cannot be read');
      last = reason;
    },
    over() {
      if (last !== undefined) log.info({ event: 'users', source }, 'users can be read again');
      last = undefined;
    },
  };
}

/** The oldest go first. */
function remember<T>(map: Map<string, T>, name: string, value: T): void {
  map.delete(name);
  map.set(name, value);
  for (const oldest of map.keys()) {
    if (map.size <= MOST) break;
    map.delete(oldest);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
