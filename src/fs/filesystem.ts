import { Readable } from 'node:stream';
import type { Identity } from '../identity/identity.ts';
import { isFailure, StorageError } from './errors.ts';
import { directoryEntry, type Entry, entriesOf, fileEntry, firstPage } from './listing.ts';
import { renameDirectory } from './rename.ts';
import { LARGEST_COPY, type ListedObject } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import { locate, need, type Place, parentOf } from './tree.ts';
import { type ByteSource, upload } from './upload.ts';

/** Directories a session remembers to exist, so that it need not ask again. */
const MOST_KNOWN = 1000;

const DIRECTORY_TYPE = 'application/x-directory';

/** A file open for reading. */
export interface OpenFile {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Its bytes from the offset on; a connection to S3 that breaks throws StorageError unavailable. */
  readonly body: AsyncIterable<Buffer>;
  /** Gives up reading; without effect when all has been read. */
  readonly cancel: () => void;
}

/** A name to be renamed, as RNFR found it. */
export type RenameSource = { readonly place: Place; readonly type: Entry['type']; readonly size: number };

/**
 * One session's files and directories over objects. A directory exists if any key lies under `name/`.
 * Paths are virtual: absolute and normalized. Everything it throws is a StorageError.
 */
export class Filesystem {
  readonly #storage: Storage;
  readonly #identity: Identity;
  readonly #known = new Set<string>(['/']);

  constructor(storage: Storage, identity: Identity) {
    this.#storage = storage;
    this.#identity = identity;
  }

  /** Where a path's object stands; for logs and for MLSx's `unique` and `perm` facts. @throws StorageError */
  locate(path: string): Place {
    return locate(this.#identity, path);
  }

  /** One file's size in bytes and time; one HeadObject. @throws StorageError not-found, denied */
  async file(path: string): Promise<Entry> {
    const place = this.locate(path);
    need(place, 'list', 'read');
    if (place.root) throw new StorageError('is-a-directory', 'the root');
    return fileEntry(path.slice(path.lastIndexOf('/') + 1), await this.#storage.store.head(place));
  }

  /** A file or a directory, as its directory's listing shows it; one ListObjectsV2. @throws StorageError not-found, denied */
  async entry(path: string): Promise<Entry> {
    const place = this.locate(path);
    need(place, 'list', 'read');
    const name = path.slice(path.lastIndexOf('/') + 1);
    const { file, directory } = place.root ? { directory: true } : await this.#probe(place);
    if (directory || this.#wasEmptied(place)) return directoryEntry(name);
    if (!file) throw new StorageError('not-found', 'no such file or directory');
    return fileEntry(name, file);
  }

  /** Settles if the path is a directory, and remembers it; one ListObjectsV2. @throws StorageError not-found */
  async enter(path: string): Promise<void> {
    const place = this.locate(path);
    if (!(await this.#isDirectory(place))) throw new StorageError('not-found', 'no such directory');
    this.#remember(path);
  }

  /**
   * The entries of a directory, a batch a page; the first page is fetched before this settles. A file's path
   * gives that one entry, with `file` set.
   * @param namePrefix what all wanted names begin with
   * @throws StorageError not-found, denied
   */
  async list(
    path: string,
    namePrefix: string,
    signal?: AbortSignal,
  ): Promise<{ file: boolean; batches: AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]> }> {
    const place = this.locate(path);
    need(place, 'list');
    const { store } = this.#storage;
    const level = { bucket: place.bucket, directory: place.prefix, namePrefix };
    const first = await firstPage(store, level, signal);
    const empty = first.objects.length === 0 && first.prefixes.length === 0;
    if (!empty || place.root || (namePrefix !== '' && (await this.#isDirectory(place))))
      return { file: false, batches: entriesOf(store, level, first, signal) };
    if (this.#wasEmptied(place)) return { file: false, batches: [] };
    return { file: true, batches: [[await this.file(path)]] };
  }

  /** Whether anything bears this very name, told by one request: what a pattern in a name might mean literally. */
  async exists(path: string): Promise<boolean> {
    const { file, directory } = await this.#probe(this.locate(path));
    return file !== undefined || directory;
  }

  /**
   * Opens a file for reading from `offset` bytes on: one GetObject.
   * @throws StorageError not-found, denied, archived, bad-offset beyond the end
   */
  async read(path: string, offset: number, signal: AbortSignal): Promise<OpenFile> {
    const place = this.locate(path);
    need(place, 'read');
    if (place.root) throw new StorageError('is-a-directory', 'the root');
    try {
      const { size, body } = await this.#storage.store.get(place, { offset }, signal);
      return openFile(size, body);
    } catch (error) {
      if (!isFailure(error, 'bad-offset')) throw error;
      const { size } = await this.#storage.store.head(place, { signal });
      if (size !== offset) throw error;
      return openFile(size, Readable.from([]));
    }
  }

  /**
   * What can be refused of an upload before its first byte, without a request.
   * @throws StorageError denied, is-a-directory where the session knows a directory of that name
   */
  checkWrite(path: string): void {
    const place = this.locate(path);
    need(place, 'write');
    if (place.root || this.#known.has(path))
      throw new StorageError('is-a-directory', 'a directory of that name');
  }

  /** Whether a file stands under the name; one HeadObject. */
  async fileExists(path: string): Promise<boolean> {
    return (await this.#storage.store.head(this.locate(path)).catch(notFound)) !== undefined;
  }

  /**
   * Uploads a file; see `upload`. Its directory is looked for while the bytes flow, unless the session knows it.
   * @param options.create only where nothing stands under the name
   * @throws StorageError not-found where the directory does not exist, exists, denied; what the source throws
   */
  async write(
    path: string,
    source: ByteSource,
    { create, signal, onCommit }: { create: boolean; signal: AbortSignal; onCommit: () => void },
  ): Promise<number> {
    const place = this.locate(path);
    need(place, 'write');
    const { store, pool } = this.#storage;
    const ifAbsent = create || !place.mount.permissions.has('overwrite');
    const permit = this.#needDirectory(parentOf(path));
    // Awaited before the commit; until then its rejection is nobody's surprise.
    permit.catch(() => {});
    return upload(source, { store, pool, to: place, ifAbsent, signal, permit, onCommit });
  }

  /** Deletes a file: one HeadObject, one DeleteObject. @throws StorageError not-found, denied */
  async remove(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'delete');
    if (place.root) throw new StorageError('is-a-directory', 'the root');
    await this.#storage.store.head(place);
    await this.#storage.store.delete(place);
    this.#tookFrom(parentOf(path));
  }

  /** Makes a directory: its marker `name/`. @throws StorageError exists, not-found (its parent), denied */
  async makeDirectory(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'make-directory');
    if (place.root) throw new StorageError('exists', 'the root');
    const [{ file, directory }] = await Promise.all([
      this.#probe(place),
      this.#needDirectory(parentOf(path)),
    ]);
    if (file || directory) throw new StorageError('exists', 'the name is taken');
    const marker = { bucket: place.bucket, key: place.prefix };
    await this.#storage.store.put(marker, new Uint8Array(), {
      crc32: 0,
      attributes: { contentType: DIRECTORY_TYPE },
    });
    this.#remember(path);
  }

  /** Removes an empty directory. @throws StorageError not-found, not-empty, denied */
  async removeDirectory(path: string): Promise<void> {
    const place = this.locate(path);
    need(place, 'remove-directory');
    if (place.root) throw new StorageError('denied', 'the root');
    const { store, emptied } = this.#storage;
    const { objects } = await store.list(place.bucket, { prefix: place.prefix, maxKeys: 2 });
    if (objects.some(({ key }) => key !== place.prefix)) throw new StorageError('not-empty', 'not empty');
    if (objects.length === 0 && !this.#wasEmptied(place))
      throw new StorageError('not-found', 'no such directory');
    if (objects.length > 0) await store.delete({ bucket: place.bucket, key: place.prefix });
    emptied.delete(this.#identity.user, place.bucket, place.prefix);
    this.#forget(path);
    this.#tookFrom(parentOf(path));
  }

  /** Looks up what is to be renamed; a file's name wins. @throws StorageError not-found, denied */
  async renameSource(path: string): Promise<RenameSource> {
    const place = this.locate(path);
    need(place, 'rename');
    if (place.root) throw new StorageError('denied', 'the root');
    const file = await this.#storage.store.head(place).catch(notFound);
    if (!file && !(await this.#isDirectory(place)))
      throw new StorageError('not-found', 'no such file or directory');
    return { place, type: file ? 'file' : 'directory', size: file?.size ?? 0 };
  }

  /**
   * Renames by copying within S3 and deleting then; a failure leaves the source whole. An existing file is
   * replaced, an existing directory never.
   * @throws StorageError is-a-directory, not-found (source or the target's parent), denied, too-large
   */
  async rename({ place: from, type, size }: RenameSource, target: string): Promise<void> {
    const to = this.locate(target);
    need(to, 'write');
    if (from.path === target) return;
    if (to.root) throw new StorageError('is-a-directory', 'the root');
    if (size > LARGEST_COPY) throw new StorageError('too-large', 'more than one copy within S3 takes');
    if (type === 'directory' && target.startsWith(`${from.path}/`))
      throw new StorageError('denied', 'into itself');
    await Promise.all([this.#needFree(to, type), this.#needDirectory(parentOf(target))]);
    const { store, renameEntries } = this.#storage;
    if (type === 'file') {
      await store.copy(from, to);
      await store.delete(from);
    } else {
      await renameDirectory(store, from, to, renameEntries);
      this.#forget(from.path);
      this.#remember(target);
    }
    this.#tookFrom(parentOf(from.path));
  }

  /** @throws StorageError is-a-directory, exists where the target of a rename may not be replaced */
  async #needFree(to: Place, type: Entry['type']): Promise<void> {
    const mayReplace = to.mount.permissions.has('overwrite');
    const { file, directory } =
      type === 'file' && mayReplace
        ? { file: undefined, directory: await this.#hasKeys(to) }
        : await this.#probe(to);
    if (directory) throw new StorageError('is-a-directory', 'a directory of that name');
    if (file) throw new StorageError('exists', 'the name is taken');
  }

  async #needDirectory(path: string): Promise<void> {
    if (this.#known.has(path)) return;
    if (!(await this.#isDirectory(this.locate(path))))
      throw new StorageError('not-found', 'no such directory');
    this.#remember(path);
  }

  async #isDirectory(place: Place): Promise<boolean> {
    return place.root || (await this.#hasKeys(place)) || this.#wasEmptied(place);
  }

  async #hasKeys({ bucket, prefix }: Place): Promise<boolean> {
    return (await this.#storage.store.list(bucket, { prefix, maxKeys: 1 })).objects.length > 0;
  }

  /**
   * What bears a name: mostly one request, since the file's key comes first and the directory's among the few
   * that begin alike.
   */
  async #probe(place: Place): Promise<{ file?: ListedObject; directory: boolean }> {
    const page = await this.#storage.store.list(place.bucket, { prefix: place.key, delimiter: '/' });
    const file = page.objects.find(({ key }) => key === place.key);
    const seen = page.prefixes.includes(place.prefix);
    return { file, directory: seen || (page.next !== undefined && (await this.#hasKeys(place))) };
  }

  #wasEmptied({ bucket, prefix }: Place): boolean {
    return this.#storage.emptied.has(this.#identity.user, bucket, prefix);
  }

  #tookFrom(directory: string): void {
    const place = this.locate(directory);
    if (!place.root) this.#storage.emptied.add(this.#identity.user, place.bucket, place.prefix);
  }

  #remember(directory: string): void {
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.add('/').add(directory);
  }

  #forget(directory: string): void {
    for (const path of this.#known)
      if (path === directory || path.startsWith(`${directory}/`)) this.#known.delete(path);
  }
}

function openFile(size: number, stream: Readable): OpenFile {
  async function* body(): AsyncGenerator<Buffer> {
    try {
      yield* stream;
    } catch (cause) {
      throw new StorageError('unavailable', 'S3 broke off in the middle of a file', { cause });
    }
  }
  // A stream that is given up before it is read has nobody else to hear of its error.
  stream.on('error', () => {});
  return { size, body: body(), cancel: () => void stream.destroy() };
}

function notFound(error: unknown): undefined {
  if (!isFailure(error, 'not-found')) throw error;
}
