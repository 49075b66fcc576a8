/** How long a directory that its user emptied may still be removed, or entered. */
const REMEMBERED = 10 * 60_000;

const MOST = 10_000;

/**
 * Directories that a user of this process took a file from a short time ago. One that exists only by its files
 * goes with the last of them, yet clients expect to find it and remove it next (`DELE b`, `CWD ..`, `RMD dir`).
 */
export class EmptiedDirectories {
  readonly #until = new Map<string, number>();

  /** Remembers that `user` took something out of the directory with this key prefix. */
  add(user: string, bucket: string, prefix: string): void {
    const id = identify(user, bucket, prefix);
    this.#until.delete(id);
    this.#until.set(id, Date.now() + REMEMBERED);
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= MOST && until > Date.now()) break;
      this.#until.delete(oldest);
    }
  }

  has(user: string, bucket: string, prefix: string): boolean {
    return (this.#until.get(identify(user, bucket, prefix)) ?? 0) > Date.now();
  }

  delete(user: string, bucket: string, prefix: string): void {
    this.#until.delete(identify(user, bucket, prefix));
  }
}

function identify(user: string, bucket: string, prefix: string): string {
  return JSON.stringify([user, bucket, prefix]);
}
