import { hash } from 'node:crypto';
import { formatTimeVal } from './time.ts';

/** A file or a directory as a listing shows it. */
export interface ListedEntry {
  /** Fit for a line: without control characters. */
  readonly name: string;
  readonly type: 'file' | 'directory';
  /** Bytes; not looked at for directories. */
  readonly size: number;
  readonly modified: Date;
}

/** S3 has no owners; parsers want a word of at most 8 characters without blanks. */
const OWNER = 'owner';
const GROUP = 'group';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const DAY = 86_400_000;
/** Half a year, as `ls` means it: older entries show their year instead of their time of day. */
const RECENT = 182.5 * DAY;

const FILE_HEAD = `-rw-r--r--    1 ${OWNER.padEnd(8)} ${GROUP.padEnd(8)} `;
const DIRECTORY_HEAD = `drwxr-xr-x    2 ${OWNER.padEnd(8)} ${GROUP.padEnd(8)} `;

/**
 * One line of `ls -l`, without its CRLF: the form that clients' parsers know, as no standard gives one (RFC 959
 * 4.1.3). UTC, since clients take a listing's times for UTC or measure the offset by MDTM. The name is last,
 * after one blank, and verbatim.
 */
export function formatLs(entry: ListedEntry, now: Date): string {
  const { modified } = entry;
  const head = entry.type === 'file' ? FILE_HEAD : DIRECTORY_HEAD;
  const size = String(entry.type === 'file' ? entry.size : 0).padStart(12);
  const day = String(modified.getUTCDate()).padStart(2);
  return `${head}${size} ${MONTHS[modified.getUTCMonth()]} ${day} ${timeOrYear(modified, now)} ${entry.name}`;
}

function timeOrYear(modified: Date, now: Date): string {
  const age = now.getTime() - modified.getTime();
  if (age > RECENT || age < -DAY) return String(modified.getUTCFullYear()).padStart(5);
  const hours = modified.getUTCHours();
  const minutes = modified.getUTCMinutes();
  return `${hours < 10 ? '0' : ''}${hours}:${minutes < 10 ? '0' : ''}${minutes}`;
}

/** The facts that MLSD and MLST can give, in the order in which they give them (RFC 3659 section 7.5). */
export const MLST_FACTS = [
  'type',
  'size',
  'modify',
  'perm',
  'unique',
  'UNIX.mode',
  'UNIX.owner',
  'UNIX.group',
] as const;

export type MlstFact = (typeof MLST_FACTS)[number];

/** The facts that a session gets until it sends OPTS MLST. */
export const DEFAULT_FACTS: readonly MlstFact[] = ['type', 'size', 'modify', 'perm', 'unique'];

/**
 * The facts of an entry, each ended by `;`; the caller adds one blank and the name (RFC 3659 section 7.2). No
 * facts give an empty string. Only files have a size.
 *
 * @param options.permissions as {@link permFact} gives it
 * @param options.unique as {@link uniqueFact} gives it; not looked at unless that fact is wanted
 */
export function formatFacts(
  entry: ListedEntry,
  facts: ReadonlySet<MlstFact>,
  options: { permissions: string; unique: string },
): string {
  const file = entry.type === 'file';
  let text = '';
  if (facts.has('type')) text += file ? 'type=file;' : 'type=dir;';
  if (file && facts.has('size')) text += `size=${entry.size};`;
  if (facts.has('modify')) text += `modify=${formatTimeVal(entry.modified)};`;
  if (facts.has('perm')) text += `perm=${options.permissions};`;
  if (facts.has('unique')) text += `unique=${options.unique};`;
  if (facts.has('UNIX.mode')) text += file ? 'UNIX.mode=0644;' : 'UNIX.mode=0755;';
  if (facts.has('UNIX.owner')) text += `UNIX.owner=${OWNER};`;
  if (facts.has('UNIX.group')) text += `UNIX.group=${GROUP};`;
  return text;
}

/** What a user may do where an entry lies. */
export interface Allowed {
  /** CWD. */
  readonly enter: boolean;
  readonly list: boolean;
  readonly read: boolean;
  /** Store under a name that is not taken. */
  readonly write: boolean;
  /** Store over a file, where `write` is held as well. */
  readonly overwrite: boolean;
  readonly append: boolean;
  readonly delete: boolean;
  readonly rename: boolean;
  readonly makeDirectory: boolean;
  readonly removeDirectory: boolean;
}

/** The perm fact's value: the letters of what may be tried on an entry; may be empty (RFC 3659 section 7.5.5). */
export function permFact(type: ListedEntry['type'], allowed: Allowed): string {
  const letters =
    type === 'file'
      ? {
          a: allowed.append,
          d: allowed.delete,
          f: allowed.rename,
          r: allowed.read,
          // The file is there, so a STOR to it replaces it.
          w: allowed.write && allowed.overwrite,
        }
      : {
          c: allowed.write,
          d: allowed.removeDirectory,
          e: allowed.enter,
          f: allowed.rename,
          l: allowed.list,
          m: allowed.makeDirectory,
          p: allowed.delete,
        };
  return Object.entries(letters)
    .flatMap(([letter, may]) => (may ? letter : []))
    .join('');
}

/**
 * The unique fact's value: the same for the same object in every listing and from every task, different for
 * different ones (RFC 3659 section 7.5.2). 132 bits of SHA-256: clients take equal values for one file, so a
 * checksum that may collide will not do.
 */
export function uniqueFact(bucketAndKey: string): string {
  return hash('sha256', bucketAndKey, 'base64url').slice(0, 22);
}

/**
 * What OPTS MLST asks for, in our order: names in any case, each ended by `;`, unknown ones left out. Nothing
 * asked for gives no facts (RFC 3659 section 7.9).
 */
export function parseMlstOptions(argument: string): MlstFact[] {
  const wanted = new Set(argument.split(';').map((name) => name.trim().toLowerCase()));
  return MLST_FACTS.filter((fact) => wanted.has(fact.toLowerCase()));
}

/** FEAT's line for MLST: every fact, the selected ones with a star (RFC 3659 section 7.8). */
export function featMlst(selected: ReadonlySet<MlstFact>): string {
  return `MLST ${MLST_FACTS.map((fact) => `${fact}${selected.has(fact) ? '*' : ''};`).join('')}`;
}

/**
 * What LIST, NLST and STAT are given: options in the manner of `ls`, which many clients send though no standard
 * knows them, then after one blank one path to the end of the line, its own blanks included. Of the options only
 * `R` means anything. A path that looks like options is written `./-x`.
 */
export function parseListArgument(argument: string): {
  readonly recursive: boolean;
  readonly path: string | undefined;
} {
  let path = argument;
  let recursive = false;
  for (;;) {
    const [option] = /^-[A-Za-z1]+(?: |$)/.exec(path) ?? [];
    if (option === undefined) return { recursive, path: path === '' ? undefined : path };
    recursive ||= option.includes('R');
    path = path.slice(option.length);
  }
}
