import type { Identity, Permission } from '../identity/identity.ts';
import { StorageError } from './errors.ts';
import { grantsBelow, type Place } from './tree.ts';

/**
 * What each deed needs at the path where it is done: of every group one permission. docs/SEMANTICS.md has this table
 * by command.
 */
export const NEEDS = {
  list: [['list']],
  /** A size, a time, or that something is there. */
  stat: [['list', 'read']],
  read: [['read']],
  /** A file under a name where none stands, or what this user left broken. */
  store: [['write']],
  /** A file over another. */
  replace: [['write'], ['overwrite']],
  append: [['append']],
  /** A file by APPE, where none stands. */
  begin: [['append'], ['write']],
  /** APPE, while it is not known what stands there. */
  continue: [['append', 'write']],
  /** REST n and STOR where n is the file's size. */
  extend: [['write'], ['append', 'overwrite']],
  setTime: [['write'], ['overwrite']],
  delete: [['delete']],
  makeDirectory: [['make-directory']],
  removeDirectory: [['remove-directory']],
  renameFrom: [['rename'], ['read'], ['delete']],
  renameTo: [['write']],
  /** Of directories: at the path itself, and at every grant below. */
  renameDirectoryFrom: [['rename'], ['read'], ['delete'], ['remove-directory']],
  renameDirectoryTo: [['write'], ['make-directory']],
} as const satisfies Readonly<Record<string, readonly (readonly Permission[])[]>>;

export type Deed = keyof typeof NEEDS;

/** Whether what is held suffices for a deed. */
export function may(held: ReadonlySet<Permission>, deed: Deed): boolean {
  return missing(held, deed) === undefined;
}

/** @throws StorageError denied unless the deed may be done at the place */
export function need({ permissions }: Pick<Place, 'permissions'>, deed: Deed): void {
  const group = missing(permissions, deed);
  if (group) throw new StorageError('denied', `needs the permission to ${group.join(' or ')}`);
}

/**
 * For what moves a directory with all that lies below it.
 * @throws StorageError denied unless the deed may be done at the place, and wherever below it a grant speaks
 */
export function needThroughout(identity: Identity, place: Place, deed: Deed): void {
  for (const each of [place, ...grantsBelow(identity, place.path)]) need(each, deed);
}

/** Whether an identity holds one of these permissions at any path. */
export function holdsAnywhere(identity: Identity, anyOf: readonly Permission[]): boolean {
  const { mounts, grants = [] } = identity;
  const held = [...mounts, ...grants].some(({ permissions }) => anyOf.some((each) => permissions.has(each)));
  // Virtual parents can be listed.
  return held || (anyOf.includes('list') && !mounts.some(({ path }) => path === '/'));
}

function missing(held: ReadonlySet<Permission>, deed: Deed): readonly Permission[] | undefined {
  const groups: readonly (readonly Permission[])[] = NEEDS[deed];
  return groups.find((group) => !group.some((permission) => held.has(permission)));
}
