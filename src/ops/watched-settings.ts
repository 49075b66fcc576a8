import type { Source } from '../setting-values.ts';
import type { Versioned } from './file-source.ts';
import type { Log } from './log.ts';
import { SettingError } from './setting-error.ts';

/** Reads what a setting leads to. Rejects when the signal is aborted. */
export type ReadSource = (source: Source, signal: AbortSignal) => Promise<Versioned>;

/** How long one reading may take. Milliseconds. */
const PATIENCE = 10_000;

/** While anything is wrong secrets are read again sooner than otherwise. Milliseconds. */
const SECRET_AGAIN = 10_000;

/** How what settings lead to is read, checked and spoken of. */
export interface WatchedOptions<T> {
  /** Setting's name to where it leads. */
  readonly sources: Readonly<Record<string, Source | undefined>>;
  /** Makes one thing of their texts, by setting. @throws SettingError */
  readonly check: (texts: Readonly<Record<string, string>>) => T;
  readonly onTaken: (value: T) => void;
  readonly read: ReadSource;
  readonly log: Log;
  /** Milliseconds between two readings of a secret. */
  readonly refresh: number;
  readonly closed: AbortSignal;
}

/**
 * Settings that together make one thing, such as certificate and key: looked at again and again, taken when they
 * have changed and are right, and the old thing kept while they are not. What is wrong is said once.
 */
export class WatchedSettings<T> {
  readonly #options: WatchedOptions<T>;
  readonly #sources: readonly WatchedSource[];
  #value: T | undefined;
  /** Versions of all sources that `#value` was made of. */
  #taken: string | undefined;
  /** Kind of the trouble seen by the last look, and of that which was told. */
  #trouble: string | undefined;
  #told: string | undefined;

  constructor(options: WatchedOptions<T>) {
    this.#options = options;
    this.#sources = Object.entries(options.sources).flatMap(([setting, source]) =>
      source ? [{ setting, source, next: 0, last: undefined }] : [],
    );
  }

  /** What was last right, or undefined. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Reads what is due and takes it if it is new and right. Never rejects. */
  async look(): Promise<void> {
    try {
      const found: (Versioned & { readonly setting: string })[] = [];
      for (const source of this.#sources)
        found.push({ setting: source.setting, ...(await this.#read(source)) });
      const versions = JSON.stringify(found.map(({ version }) => version));
      const isNew = versions !== this.#taken;
      if (isNew) {
        this.#value = this.#options.check(
          Object.fromEntries(found.map(({ setting, text }) => [setting, text])),
        );
        this.#taken = versions;
        this.#options.onTaken(this.#value);
      } else if (this.#told !== undefined)
        this.#options.log.info({ event: 'certificate' }, 'the settings are right again, nothing has changed');
      this.#trouble = undefined;
      this.#told = undefined;
    } catch (error) {
      if (this.#options.closed.aborted) return;
      const soon = Date.now() + SECRET_AGAIN;
      for (const source of this.#sources) source.next = Math.min(source.next, soon);
      this.#complain(this.#named(error));
    }
  }

  /** Secrets cost requests, and a file next to nothing. */
  async #read(source: WatchedSource): Promise<Versioned> {
    const { read, refresh, closed } = this.#options;
    const now = Date.now();
    if (!source.last || source.source.kind === 'file' || now >= source.next) {
      source.last = read(source.source, AbortSignal.any([closed, AbortSignal.timeout(PATIENCE)]));
      source.next = now + refresh;
    }
    try {
      return await source.last;
    } catch (error) {
      const { code, name, message } = describe(error);
      throw new SettingError(source.setting, `cannot be read: ${message}`, `${name} ${code}`);
    }
  }

  /** A check that fails in a way of its own is told by its kind alone: who knows what its message quotes. */
  #named(error: unknown): SettingError {
    if (error instanceof SettingError) return error;
    return new SettingError(this.#sources[0]?.setting ?? '', `cannot be used: ${describe(error).name}`);
  }

  /**
   * With nothing to fall back on trouble is told at once, else when it is seen again: whoever replaces two files
   * replaces one of them first.
   */
  #complain({ setting, message: reason, kind }: SettingError): void {
    const again = kind === this.#trouble || this.#value === undefined;
    this.#trouble = kind;
    if (!again || kind === this.#told) return;
    this.#told = kind;
    const meanwhile =
      this.#value === undefined
        ? 'no TLS until this is put right: AUTH answers 431'
        : 'the old one stays in use until this is put right';
    this.#options.log.error({ event: 'certificate', setting, reason }, meanwhile);
  }
}

interface WatchedSource {
  readonly setting: string;
  readonly source: Source;
  /** When it is due, if it is a secret. Milliseconds. */
  next: number;
  last: Promise<Versioned> | undefined;
}

function describe(error: unknown): { code: string; name: string; message: string } {
  if (!(error instanceof Error)) return { code: '', name: typeof error, message: 'no reason given' };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { code, name: error.name, message: error.message };
}
