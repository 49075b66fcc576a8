import { Readable } from 'node:stream';
import type { Identity } from '../identity/identity.ts';
import { carriedOver, mergeAttributes, objectAttributes } from './attributes.ts';
import type { Digest, DigestAlgorithm, Stretch } from './digest.ts';
import { Directories } from './directories.ts';
import { type OpenFile, openDownload } from './download.ts';
import { isFailure, notFound, StorageError } from './errors.ts';
import { freeName } from './free-name.ts';
import { type Batches, directoryEntry, type Entry, entriesOf, fileEntry, firstPage } from './listing.ts';
import { encodeName } from './names.ts';
import type { ByteSource } from './part-filler.ts';
import { renameDirectory, renameFile } from './rename.ts';
import type { ObjectHead } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import { setTime } from './times.ts';
import { isHidden, isNameless, locate, need, type Place, parentOf } from './tree.ts';
import { stands } from './upload.ts';
import { carryOut, durableBytes, planWrite, type WriteMode, type WritePlan } from './write.ts';

const DIRECTORY_TYPE = 'application/x-directory';

/** A name to be renamed, as RNFR found it: a directory, or that version of a file. */
export interface RenameSource {
  readonly place: Place;
  readonly file: ObjectHead | undefined;
}

/**
 * One session's files and directories over objects. A directory exists if any key lies under `name/`.
 * Paths are virtual: absolute and normalized. Everything it throws is a StorageError.
 */
export class Filesystem {
  readonly #storage: Storage;
  readonly #identity: Identity;
  readonly #address: string;
  readonly #directories: Directories;

  /** @param address where the client comes from */
  constructor(storage: Storage, identity: Identity, address: string) {
    this.#storage = storage;
    this.#identity = identity;
    this.#address = address;
    this.#directories = new Directories(storage, identity.user);
  }

  /** Where a path's object stands; for logs and for MLSx's `unique` and `perm` facts. @throws StorageError */
  locate(path: string): Place {
    const place = locate(this.#identity, path);
    if (isHidden(this.#storage.hidden, place)) throw new StorageError('not-found', "Ferry's own");
    return place;
  }

  /** Where something is to be written. @throws StorageError */
  #target(path: string): Place {
    const place = locate(this.#identity, path);
    if (isHidden(this.#storage.hidden, place)) throw new StorageError('denied', "Ferry's own");
    return place;
  }

  /** One file's size in bytes and time; one HeadObject. @throws StorageError not-found, denied */
  async file(path: string): Promise<Entry> {
    const place = this.locate(path);
    need(place, 'list', 'read');
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    const { store, times } = this.#storage;
    const head = await store.head(place);
    const modified = times?.learn(place, head) ?? head.modified;
    return fileEntry(path.slice(path.lastIndexOf('/') + 1), { size: head.size, modified });
  }

  /** A file or a directory, as its directory's listing shows it; one ListObjectsV2. @throws StorageError not-found, denied */
  async entry(path: string): Promise<Entry> {
    const place = this.locate(path);
    need(place, 'list', 'read');
    const name = path.slice(path.lastIndexOf('/') + 1);
    const { file, directory } = place.root ? { directory: true } : await this.#directories.probe(place);
    if (directory || this.#directories.wasEmptied(place)) return directoryEntry(name);
    if (!file) throw new StorageError('not-found', 'no such file or directory');
    const modified = (await this.#storage.times?.of(place, file)) ?? file.modified;
    return fileEntry(name, { size: file.size, modified });
  }

  /** A listing with the times that its files are to show: see `StoredTimes`. @throws StorageError */
  timed(batches: Batches, signal?: AbortSignal): Batches {
    return this.#storage.times?.timed(batches, signal) ?? batches;
  }

  /** Sets the time of a file; see `setTime`. @throws StorageError not-found, denied, changed */
  async setTime(path: string, time: Date): Promise<void> {
    const place = this.locate(path);
    need(place, 'write');
    need(place, 'overwrite');
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    await setTime(this.#storage.store, place, time);
  }

  /** Settles if the path is a directory, and remembers it; one ListObjectsV2. @throws StorageError not-found */
  async enter(path: string): Promise<void> {
    const place = this.locate(path);
    if (!(await this.#directories.exists(place))) throw new StorageError('not-found', 'no such directory');
    this.#directories.remember(path);
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
    const { store } = this.#storage;
    const { bucket, prefix } = this.#storage.hidden;
    const hidden = bucket === place.bucket ? prefix : undefined;
    const level = { bucket: place.bucket, directory: place.prefix, namePrefix, hidden };
    const first = await firstPage(store, level, signal);
    const empty = first.objects.length === 0 && first.prefixes.length === 0;
    if (!empty || place.root || (namePrefix !== '' && (await this.#directories.exists(place))))
      return { file: false, batches: entriesOf(store, level, first, signal) };
    if (this.#directories.wasEmptied(place)) return { file: false, batches: [] };
    return { file: true, batches: [[await this.file(path)]] };
  }

  /** Whether anything bears this very name, told by one request: what a pattern in a name might mean literally. */
  async exists(path: string): Promise<boolean> {
    const { file, directory } = await this.#directories.probe(this.locate(path));
    return file !== undefined || directory;
  }

  /**
   * Opens a file for reading from `offset` bytes on; see `openDownload`.
   * @throws StorageError not-found, denied, archived, bad-offset beyond the end
   */
  async read(path: string, offset: number, signal: AbortSignal): Promise<OpenFile> {
    const place = this.locate(path);
    need(place, 'read');
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    try {
      const { store, pool, downloadConnections: connections } = this.#storage;
      return await openDownload(place, offset, { store, pool, connections, signal });
    } catch (error) {
      if (!isFailure(error, 'bad-offset')) throw error;
      const { size } = await this.#storage.store.head(place, { signal });
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
    const place = this.locate(path);
    need(place, 'read');
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    return this.#storage.digester.digest(place, algorithm, stretch, signal);
  }

  /**
   * What an upload will do, and what can be refused of it before its first byte: without a request, unless it
   * continues something or the overwrite policy wants to know what stands there.
   * @throws StorageError denied, is-a-directory where the session knows a directory of that name, exists,
   * bad-offset, upload-broken
   */
  async planWrite(path: string, mode: WriteMode): Promise<WritePlan> {
    const place = this.#target(path);
    need(place, mode.kind === 'append' ? 'append' : 'write');
    if (isNameless(place) || this.#directories.knows(path))
      throw new StorageError('is-a-directory', 'a directory of that name');
    const { overwrite, store } = this.#storage;
    const mayReplace = place.permissions.has('overwrite');
    if (mode.kind === 'restart' && !mayReplace) throw new StorageError('denied', 'no right to overwrite');
    if (mode.kind !== 'replace') return planWrite(this.#storage, place, this.#resumer, mode);
    if (overwrite === 'refuse' && (await stands(store, place)))
      throw new StorageError('exists', 'it is not to be replaced');
    const create = overwrite !== 'replace' || !mayReplace;
    const free = overwrite === 'number' ? await this.#freePlace(place) : place;
    const named = free === place;
    return planWrite(
      this.#storage,
      free,
      this.#resumer,
      create ? { kind: 'create', named } : { kind: 'replace' },
    );
  }

  /**
   * Uploads a file as planned; see `upload`. Its directory is looked for while the bytes flow, unless the session
   * knows it.
   * @returns bytes of the whole file
   * @throws StorageError not-found where the directory does not exist, exists, changed, denied; what the source
   * throws
   */
  async write(
    plan: WritePlan,
    source: ByteSource,
    options: { announced: number | undefined; signal: AbortSignal; onCommit: () => void },
  ): Promise<number> {
    const { path } = plan.place;
    const permit = this.#directories.need(this.locate(parentOf(path)));
    // Awaited before the commit; until then its rejection is nobody's surprise.
    permit.catch(() => {});
    const { user } = this.#identity;
    const about = { path, user, address: this.#address, time: new Date() };
    const { objects } = this.#storage;
    const attributes = plan.attributes ?? objectAttributes(objects, about);
    const kept =
      objects.carryOver && plan.mode === 'replace'
        ? mergeAttributes(attributes, await carriedOver(this.#storage.store, plan.place))
        : attributes;
    return carryOut(this.#storage, plan, source, {
      ...options,
      user: this.#resumer,
      attributes: kept,
      permit,
    });
  }

  /** SIZE: of a file, or of what of a broken upload of this user is durable. @throws StorageError not-found */
  async size(path: string): Promise<number> {
    try {
      return (await this.file(path)).size;
    } catch (error) {
      const durable = isFailure(error, 'not-found') ? await this.#durable(this.locate(path)) : undefined;
      if (durable === undefined) throw error;
      return durable;
    }
  }

  /** Bytes of a broken upload of this user. */
  async #durable(place: Place): Promise<number | undefined> {
    const user = this.#resumer;
    return user === undefined ? undefined : durableBytes(this.#storage, place, user);
  }

  /** Who may go on with a broken upload: many people may be called anonymous. */
  get #resumer(): string | undefined {
    return this.#identity.anonymous ? undefined : this.#identity.user;
  }

  async #freePlace(place: Place): Promise<Place> {
    const key = await freeName(this.#storage.store, place);
    const parent = parentOf(place.path);
    const name = encodeName(key.slice(key.lastIndexOf('/') + 1));
    return this.#target(parent === '/' ? `/${name}` : `${parent}/${name}`);
  }

  /** Whether a file stands under the name; one HeadObject. */
  async fileExists(path: string): Promise<boolean> {
    const place = this.locate(path);
    return !isNameless(place) && (await this.#storage.store.head(place).catch(notFound)) !== undefined;
  }

  /** Deletes a file: one HeadObject, one DeleteObject. @throws StorageError not-found, denied */
  async remove(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'delete');
    if (isNameless(place)) throw new StorageError('is-a-directory', 'no name');
    const { store, ledger } = this.#storage;
    const user = this.#resumer;
    const there = await store.head(place).catch(notFound);
    if (there) {
      await store.delete(place);
      // Nor is what broke before it was stored to come back.
      if (ledger.has(place)) await ledger.discard(place).catch(() => {});
    }
    // What SIZE tells of a broken upload can be removed, too; a mark of a broken overwrite tells nothing by itself.
    else if (user !== undefined && ledger.has(place, user) && (await this.#durable(place)) !== undefined) {
      await ledger.discard(place, user);
      if (ledger.has(place, user)) throw new StorageError('conflict', 'it is being uploaded');
    } else throw new StorageError('not-found', 'no such file');
    this.#directories.tookFrom(this.locate(parentOf(path)));
  }

  /** Makes a directory: its marker `name/`. @throws StorageError exists, not-found (its parent), denied */
  async makeDirectory(path: string): Promise<void> {
    const place = this.#target(path);
    need(place, 'make-directory');
    if (place.root) throw new StorageError('exists', 'the root');
    const [{ file, directory }] = await Promise.all([
      this.#directories.probe(place),
      this.#directories.need(this.locate(parentOf(path))),
    ]);
    if (file || directory) throw new StorageError('exists', 'the name is taken');
    const marker = { bucket: place.bucket, key: place.prefix };
    await this.#storage.store.put(marker, new Uint8Array(), {
      crc32: 0,
      attributes: { contentType: DIRECTORY_TYPE },
    });
    this.#directories.remember(path);
  }

  /** Removes an empty directory. @throws StorageError not-found, not-empty, denied */
  async removeDirectory(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'remove-directory');
    if (place.root) throw new StorageError('denied', 'the root');
    const { store } = this.#storage;
    const { objects } = await store.list(place.bucket, { prefix: place.prefix, maxKeys: 2 });
    if (objects.some(({ key }) => key !== place.prefix)) throw new StorageError('not-empty', 'not empty');
    if (objects.length === 0 && !this.#directories.wasEmptied(place))
      throw new StorageError('not-found', 'no such directory');
    if (objects.length > 0) await store.delete({ bucket: place.bucket, key: place.prefix });
    this.#directories.forget(place);
    this.#directories.tookFrom(this.locate(parentOf(path)));
  }

  /** Looks up what is to be renamed; a file's name wins. @throws StorageError not-found, denied */
  async renameSource(path: string): Promise<RenameSource> {
    const place = this.locate(path);
    need(place, 'rename');
    if (place.root) throw new StorageError('denied', 'the root');
    const file = isNameless(place) ? undefined : await this.#storage.store.head(place).catch(notFound);
    if (!file && !(await this.#directories.exists(place)))
      throw new StorageError('not-found', 'no such file or directory');
    return { place, file };
  }

  /**
   * Renames by copying within S3 and deleting then; a failure leaves the source whole. An existing file is
   * replaced by the overwrite policy, an existing directory never.
   * @throws StorageError is-a-directory, exists, not-found (source or the target's parent), denied, too-large
   */
  async rename({ place: from, file }: RenameSource, target: string): Promise<void> {
    const to = this.#target(target);
    need(to, 'write');
    // By key, too: mounts may overlap.
    if (from.path === target || (from.bucket === to.bucket && from.key === to.key)) return;
    if (to.root || (file && isNameless(to))) throw new StorageError('is-a-directory', 'no name');
    if (!file && from.bucket === to.bucket && to.prefix.startsWith(from.prefix))
      throw new StorageError('denied', 'into itself');
    const { store, overwrite } = this.#storage;
    const ifAbsent = !file || overwrite !== 'replace' || !to.permissions.has('overwrite');
    const [ontoDirectory] = await Promise.all([
      this.#needFree(to, { ifAbsent }),
      this.#directories.need(this.locate(parentOf(target))),
    ]);
    if (file) {
      if (ontoDirectory) throw new StorageError('is-a-directory', 'a directory of that name');
      const kept = file.attributes;
      await renameFile(store, { bucket: from.bucket, key: from.key, ...file, kept }, to, { ifAbsent });
    } else {
      await renameDirectory(this.#storage, from, to, { ontoDirectory });
      this.#directories.forget(from);
      this.#directories.remember(target);
    }
    this.#directories.tookFrom(this.locate(parentOf(from.path)));
  }

  /** @returns whether a directory has the name @throws StorageError exists where a file has it, if `ifAbsent` */
  async #needFree(to: Place, { ifAbsent }: { ifAbsent: boolean }): Promise<boolean> {
    if (!ifAbsent) return this.#directories.hasKeys(to);
    const { file, directory } = await this.#directories.probe(to);
    if (file) throw new StorageError('exists', 'the name is taken');
    return directory;
  }
}
