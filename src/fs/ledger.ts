import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { isFailure, StorageError } from './errors.ts';
import {
  type Claim,
  type Held,
  keyHash,
  keyHashIn,
  LARGEST_ENTRY,
  type LedgerEntry,
  type LedgerRecord,
  parseRecord,
  prefixOf,
} from './ledger-entry.ts';
import type { Location, ObjectStore } from './s3.ts';
import { named } from './s3-failures.ts';
import type { MultipartUpload } from './s3-multipart.ts';
import { StoredKeys } from './stored-keys.ts';

export interface LedgerOptions {
  readonly store: ObjectStore;
  /** Bucket and key prefix of the ledger. */
  readonly place: { readonly bucket: string; readonly prefix: string };
  /** Milliseconds for which a broken upload can be resumed; 0: not at all. */
  readonly keep: number;
  /** Told of what went wrong beside any upload. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds since 1970; the machine's clock unless given. */
  readonly now?: () => number;
}

/** A live entry is touched this often; a claim that was lost to another process is noticed as late as that. */
const BEAT = 60_000;

/** An entry that nobody has touched for so long belongs to a process that has died. */
const DEAD = 15 * BEAT;

/** How old the index may be where SIZE asks; whatever continues an upload asks S3 in any case. */
const FRESH = 2000;

/** How often what has expired is looked for. */
const SWEEP = BEAT;

/** How long a session that lost its upload to another one of this process may take to let go. */
const LET_GO = 5000;

/** How far the clocks of S3 and of this process may differ. */
const SKEW = 2000;

/** How often an entry is deleted anew that is ours and yet refused by its ETag. */
const REMOVALS = 3;

/**
 * One small object for each multipart upload, so that any process can resume what another one left, that the
 * user who sent it is told apart from others, and that nothing is aborted which is not Ferry's own. Names begin
 * with hashes of key and user: an index of them costs one LIST, and small uploads nothing.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #now: () => number;
  /** Names of the entries, and when they were last written. */
  #index = new Map<string, Date>();
  #indexed = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;
  readonly #held = new Map<string, Held>();
  /** Names of entries that are to go, and that a sweep looks at however new they are. */
  readonly #discarded = new Set<string>();
  readonly #stored: StoredKeys;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#stored = new StoredKeys(this.#now);
  }

  /** Whether broken uploads can be resumed. */
  get keeps(): boolean {
    return this.#options.keep > 0;
  }

  /** Entries of uploads that no session of this process sends: parked ones, and other processes'. */
  get others(): number {
    return this.#index.size - this.#held.size;
  }

  /** Reads the index, and begins to look after the entries; never rejects. */
  async start(): Promise<void> {
    const { onError } = this.#options;
    this.#timers.push(
      setInterval(() => void Promise.all([...this.#held.values()].map(({ beat }) => beat())), BEAT).unref(),
      setInterval(() => void this.#refresh().then(() => this.sweep(), onError), SWEEP).unref(),
    );
    await this.#refresh().then(() => this.sweep(), onError);
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /**
   * What this user left under the key, by this process or another: one LIST, and a GET for each.
   * @param fresh false: where an answer some seconds old will do, mostly without a LIST
   */
  async entries(at: Location, user: string, fresh = true): Promise<LedgerEntry[]> {
    if (!this.keeps) return [];
    const prefix = prefixOf(at, user);
    if (fresh) await this.#refresh(prefix);
    else if (this.#now() - this.#indexed > FRESH) await this.refresh();
    const entries = await this.#read(this.#namesOf(prefix));
    return entries.filter((entry) => entry.record.state !== 'discarded' && !this.#isOutdated(entry));
  }

  /** Remembers that a whole upload of this user broke, and that nothing older is to be continued. */
  async markBroken(at: Location, user: string): Promise<void> {
    if (!this.keeps) return;
    const { bucket, key } = at;
    const record = { bucket, key, state: 'broken', user, uploadId: '', nonce: '', holder: '' } as const;
    await this.#write(`${prefixOf(at, user)}broken`, record, undefined);
  }

  /** Enters an upload. @param onLost called when somebody else goes on with it */
  async open(upload: MultipartUpload, user: string, nonce: string, onLost: () => void): Promise<Claim> {
    const name = prefixOf(upload, user) + randomUUID().slice(0, 18);
    const record = { ...upload, state: 'live', user, nonce, holder: randomUUID() } as const;
    const etag = await this.#write(name, record, undefined);
    return this.#hold(name, record, etag, onLost);
  }

  /** Takes an upload over, also to discard it. @throws StorageError conflict if somebody else was faster */
  async claim(entry: LedgerEntry, onLost: () => void, discards = false): Promise<Claim> {
    const record = { ...entry.record, state: discards ? 'discarded' : 'live', holder: randomUUID() } as const;
    const etag = await this.#takeOver(entry, record);
    const before = this.#held.get(entry.name);
    before?.lose();
    const patience = AbortSignal.timeout(LET_GO);
    await Promise.race([before?.ended, once(patience, 'abort')]);
    return this.#hold(entry.name, record, etag, onLost);
  }

  /** Whoever has it may write to the entry at the same moment: to park it, or to show that it is alive. */
  async #takeOver({ name, etag }: LedgerEntry, record: LedgerRecord): Promise<string> {
    let known = etag;
    for (let left = 3; ; left--) {
      try {
        return await this.#write(name, record, known);
      } catch (error) {
        if (!isFailure(error, 'conflict') || left === 0) throw error;
        const [now] = await this.#read([name]);
        if (now?.record.uploadId !== record.uploadId || now.record.state === 'discarded') throw error;
        known = now.etag;
      }
    }
  }

  /** Whether the index knows of anything under the key: what a commit makes void, or a new upload discards. */
  has(at: Location, user?: string): boolean {
    const names = this.#namesOf(user === undefined ? keyHash(at) : prefixOf(at, user));
    return names.some((name) => !this.#discarded.has(name));
  }

  /**
   * Discards what is parked under the key, and marks of broken overwrites.
   * @param user only what this user left
   * @param except id of an upload that stays
   */
  async discard(at: Location, user?: string, except?: string): Promise<void> {
    const names = this.#namesOf(user === undefined ? keyHash(at) : prefixOf(at, user));
    for (const entry of await this.#read(names)) {
      if (entry.record.uploadId === except) continue;
      if (entry.record.state !== 'live' || (!this.isAlive(entry) && !this.#held.has(entry.name)))
        await this.#discard(entry);
    }
  }

  /**
   * Something was stored under the key, or taken away from it: what broke there before is void, also what other
   * processes know of, which the next look at the index finds.
   */
  async stored(at: Location): Promise<void> {
    if (!this.keeps) return;
    await this.#stored.note([at]);
    await this.discard(at);
  }

  /**
   * Files were renamed from or to the keys, or written anew without being new ones: what is parked there is void, but
   * marks of broken overwrites hold on, since nobody has sent the whole file.
   */
  async moved(places: readonly Location[]): Promise<void> {
    if (!this.keeps) return;
    const keys = await this.#stored.note(places);
    const names = [...this.#index.keys()].filter((name) => keys.has(keyHashIn(name)));
    for (const entry of await this.#read(names))
      if (entry.record.state === 'broken') await this.#write(entry.name, entry.record, entry.etag);
      else if (entry.record.state === 'parked') await this.#discard(entry);
  }

  /**
   * Whether a file has been stored there, or taken away, since the upload was last touched: nobody is to go on with it,
   * also where its process seems to live. A mark of a broken overwrite is told by the object's own time.
   */
  #isOutdated({ record, name, modified }: LedgerEntry): boolean {
    const stored = this.#stored.since(name);
    return record.state !== 'broken' && stored !== undefined && modified.getTime() < stored - SKEW;
  }

  /** Whether it is outdated and broken: one that goes on elsewhere is not to be aborted. */
  #isVoid(entry: LedgerEntry): boolean {
    return this.#isOutdated(entry) && !this.isAlive(entry);
  }

  /** Whether somebody has shown not long ago that the upload goes on. */
  isAlive({ record, modified }: LedgerEntry): boolean {
    return record.state === 'live' && this.#now() - modified.getTime() <= 3 * BEAT;
  }

  /** Discards what nobody has touched for too long, and what is void. Live uploads are touched all the time. */
  async sweep(): Promise<void> {
    const before = this.#now() - Math.max(this.#options.keep, DEAD);
    const names = [...this.#index].flatMap(([name, at]) => {
      const looked =
        at.getTime() < before || this.#discarded.has(name) || this.#stored.since(name) !== undefined;
      return looked && !this.#held.has(name) ? [name] : [];
    });
    // The index may be older than what another process has done.
    for (const each of await this.#read(names))
      if (each.modified.getTime() < before || each.record.state === 'discarded' || this.#isVoid(each))
        await this.#discard(each);
  }

  /** The entry goes last: as long as it is there, the upload can be found. */
  async #discard(entry: LedgerEntry): Promise<void> {
    const { store, onError } = this.#options;
    try {
      const claim = await this.claim(entry, () => {}, true);
      claim.end();
      if (entry.record.uploadId === '' || (await discardUpload(store, entry.record))) await claim.remove();
    } catch (error) {
      if (!isFailure(error, 'conflict')) onError(error);
    }
  }

  #hold(name: string, first: LedgerRecord, firstEtag: string, onLost: () => void): Claim {
    let record = first;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    /** Undefined when it has been removed. */
    let etag: string | undefined = firstEtag;
    let lost = false;
    const lose = () => {
      lost = true;
      if (this.#held.get(name) === held) this.#held.delete(name);
      onLost();
    };
    let last: Promise<unknown> = Promise.resolve();
    /** One request after the other: each needs the ETag that the one before it left. */
    const inTurn = (act: () => Promise<void>) => {
      const turn = last.then(async () => {
        if (lost) throw new StorageError('conflict', 'another session goes on with this upload');
        await act();
      });
      last = turn.catch((error) => isFailure(error, 'conflict') && !lost && lose());
      return turn;
    };
    const write = (change: Partial<LedgerRecord>) =>
      inTurn(async () => {
        record = { ...record, ...change };
        etag = await this.#write(name, record, etag);
      });
    const held: Held = { lose, ended, beat: () => write({}).catch(() => {}) };
    this.#held.set(name, held);
    const release = () => {
      if (this.#held.get(name) === held) this.#held.delete(name);
    };
    const remove = async () => {
      if (etag !== undefined) await this.#remove(name, etag, record.holder);
      etag = undefined;
    };
    return {
      get lost() {
        return lost;
      },
      confirm: (stale) => write(stale ? { stale, durable: undefined } : {}),
      park: (durable) => write({ state: 'parked', durable }).finally(release),
      abandon: () => write({ state: 'discarded' }).finally(release),
      remove: () => inTurn(remove).finally(release),
      end: () => {
        release();
        end();
      },
    };
  }

  async #remove(name: string, etag: string, holder: string, attempt = 1): Promise<void> {
    const { store, place } = this.#options;
    try {
      await store.delete({ bucket: place.bucket, key: place.prefix + name }, { ifMatch: etag });
    } catch (error) {
      if (!isFailure(error, 'changed', 'conflict')) throw error;
      // The answer to a request that S3 carried out may have been lost, and the SDK asked again: then it has gone.
      const [now] = await this.#read([name]);
      if (now && (now.record.holder !== holder || attempt === REMOVALS))
        throw new StorageError('conflict', 'another session has claimed this upload', { cause: error });
      if (now) return this.#remove(name, now.etag, holder, attempt + 1);
    }
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#index.delete(name);
    this.#discarded.delete(name);
  }

  /** @returns the new ETag @throws StorageError conflict where the entry is not the one that is meant */
  async #write(name: string, record: LedgerRecord, ifMatch: string | undefined): Promise<string> {
    const { store, place } = this.#options;
    const body = Buffer.from(JSON.stringify({ ...record, at: new Date().toISOString() }));
    const location = { bucket: place.bucket, key: place.prefix + name };
    try {
      const etag = await store.put(location, body, {
        crc32: crc32(body),
        ifMatch,
        attributes: { contentType: 'application/json' },
      });
      this.#index.set(name, new Date());
      if (record.state === 'discarded') this.#discarded.add(name);
      else this.#discarded.delete(name);
      return etag;
    } catch (error) {
      if (!isFailure(error, 'changed', 'conflict')) throw error;
      // The answer to a request that S3 carried out may have been lost, and the SDK asked again.
      const [now] = await this.#read([name]);
      if (now?.record.holder === record.holder && now.record.state === record.state) return now.etag;
      throw new StorageError('conflict', 'another session has claimed this upload', { cause: error });
    }
  }

  async #read(names: readonly string[]): Promise<LedgerEntry[]> {
    const { store, place } = this.#options;
    const entries = await Promise.all(
      names.map(async (name) => {
        try {
          const key = place.prefix + name;
          const { body, size, etag, modified } = await store.get({ bucket: place.bucket, key });
          if (size > LARGEST_ENTRY) return void body.destroy();
          const record = parseRecord(await named(text(body)), name);
          return record && { name, etag, modified, record };
        } catch (error) {
          if (!isFailure(error, 'not-found')) throw error;
          this.#forget(name);
          return undefined;
        }
      }),
    );
    return entries.filter((entry) => entry !== undefined);
  }

  #namesOf(prefix: string): string[] {
    return [...this.#index.keys()].filter((name) => name.startsWith(prefix));
  }

  /** Reads the index again; many may find it too old at once. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** Reads the index again, or the part of it with this prefix. */
  async #refresh(prefix = ''): Promise<void> {
    const { store, place } = this.#options;
    const asked = this.#now();
    const found = new Map<string, Date>();
    for (let continuation: string | undefined; ; ) {
      const page = await store.list(place.bucket, { prefix: place.prefix + prefix, continuation });
      for (const { key, modified } of page.objects) found.set(key.slice(place.prefix.length), modified);
      continuation = page.next;
      if (continuation === undefined) break;
    }
    // What was written meanwhile may not be in the answer.
    for (const [name, at] of this.#index)
      if (name.startsWith(prefix) && !found.has(name) && at.getTime() < asked) this.#forget(name);
    for (const [name, at] of found) this.#index.set(name, at);
    if (prefix === '') this.#indexed = asked;
  }
}

/**
 * Aborts until S3 says that the upload is gone: a part that was still on its way may outlive the first abort
 * (S3 API, AbortMultipartUpload). What Ferry may not abort is left to the bucket's lifecycle rule.
 * @returns false where S3 has failed to abort it, and may do so later
 */
export async function discardUpload(store: ObjectStore, upload: MultipartUpload): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const gone = await store.abortUpload(upload).catch((error: unknown) => error);
    if (gone === true || attempt === 3) return typeof gone === 'boolean' || isFailure(gone, 'denied');
  }
}
