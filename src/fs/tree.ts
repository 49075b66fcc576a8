import type { Grant, Identity, Mount, Permission } from '../identity/identity.ts';
import { StorageError } from './errors.ts';
import { decodePath } from './names.ts';
import type { Location } from './s3.ts';

/** A key's longest length in UTF-8 bytes (S3 user guide, object key names). */
const LONGEST_KEY = 1024;

/** Where a virtual path leads: its mount, its object's place, and the prefix of what lies below it. */
export interface Place extends Location {
  readonly path: string;
  readonly mount: Mount;
  /** What holds here: of the deepest grant between the mount and the path, or the mount's own. */
  readonly permissions: ReadonlySet<Permission>;
  /** Key prefix of the directory of this name, ending in `/`; empty for a bucket's root. */
  readonly prefix: string;
  /** Whether it is a mount's own folder, which always exists and cannot be removed. */
  readonly root: boolean;
}

/**
 * Maps a virtual path to its place; the names below the mount are decoded (see names.ts).
 * @param path absolute and normalized
 * @throws StorageError not-found outside every mount, bad-name for a key that S3 cannot hold
 */
export function locate(identity: Identity, path: string): Place {
  const mount = deepest(identity.mounts, path);
  if (mount === undefined) throw new StorageError('not-found', 'outside every mount');
  const inside = path.slice(mount.path === '/' ? 1 : mount.path.length + 1);
  const key = mount.prefix + decodePath(inside);
  if (Buffer.byteLength(key) > LONGEST_KEY) throw new StorageError('bad-name', 'the key is too long');
  const root = inside === '';
  const grant = deepest(identity.grants ?? [], path);
  const { permissions } = grant && grant.path.length >= mount.path.length ? grant : mount;
  return {
    path,
    mount,
    permissions,
    bucket: mount.bucket,
    key,
    prefix: root ? mount.prefix : `${key}/`,
    root,
  };
}

/** Of mounts or grants, the one that covers the path and stands deepest. */
function deepest<T extends Mount | Grant>(all: readonly T[], path: string): T | undefined {
  return all
    .filter((each) => each.path === '/' || path === each.path || path.startsWith(`${each.path}/`))
    .reduce<T | undefined>(
      (found, each) => (found && found.path.length > each.path.length ? found : each),
      undefined,
    );
}

/** Whether it is what Ferry keeps for itself, or the name under which that would show. */
export function isHidden(hidden: { bucket: string; prefix: string }, { bucket, key }: Location): boolean {
  return bucket === hidden.bucket && `${key}/`.startsWith(hidden.prefix);
}

/**
 * Whether no file can have that name: a mount's own, or an empty one (`%()`), whose key is its directory's marker or
 * nothing at all.
 */
export function isNameless({ key }: Place): boolean {
  return key === '' || key.endsWith('/');
}

/** @throws StorageError denied unless one of the permissions is held at the place */
export function need({ permissions }: Place, ...anyOf: Permission[]): void {
  if (!anyOf.some((permission) => permissions.has(permission)))
    throw new StorageError('denied', `needs the permission to ${anyOf.join(' or ')}`);
}

/** The virtual path one level up; the root's own is the root. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
