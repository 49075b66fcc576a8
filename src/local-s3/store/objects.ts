import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { S3Error } from '../errors.ts';
import { naturalDirectory, readDirectory, watchChange } from './directories.ts';
import {
  errorCode,
  ifPresent,
  isAbsent,
  isPlainPath,
  lstatOrNothing,
  makeDirectory,
  removeFile,
  removeIfEmpty,
} from './files.ts';
import { type BucketPaths, isFileName, keptPath } from './layout.ts';
import {
  type Attributes,
  type FileIdentity,
  findVersion,
  NO_ATTRIBUTES,
  removeRecord,
  type Version,
  writeVersion,
} from './records.ts';

/** An object as it stands on the disk. */
export interface StoredObject {
  readonly key: string;
  /** The file of its content; undefined for an empty folder that counts as its own marker. */
  readonly path: string | undefined;
  readonly identity: FileIdentity;
  /** Undefined for a file put there by hand that was not hashed yet: see `settle`. */
  readonly version: Version | undefined;
}

/** An object whose ETag and attributes are known. */
export interface SettledObject extends StoredObject {
  readonly version: Version;
}

/** Up to this size a file is hashed in one go. */
const HASHED_AT_ONCE = 1024 * 1024;
const EMPTY_MD5 = createHash('md5').digest('hex');

function identify(stats: Stats): FileIdentity {
  return { ino: stats.ino, size: stats.size, mtimeMs: stats.mtimeMs };
}

function markerOfFolder(bucket: BucketPaths, key: string): StoredObject | undefined {
  if (!key.endsWith('/')) return undefined;
  const folder = naturalDirectory(bucket, key);
  if (folder === undefined || readDirectory(bucket, key)[0] !== '') return undefined;
  const { ino, mtimeMs } = lstatSync(folder);
  const identity = { ino, mtimeMs, size: 0 };
  return { key, path: undefined, identity, version: { ...identity, ...NO_ATTRIBUTES, etag: EMPTY_MD5 } };
}

/** Whether nothing on the way from the bucket's folder to this path of a key is a symbolic link. */
function isReachedPlainly(bucket: BucketPaths, path: string): boolean {
  const parent = dirname(path);
  if (bucket.foldsCase) return isPlainPath(path);
  return parent === bucket.objects || isPlainPath(parent);
}

/**
 * Looks a key up. Its file by its own name goes before one in the kept area. `isListed` says that the name was
 * just read from its directory, and that its folder was reached without symbolic links.
 */
export function findObject(bucket: BucketPaths, key: string, isListed = false): StoredObject | undefined {
  const natural = isFileName(key) ? `${bucket.objects}/${key}` : undefined;
  if (natural !== undefined) {
    const stats = lstatOrNothing(natural);
    const isReached =
      (isListed && !bucket.foldsCase) || (stats?.isFile() && isReachedPlainly(bucket, natural));
    if (stats?.isFile() && isReached) return describeFile(bucket, key, natural, stats);
  }
  const kept = keptPath(bucket, key);
  const stats = lstatOrNothing(kept);
  return stats?.isFile() ? describeFile(bucket, key, kept, stats) : markerOfFolder(bucket, key);
}

function describeFile(bucket: BucketPaths, key: string, path: string, stats: Stats): StoredObject {
  const identity = identify(stats);
  return { key, path, identity, version: findVersion(bucket, key, identity) };
}

/**
 * Opens an object for reading: its content is what it was at this moment, whatever is published later.
 * Returns undefined where there is none. The caller closes the descriptor.
 */
export function openObject(
  bucket: BucketPaths,
  key: string,
): { object: StoredObject; fd: number | undefined } | undefined {
  const object = findObject(bucket, key);
  if (!object) return undefined;
  if (object.path === undefined) return { object, fd: undefined };
  const { path } = object;
  const fd = ifPresent(() => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW));
  if (fd === undefined) return undefined;
  const identity = identify(fstatSync(fd));
  return { object: { ...object, identity, version: findVersion(bucket, key, identity) }, fd };
}

async function md5OfFile(path: string, size: number): Promise<string> {
  if (size <= HASHED_AT_ONCE) return createHash('md5').update(readFileSync(path)).digest('hex');
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Gives a file that was put there by hand its ETag, and remembers it. Returns undefined where it is gone by then.
 * Throws SlowDown where it does not stop changing.
 */
export async function settle(bucket: BucketPaths, found: StoredObject): Promise<SettledObject | undefined> {
  let object: StoredObject | undefined = found;
  for (let attempt = 0; attempt < 5; attempt++) {
    if (object?.version) return object as SettledObject;
    if (object?.path === undefined) return undefined;
    const etag: string | undefined = await md5OfFile(object.path, object.identity.size).catch((error) => {
      if (isAbsent(error)) return undefined;
      throw error;
    });
    const now = findObject(bucket, object.key);
    const unchanged =
      now?.path === object.path &&
      now.identity.ino === object.identity.ino &&
      now.identity.mtimeMs === object.identity.mtimeMs;
    if (etag !== undefined && unchanged && now.identity.size === object.identity.size && !now.version) {
      const version = { ...NO_ATTRIBUTES, ...now.identity, etag };
      writeVersion(bucket, object.key, version);
      return { ...now, version };
    }
    object = now;
  }
  throw new S3Error('SlowDown');
}

/** Looks a key up and settles it. */
export async function findSettled(bucket: BucketPaths, key: string): Promise<SettledObject | undefined> {
  const object = findObject(bucket, key);
  return object && settle(bucket, object);
}

/** Content on its way in: bytes, or a file of the bucket's `tmp` (or `uploads`) folder. */
export type NewContent = Buffer | string;

/** Judges what stands at a key before it is replaced or removed; throws to keep it. */
export type Guard = (current: SettledObject | undefined) => void;

/**
 * Publishes an object: at no moment, and after no kill, is anything seen but the old object or the new one.
 * `guard` is asked in the same turn of the event loop in which the change is made, so of several conditional
 * writers exactly one wins. The content's file is consumed, also where the guard throws.
 * Nothing is synced to the disk: what a killed process wrote is safe, what a power failure caught may not be.
 */
export async function publish(
  bucket: BucketPaths,
  key: string,
  content: NewContent,
  attributes: Attributes & { etag: string },
  guard: Guard,
): Promise<Version> {
  const temporary = typeof content === 'string' ? content : `${bucket.tmp}/${randomUUID()}`;
  try {
    // The guard may need the ETag of a file put there by hand: that takes time, and it may change meanwhile.
    let current = findObject(bucket, key);
    while (current && !current.version)
      current = await settle(bucket, current).then(() => findObject(bucket, key));
    guard(current as SettledObject | undefined);
    if (typeof content !== 'string') writeFileSync(temporary, content);
    const version = { ...attributes, ...identify(lstatSync(temporary)) };
    const changed = watchChange(bucket, key);
    writeVersion(bucket, key, version, current?.version);
    const path = moveIntoPlace(bucket, key, temporary);
    if (current?.path !== undefined && current.path !== path) removeFile(current.path);
    changed(true);
    return version;
  } catch (error) {
    removeFile(temporary);
    throw error;
  }
}

function moveIntoPlace(bucket: BucketPaths, key: string, temporary: string): string {
  if (isFileName(key) && moveToNatural(bucket, `${bucket.objects}/${key}`, temporary))
    return `${bucket.objects}/${key}`;
  const path = keptPath(bucket, key);
  try {
    renameSync(temporary, path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    makeDirectory(dirname(path));
    renameSync(temporary, path);
  }
  // A marker is a folder too, so that a person sees it.
  if (key.endsWith('/') && isFileName(key.slice(0, -1))) showFolder(bucket, key.slice(0, -1));
  return path;
}

function showFolder(bucket: BucketPaths, name: string): void {
  const path = `${bucket.objects}/${name}`;
  if (lstatOrNothing(path) === undefined && whatIsMissing(bucket, path) !== undefined) makeDirectory(path);
}

/**
 * The highest folder that is missing above a path: empty where none is, undefined where a file, a symbolic
 * link or another spelling is in the way.
 */
function whatIsMissing(bucket: BucketPaths, path: string): string | undefined {
  let missing = '';
  for (let folder = dirname(path); folder !== bucket.objects; folder = dirname(folder)) {
    const stats = lstatOrNothing(folder);
    if (stats) return stats.isDirectory() && isPlainPath(folder) ? missing : undefined;
    missing = folder;
  }
  return missing;
}

const IN_THE_WAY = new Set([
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'ENOTEMPTY',
  'ENAMETOOLONG',
  'ELOOP',
  'EINVAL',
  'EILSEQ',
]);

/** Renames a file to its own name. Returns false, with nothing changed, where something is in the way. */
function moveToNatural(bucket: BucketPaths, path: string, temporary: string): boolean {
  const there = lstatOrNothing(path);
  if (there && !(there.isFile() && isReachedPlainly(bucket, path))) return false;
  const missing = whatIsMissing(bucket, path);
  if (missing === undefined) return false;
  try {
    if (missing === '') renameSync(temporary, path);
    else moveWithFolders(bucket, path, missing, temporary);
    return true;
  } catch (error) {
    if (IN_THE_WAY.has(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** New folders come into place together with the file in them: an empty one would be a marker after a kill. */
function moveWithFolders(bucket: BucketPaths, path: string, missing: string, temporary: string): void {
  const built = `${bucket.tmp}/${randomUUID()}`;
  const inside = built + path.slice(missing.length);
  makeDirectory(dirname(inside));
  renameSync(temporary, inside);
  try {
    renameSync(built, missing);
  } catch (error) {
    renameSync(inside, temporary);
    throw error;
  }
}

/** Removes an object; a key that is not there is no error. `guard` as for `publish`. */
export async function removeObject(bucket: BucketPaths, key: string, guard?: Guard): Promise<void> {
  let current = findObject(bucket, key);
  if (guard) {
    while (current && !current.version)
      current = await settle(bucket, current).then(() => findObject(bucket, key));
    guard(current as SettledObject | undefined);
  }
  if (!current) return;
  const kept = keptPath(bucket, key);
  const changed = watchChange(bucket, key);
  removeFile(kept);
  // What a file by its own name hid in the kept area goes first, or it would come back.
  if (current.path !== undefined && current.path !== kept) removeFile(current.path);
  removeRecord(bucket, key);
  for (let folder = dirname(kept); folder.startsWith(`${bucket.kept}/`) && removeIfEmpty(folder); )
    folder = dirname(folder);
  removeEmptyFolders(bucket, key);
  changed(false);
}

/** Folders that stood only for a key that is gone go with it; those with a marker stay. */
function removeEmptyFolders(bucket: BucketPaths, key: string): void {
  for (let end = key.lastIndexOf('/'); end > 0; end = key.lastIndexOf('/', end - 1)) {
    const prefix = key.slice(0, end + 1);
    if (!isFileName(prefix.slice(0, -1))) continue;
    if (lstatOrNothing(keptPath(bucket, prefix))) return;
    const folder = naturalDirectory(bucket, prefix);
    if (folder !== undefined && !removeIfEmpty(folder)) return;
  }
}

/** Changes what is recorded of an object whose content stays. Returns false where it was replaced meanwhile. */
export async function updateVersion(
  bucket: BucketPaths,
  object: SettledObject,
  change: Partial<Attributes>,
): Promise<boolean> {
  const now = findObject(bucket, object.key);
  if (now?.version?.etag !== object.version.etag) return false;
  const version = { ...now.version, ...change };
  // An empty folder has no record: it becomes a marker that has one.
  if (now.path === undefined) await publish(bucket, object.key, Buffer.alloc(0), version, () => undefined);
  else writeVersion(bucket, object.key, version, now.version);
  return true;
}

/** Closes a descriptor that may not have been opened. */
export function closeDescriptor(fd: number | undefined): void {
  if (fd !== undefined) closeSync(fd);
}
