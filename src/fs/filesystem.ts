import { Readable } from 'node:stream';
import type { Identity } from '../identity/identity.ts';
import type { Digest, DigestAlgorithm, Stretch } from './digest.ts';
import { Directories } from './directories.ts';
import { type OpenFile, openDownload } from './download.ts';
import { isFailure, notFound, StorageError } from './errors.ts';
import {
  type Batches,
  directoryEntry,
  type Entry,
  entriesOf,
  fileEntry,
  firstPage,
  withOwn,
} from './listing.ts';
import { type Deed, may, need } from './permissions.ts';
import type { ObjectHead } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import { setTime } from './times.ts';
import { isHidden, isNameless, locate, markedNames, type Place, parentOf } from './tree.ts';
import { type Told, tellDurable } from './write.ts';

const DIRECTORY_TYPE = 'application/x-directory';

/** Files of which a session remembers what SIZE said. */
const MOST_TOLD = 1000;

/**
 * One session's files and directories over objects. A directory exists if any key lies under `name/`.
 * Paths are virtual: absolute and normalized. Everything it throws is a StorageError.
 */
export class Filesystem {
  readonly storage: Storage;
  readonly identity: Identity;
  readonly directories: Directories;
  /** Where the client comes from. */
  readonly address: string;
  /** What SIZE said, by path. */
  readonly #told = new Map<string, Told>();

  constructor(storage: Storage, identity: Identity, address: string) {
    this.storage = storage;
    this.identity = identity;
    this.address = address;
    this.directories = new Directories(storage, identity.user);
  }

  /** Where a path's object stands, and what may be done there. @throws StorageError not-found, bad-name */
  locate(path: string): Place {
    const place = locate(this.identity, path);
    if (isHidden(this.storage.hidden, place)) throw new StorageError('not-found', "Ferry's own");
    return place;
  }

  /** Where something is to be written. @throws StorageError denied outside every mount, bad-name */
  target(path: string): Place {
    try {
      return this.locate(path);
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error;
      throw new StorageError('denied', error.message, { cause: error });
    }
  }

  /** Where a file is. @throws StorageError is-a-directory where none can be, denied; not-found, bad-name */
  #file(path: string, deed: Deed): Place {
    const place = this.locate(path);
    need(place, deed);
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    return place;
  }

  /** One file's size in bytes and time; one HeadObject. @throws StorageError not-found, denied */
  async file(path: string): Promise<Entry> {
    const { size, modified } = await this.#head(path);
    return fileEntry(path.slice(path.lastIndexOf('/') + 1), { size, modified });
  }

  async #head(path: string): Promise<ObjectHead> {
    const place = this.#file(path, 'stat');
    const { store, times } = this.storage;
    const head = await store.head(place);
    return { ...head, modified: times?.learn(place, head) ?? head.modified };
  }

  /** A file or a directory, as its directory's listing shows it; one ListObjectsV2. @throws StorageError not-found, denied */
  async entry(path: string): Promise<Entry> {
    const place = this.locate(path);
    need(place, 'stat');
    const name = path.slice(path.lastIndexOf('/') + 1);
    const { file, directory } = place.fixed ? { directory: true } : await this.directories.probe(place);
    if (directory || this.directories.wasEmptied(place)) return directoryEntry(name);
    if (!file) throw new StorageError('not-found', 'no such file or directory');
    const modified = (await this.storage.times?.of(place, file)) ?? file.modified;
    return fileEntry(name, { size: file.size, modified });
  }

  /** A listing with the times that its files are to show: see `StoredTimes`. @throws StorageError */
  timed(batches: Batches, signal?: AbortSignal): Batches {
    return this.storage.times?.timed(batches, signal) ?? batches;
  }

  /** Sets the time of a file; see `setTime`. @throws StorageError not-found, denied, changed */
  async setTime(path: string, time: Date): Promise<void> {
    const place = this.#file(path, 'setTime');
    this.#told.delete(path);
    await setTime(this.storage.store, place, time);
    await this.storage.ledger.moved([place]).catch(() => {});
  }

  /**
   * Settles if the path is a directory, and remembers it; one ListObjectsV2.
   * @throws StorageError not-found, denied where nothing may be done there or below
   */
  async enter(path: string): Promise<void> {
    const place = this.locate(path);
    if (!place.open) throw new StorageError('denied', 'needs any permission there or below');
    if (!(await this.directories.exists(place))) throw new StorageError('not-found', 'no such directory');
    this.directories.remember(path);
  }

  /**
   * The entries of a directory, a batch a page; the first page is fetched before this settles. A file's path
   * gives that one entry, with `file` set.
   * @param namePrefix what the keys of all wanted names have behind the directory's
   * @throws StorageError not-found, denied
   */
  async list(
    path: string,
    namePrefix: string,
    signal?: AbortSignal,
  ): Promise<{ file: boolean; batches: Batches }> {
    const place = this.locate(path);
    need(place, 'list');
    const marks = this.marks(path);
    if (place.mount === undefined) return { file: false, batches: withOwn(marks, []) };
    const { store } = this.storage;
    const { bucket, prefix } = this.storage.hidden;
    const hidden = bucket === place.bucket ? prefix : undefined;
    const level = { bucket: place.bucket, directory: place.prefix, namePrefix, hidden };
    const first = await firstPage(store, level, signal);
    const empty = first.objects.length === 0 && first.prefixes.length === 0;
    if (!empty || place.fixed || (namePrefix !== '' && (await this.directories.exists(place)))) {
      const entries = entriesOf(store, level, first, signal);
      return { file: false, batches: marks.size === 0 ? entries : withOwn(marks, entries) };
    }
    if (this.directories.wasEmptied(place)) return { file: false, batches: [] };
    return { file: true, batches: [[await this.file(path)]] };
  }

  /** Of a directory's names those that a mount or a grant speaks of; see `markedNames`. */
  marks(directory: string): ReadonlyMap<string, Place> {
    return markedNames(this.identity, directory);
  }

  /**
   * Whether anything bears this very name, told by one request: what a pattern in a name might mean literally. No to
   * who may not list it.
   */
  async exists(path: string): Promise<boolean> {
    try {
      const place = this.locate(path);
      if (place.fixed || !may(place.permissions, 'list')) return place.fixed;
      const { file, directory } = await this.directories.probe(place);
      return file !== undefined || directory;
    } catch (error) {
      return notFound(error) ?? false;
    }
  }

  /**
   * Opens a file for reading from `offset` bytes on; see `openDownload`.
   * @throws StorageError not-found, denied, archived, bad-offset beyond the end
   */
  async read(path: string, offset: number, signal: AbortSignal): Promise<OpenFile> {
    const place = this.#file(path, 'read');
    try {
      const { store, pool, downloadConnections: connections } = this.storage;
      return await openDownload(place, offset, { store, pool, connections, signal });
    } catch (error) {
      if (!isFailure(error, 'bad-offset')) throw error;
      const { size } = await this.storage.store.head(place, { signal });
      if (size !== offset) throw error;
      return { size, body: Readable.from([]), cancel: () => {} };
    }
  }

  /** A digest of a file, or of a stretch of it; see `Digester`. @throws StorageError */
  async digest(
    path: string,
    algorithm: DigestAlgorithm,
    stretch: Stretch,
    signal: AbortSignal,
  ): Promise<Digest> {
    return this.storage.digester.digest(this.#file(path, 'read'), algorithm, stretch, signal);
  }

  /** What STOR does there to a name that is taken. */
  overwriteAt({ mount }: Place): Storage['overwrite'] {
    return mount?.overwrite ?? this.storage.overwrite;
  }

  /** SIZE: of a file, or of what of a broken upload of this user is durable. @throws StorageError not-found */
  async size(path: string): Promise<number> {
    const told = await this.#size(path);
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    this.#told.set(path, told);
    return told.bytes;
  }

  /** What SIZE has said of a file since it was last written to; forgotten by that. */
  takeTold(path: string): Told | undefined {
    const told = this.#told.get(path);
    this.#told.delete(path);
    return told;
  }

  async #size(path: string): Promise<Told> {
    try {
      const { size, etag } = await this.#head(path);
      return { bytes: size, of: etag };
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error;
      const parked = await this.#durable(this.locate(path));
      if (parked) return parked;
      // The client hears that nothing is there, and may go on with that.
      this.#told.delete(path);
      throw error;
    }
  }

  /** What there is of a broken upload of this user. */
  async #durable(place: Place): Promise<Told | undefined> {
    const user = this.resumer;
    return user === undefined ? undefined : tellDurable(this.storage, place, user);
  }

  /** Who may go on with a broken upload: many people may be called anonymous. */
  get resumer(): string | undefined {
    return this.identity.anonymous ? undefined : this.identity.user;
  }

  /** Whether a file stands under the name; one HeadObject. No to who may not know. */
  async fileExists(path: string): Promise<boolean> {
    const place = this.locate(path);
    if (isNameless(place) || !may(place.permissions, 'stat')) return false;
    return (await this.storage.store.head(place).catch(notFound)) !== undefined;
  }

  /** Deletes a file: one HeadObject, one DeleteObject. @throws StorageError not-found, denied */
  async remove(path: string): Promise<void> {
    const place = this.#file(path, 'delete');
    this.#told.delete(path);
    const { store, ledger } = this.storage;
    const user = this.resumer;
    const there = await store.head(place).catch(notFound);
    if (there) {
      await store.delete(place);
      // Nor is what broke before it was stored to come back.
      await ledger.stored(place).catch(() => {});
    }
    // What SIZE tells of a broken upload can be removed, too; a mark of a broken overwrite tells nothing by itself.
    else if (user !== undefined && ledger.has(place, user) && (await this.#durable(place)) !== undefined) {
      await ledger.discard(place, user);
      if (ledger.has(place, user)) throw new StorageError('conflict', 'it is being uploaded');
    } else throw new StorageError('not-found', 'no such file');
    this.directories.tookFrom(this.locate(parentOf(path)));
  }

  /** Makes a directory: its marker `name/`. @throws StorageError exists, not-found (its parent), denied */
  async makeDirectory(path: string): Promise<void> {
    const place = this.target(path);
    need(place, 'makeDirectory');
    if (place.fixed) throw new StorageError('exists', 'a mount');
    const [{ file, directory }] = await Promise.all([
      this.directories.probe(place),
      this.directories.need(this.locate(parentOf(path))),
    ]);
    if (file || directory) throw new StorageError('exists', 'the name is taken');
    const marker = { bucket: place.bucket, key: place.prefix };
    await this.storage.store.put(marker, new Uint8Array(), {
      crc32: 0,
      attributes: { contentType: DIRECTORY_TYPE },
    });
    this.directories.remember(path);
  }

  /** Removes an empty directory. @throws StorageError not-found, not-empty, denied */
  async removeDirectory(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'removeDirectory');
    if (place.fixed) throw new StorageError('denied', 'a mount');
    const { store } = this.storage;
    const { objects } = await store.list(place.bucket, { prefix: place.prefix, maxKeys: 2 });
    if (objects.some(({ key }) => key !== place.prefix)) throw new StorageError('not-empty', 'not empty');
    if (objects.length === 0 && !this.directories.wasEmptied(place))
      throw new StorageError('not-found', 'no such directory');
    if (objects.length > 0) await store.delete({ bucket: place.bucket, key: place.prefix });
    this.directories.forget(place);
    this.directories.tookFrom(this.locate(parentOf(path)));
  }
}
