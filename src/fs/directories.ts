import { StorageError } from './errors.ts';
import type { ListedObject } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import { isNameless, type Place } from './tree.ts';

/** Directories a session remembers to exist, so that it need not ask again. */
const MOST_KNOWN = 1000;

/** What a session finds out about directories, and remembers. A directory exists if any key lies under `name/`. */
export class Directories {
  readonly #storage: Storage;
  readonly #user: string;
  readonly #known = new Set<string>(['/']);

  constructor(storage: Storage, user: string) {
    this.#storage = storage;
    this.#user = user;
  }

  /** Whether the session has seen a directory of this path. */
  knows(path: string): boolean {
    return this.#known.has(path);
  }

  /** Settles if it is a directory, and remembers it; asks only where it is not known. @throws StorageError not-found */
  async need(place: Place): Promise<void> {
    if (this.#known.has(place.path)) return;
    if (!(await this.exists(place))) throw new StorageError('not-found', 'no such directory');
    this.remember(place.path);
  }

  async exists(place: Place): Promise<boolean> {
    return place.fixed || (await this.hasKeys(place)) || this.wasEmptied(place);
  }

  /** Whether any key lies under the name; one ListObjectsV2. */
  async hasKeys({ bucket, prefix }: Place): Promise<boolean> {
    return (await this.#storage.store.list(bucket, { prefix, maxKeys: 1 })).objects.length > 0;
  }

  /**
   * What bears a name: mostly one request, since the file's key comes first and the directory's among the few
   * that begin alike.
   */
  async probe(place: Place): Promise<{ file?: ListedObject; directory: boolean }> {
    const page = await this.#storage.store.list(place.bucket, { prefix: place.key, delimiter: '/' });
    // The key of an empty name is that of its directory's marker.
    const file = isNameless(place) ? undefined : page.objects.find(({ key }) => key === place.key);
    const seen = page.prefixes.includes(place.prefix);
    return { file, directory: seen || (page.next !== undefined && (await this.hasKeys(place))) };
  }

  /** Whether this user took the last file out of it a short time ago. */
  wasEmptied({ bucket, prefix }: Place): boolean {
    return this.#storage.emptied.has(this.#user, bucket, prefix);
  }

  /** Remembers that something was taken out of the directory. */
  tookFrom({ fixed, bucket, prefix }: Place): void {
    if (!fixed) this.#storage.emptied.add(this.#user, bucket, prefix);
  }

  remember(path: string): void {
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.add('/').add(path);
  }

  /** It has gone, with all below it. */
  forget({ path: directory, bucket, prefix }: Place): void {
    this.#storage.emptied.delete(this.#user, bucket, prefix);
    for (const path of this.#known)
      if (path === directory || path.startsWith(`${directory}/`)) this.#known.delete(path);
  }
}
