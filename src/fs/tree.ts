import type { Grant, Identity, Mount, Permission } from '../identity/identity.ts';
import { StorageError } from './errors.ts';
import { canonicalPath, decodePath } from './names.ts';
import type { Location } from './s3.ts';

/** A key's longest length in UTF-8 bytes (S3 user guide, object key names). */
const LONGEST_KEY = 1024;

/** What holds at a virtual parent: its entries are the identity's own mounts, which it may know. */
const VIRTUAL: ReadonlySet<Permission> = new Set(['list']);

/** Where a virtual path leads: its mount, its object's place, and the prefix of what lies below it. */
export interface Place extends Location {
  readonly path: string;
  /** Undefined: a virtual parent, above mounts and in none. It has no keys, and S3 is never asked for it. */
  readonly mount: Mount | undefined;
  /** What holds here: of the deepest grant between the mount and the path, or the mount's own. */
  readonly permissions: ReadonlySet<Permission>;
  /** Whether anything at all may be done here or below. */
  readonly open: boolean;
  /** Key prefix of the directory of this name, ending in `/`; empty for a bucket's root. */
  readonly prefix: string;
  /** Whether it is a mount's own folder or one above a mount: it always exists, and stays where it is. */
  readonly fixed: boolean;
}

/** Where Ferry keeps what clients do not see: key prefix, ending in `/`. */
type Hidden = { readonly bucket: string; readonly prefix: string };

/**
 * Maps a virtual path to its place; the names below the mount are decoded (see names.ts).
 * @param path absolute and normalized
 * @throws StorageError not-found outside every mount, bad-name for a key that S3 cannot hold
 */
export function locate(identity: Identity, path: string): Place {
  const place = placeOf(identity, path);
  if (!place) throw new StorageError('not-found', 'outside every mount');
  if (Buffer.byteLength(place.key) > LONGEST_KEY) throw new StorageError('bad-name', 'the key is too long');
  return place;
}

function placeOf(identity: Identity, path: string): Place | undefined {
  const mount = deepest(identity.mounts, path);
  const fixed = path === '/' || identity.mounts.some((each) => covers(path, each.path));
  if (!mount) {
    const nowhere = { bucket: '', key: '', prefix: '' };
    return fixed ? { path, mount, permissions: VIRTUAL, open: true, ...nowhere, fixed } : undefined;
  }
  const inside = path.slice(mount.path === '/' ? 1 : mount.path.length + 1);
  const key = mount.prefix + decodePath(inside);
  const permissions = permissionsAt(identity, mount, path);
  return {
    path,
    mount,
    permissions,
    open: permissions.size > 0 || isOpenBelow(identity, path),
    bucket: mount.bucket,
    key,
    prefix: inside === '' ? mount.prefix : `${key}/`,
    fixed,
  };
}

function permissionsAt({ grants = [] }: Identity, mount: Mount, path: string): ReadonlySet<Permission> {
  const grant = deepest(grants, path);
  return (grant && grant.path.length >= mount.path.length ? grant : mount).permissions;
}

function isOpenBelow(identity: Identity, path: string): boolean {
  return below(identity, path).some((deeper) => {
    const mount = deepest(identity.mounts, deeper);
    return mount !== undefined && permissionsAt(identity, mount, deeper).size > 0;
  });
}

/** The paths of mounts and grants that lie below a path. */
function below({ mounts, grants = [] }: Identity, path: string): string[] {
  return [...mounts, ...grants]
    .map((each) => each.path)
    .filter((each) => each !== path && covers(path, each));
}

/** Whether a path is that of a directory, or lies below it. */
function covers(directory: string, path: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/** Of mounts or grants, the one that covers the path and stands deepest. */
function deepest<T extends Mount | Grant>(all: readonly T[], path: string): T | undefined {
  let found: T | undefined;
  for (const each of all)
    if (covers(each.path, path) && (found === undefined || each.path.length > found.path.length))
      found = each;
  return found;
}

/**
 * Of a directory's names those that a mount or a grant speaks of, at that very path or below it. All others are like
 * the directory itself.
 */
export function markedNames(identity: Identity, directory: string): ReadonlyMap<string, Place> {
  const marked = new Map<string, Place>();
  const start = directory === '/' ? '/' : `${directory}/`;
  for (const path of below(identity, directory)) {
    const [name = ''] = path.slice(start.length).split('/', 1);
    const place = marked.has(name) ? undefined : placeOf(identity, start + name);
    if (place) marked.set(name, place);
  }
  return marked;
}

/** Grants that hold below a path, with what they allow. */
export function grantsBelow({ grants = [] }: Identity, path: string): readonly Grant[] {
  return grants.filter((grant) => grant.path !== path && covers(path, grant.path));
}

/**
 * Whether an identity's tree can be served: mounts at paths in the one spelling, no two at one path, prefixes that end
 * in `/`, and none within what Ferry keeps for itself.
 * @returns what is wrong, for the operator
 */
export function treeFault({ mounts, grants = [] }: Identity, hidden: Hidden): string | undefined {
  for (const { path } of [...mounts, ...grants]) if (!isSpelled(path)) return `not a path: ${path}`;
  for (const { bucket, path, prefix } of mounts) {
    if (bucket === '') return `no bucket at ${path}`;
    if (prefix !== '' && !prefix.endsWith('/')) return `the prefix at ${path} does not end in a slash`;
    if (bucket === hidden.bucket && prefix.startsWith(hidden.prefix)) return `${path} leads to Ferry's own`;
  }
  for (const group of [mounts, grants])
    if (new Set(group.map(({ path }) => path)).size < group.length) return 'two at one path';
  return undefined;
}

/** Whether a path is spelled as every path of a session is: others would never be met. */
function isSpelled(path: string): boolean {
  if (path === '/') return true;
  const [root, ...names] = path.split('/');
  return (
    root === '' &&
    names.length > 0 &&
    names.every((name) => name !== '' && name !== '.' && name !== '..') &&
    path.isWellFormed() &&
    canonicalPath(path) === path
  );
}

/** Whether it is what Ferry keeps for itself, or the name under which that would show. */
export function isHidden(hidden: Hidden, { bucket, key }: Location): boolean {
  return bucket === hidden.bucket && `${key}/`.startsWith(hidden.prefix);
}

/** Whether what Ferry keeps for itself lies below a directory, which then has to stay where it is. */
export function holdsHidden(hidden: Hidden, { bucket, prefix }: Place): boolean {
  return bucket === hidden.bucket && hidden.prefix.startsWith(prefix);
}

/**
 * Whether no file can have that name: one that always is a directory, or an empty one (`%()`), whose key is its
 * directory's marker or nothing at all.
 */
export function isNameless({ key, fixed }: Place): boolean {
  return fixed || key === '' || key.endsWith('/');
}

/** The virtual path one level up; the root's own is the root. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
