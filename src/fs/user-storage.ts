import type { Identity } from '../identity/identity.ts';
import { Digester } from './digest.ts';
import type { ObjectStore } from './s3.ts';
import type { Storage } from './storage.ts';
import { StoredTimes } from './times.ts';

/** How users with roles reach S3. */
export interface UserStores {
  /** A store with the rights of this identity's role, over the process's connections. */
  readonly open: (identity: Identity) => ObjectStore;
  /** Equal for identities whose requests have the same rights. */
  readonly keyOf: (identity: Identity) => string;
  /** Bytes that are read for one digest. */
  readonly digest: number;
  /** Users whose storage is remembered. */
  readonly most?: number;
}

const MOST = 500;

/**
 * The storage that an identity sees. Without a role it is the process's own; with one, requests carry the user's
 * credentials, except those for what Ferry keeps for itself. Memory, connections, the ledger and what is known of
 * emptied directories are shared; what was learned with one user's rights is not told to another.
 */
export function openUserStorage(
  storage: Storage,
  { open, keyOf, digest, most = MOST }: UserStores,
): (identity: Identity) => Storage {
  /** The least lately used first. Sessions hold theirs, so that one forgotten here lives on as long as they do. */
  const known = new Map<string, Storage>();
  return (identity) => {
    if (identity.role === undefined) return storage;
    const key = keyOf(identity);
    const found = known.get(key) ?? withStore(storage, open(identity), digest);
    known.delete(key);
    known.set(key, found);
    for (const oldest of known.keys()) {
      if (known.size <= most) break;
      known.delete(oldest);
    }
    return found;
  };
}

function withStore(storage: Storage, store: ObjectStore, digest: number): Storage {
  return {
    ...storage,
    store,
    digester: new Digester(store, digest),
    times: storage.times && new StoredTimes(store),
  };
}
