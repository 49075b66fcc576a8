import type { DigestAlgorithm } from '../fs/digest.ts';
import type { Filesystem } from '../fs/filesystem.ts';
import type { RenameSource } from '../fs/move.ts';
import type { Identity } from '../identity/identity.ts';
import type { Seat } from './admission.ts';
import type { Endpoint } from './endpoint.ts';
import { DEFAULT_FACTS, type MlstFact } from './listing.ts';

/** Who is logged in, and what they see. */
export interface Login {
  readonly identity: Identity;
  readonly filesystem: Filesystem;
  /** What of the user's limits this session uses. */
  readonly seat: Seat;
}

/** What the commands of a session set and read; REIN sets it back whole (RFC 959 4.1.1). */
export interface SessionState {
  /** USER's argument, until PASS or REIN. */
  userName: string | undefined;
  login: Login | undefined;
  failedLogins: number;
  cwd: string;
  type: 'A' | 'I';
  /** Of data connections: clear or private (RFC 4217 section 9). */
  protection: 'C' | 'P';
  endpoint: Endpoint | undefined;
  /** After `EPSV ALL` only EPSV is taken (RFC 2428 section 4). */
  epsvOnly: boolean;
  /** What REST asked for; consumed by the next transfer command. */
  restart: number;
  /** What RANG asked for, both ends included; consumed by the next HASH or RETR. */
  range: { readonly start: number; readonly end: number } | undefined;
  /** What HASH gives. */
  hash: DigestAlgorithm;
  /** What ALLO announced; consumed by the next upload. */
  announced: number | undefined;
  renameSource: RenameSource | undefined;
  facts: ReadonlySet<MlstFact>;
  /** The client asked for it by OPTS, whatever is configured. */
  utf8: boolean;
  client: string | undefined;
}

export function initialState(): SessionState {
  return {
    userName: undefined,
    login: undefined,
    failedLogins: 0,
    cwd: '/',
    type: 'A',
    protection: 'C',
    endpoint: undefined,
    epsvOnly: false,
    restart: 0,
    range: undefined,
    hash: 'CRC32',
    announced: undefined,
    renameSource: undefined,
    facts: new Set(DEFAULT_FACTS),
    utf8: false,
    client: undefined,
  };
}
