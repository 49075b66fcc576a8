import type { Config } from '../config.ts';
import type { Identity } from '../identity/identity.ts';
import { type InNetworks, inNetworks, openTo, sourceOf } from '../identity/networks.ts';
import { Throttle } from '../identity/throttle.ts';
import { Bucket, type Pace, paceOf, rateFor } from './pace.ts';

/** Why a connection is not served: what it is told, and what the log says. */
export interface Refusal {
  readonly text: string;
  readonly reason: string;
}

/** What a session that has logged in uses of its user's limits. */
export interface Seat {
  /** Of bytes from the client; undefined: no limit. */
  readonly upload: Pace | undefined;
  /** Of bytes to the client; undefined: no limit. */
  readonly download: Pace | undefined;
  /** The session is over, or its user has left it; again and again without effect. */
  leave(): void;
}

/** What the sessions of one user share. */
interface User {
  sessions: number;
  upload: Bucket | undefined;
  download: Bucket | undefined;
}

/** The limits that all sessions of the process share, and who may come at all (docs/LIMITS.md). */
export class Admission {
  readonly throttle: Throttle;
  readonly #config: Config;
  readonly #open: InNetworks;
  #sessions = 0;
  readonly #perSource = new Map<string, number>();
  readonly #users = new Map<string, User>();

  constructor(config: Config) {
    this.#config = config;
    this.#open = openTo(config.networks);
    this.throttle = new Throttle({
      attempts: config.limits.banAttempts,
      window: config.times.ban,
      now: () => performance.now(),
    });
  }

  /**
   * A connection has come.
   * @param address un-mapped
   * @returns to be called once when it has gone; or why it is refused
   */
  enter(address: string): (() => void) | Refusal {
    const { sessions, sessionsPerAddress } = this.#config.limits;
    // A stranger need not know which of the rules it was.
    if (!this.#open(address)) return { text: 'Service not available.', reason: 'network' };
    if (this.#sessions >= sessions)
      return { text: 'Too many connections, try again later.', reason: 'sessions' };
    const source = sourceOf(address);
    const here = this.#perSource.get(source) ?? 0;
    if (here >= sessionsPerAddress)
      return { text: 'Too many connections from your address.', reason: 'sessions-per-address' };
    this.#sessions += 1;
    this.#perSource.set(source, here + 1);
    return () => {
      this.#sessions -= 1;
      const others = (this.#perSource.get(source) ?? 1) - 1;
      if (others > 0) this.#perSource.set(source, others);
      else this.#perSource.delete(source);
    };
  }

  /**
   * A user has shown who they are.
   * @returns undefined where they have as many sessions as they may
   */
  seat(identity: Identity): Seat | undefined {
    const { limits } = this.#config;
    const user = this.#users.get(identity.user) ?? { sessions: 0, upload: undefined, download: undefined };
    if (user.sessions >= (identity.limits?.sessions ?? limits.sessionsPerUser)) return undefined;
    this.#users.set(identity.user, user);
    user.sessions += 1;
    const upload = rateFor(identity.limits?.uploadRate, limits.uploadRate);
    const download = rateFor(identity.limits?.downloadRate, limits.downloadRate);
    user.upload = bucketOf(upload.user, user.upload);
    user.download = bucketOf(download.user, user.download);
    let left = false;
    return {
      upload: paceOf([bucketOf(upload.session), user.upload]),
      download: paceOf([bucketOf(download.session), user.download]),
      leave: () => {
        if (left) return;
        left = true;
        user.sessions -= 1;
        if (user.sessions === 0) this.#users.delete(identity.user);
      },
    };
  }
}

/** Whether a user may come from an address. */
export function mayComeFrom({ networks }: Identity, address: string): boolean {
  return networks === undefined || inNetworks(networks)(address);
}

/** @param rate bytes a second; 0: no limit @param old goes on with its debt */
function bucketOf(rate: number, old?: Bucket): Bucket | undefined {
  if (rate === 0) return undefined;
  old?.setRate(rate);
  return old ?? new Bucket(rate);
}
