import { setImmediate } from 'node:timers/promises';
import { keyHash, keyHashIn } from './ledger-entry.ts';
import type { Location } from './s3.ts';

/** Keys that are remembered. */
const MOST = 20_000;

/** Keys that are noted before others have their turn: a directory may have a million. */
const YIELD = 1000;

/** Under which keys this process has stored something, or taken it away, and when: what broke there before is void. */
export class StoredKeys {
  /** By the key's hash, milliseconds since 1970; the oldest first. */
  readonly #times = new Map<string, number>();
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns the keys' hashes, with which the names of their ledger entries begin */
  async note(places: readonly Location[]): Promise<ReadonlySet<string>> {
    const keys = new Set<string>();
    for (const at of places) {
      const key = keyHash(at);
      keys.add(key);
      this.#times.delete(key);
      this.#times.set(key, this.#now());
      if (keys.size % YIELD === 0) await setImmediate();
    }
    this.#forgetOldest();
    return keys;
  }

  /** When something was last stored under the key of the entry of this name; undefined: not that it is remembered. */
  since(name: string): number | undefined {
    return this.#times.get(keyHashIn(name));
  }

  /** Once for many keys: a map passes over all that was deleted from its front before it finds the next. */
  #forgetOldest(): void {
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= MOST) break;
      this.#times.delete(oldest);
    }
  }
}
