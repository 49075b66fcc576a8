import type { Lease } from '../../src/fs/memory-pool.ts';

const never = new AbortController().signal;

/** How clients of a known pace claim a whole part. */
export const fast = { signal: never, pace: 'fast', growing: false } as const;
export const slow = { signal: never, pace: 'slow', growing: false } as const;

/** Lets everything that is settled now be told. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Notes whether a claim has been granted. */
export function watched(claim: Promise<Lease>): { lease?: Lease; error?: unknown } {
  const seen: { lease?: Lease; error?: unknown } = {};
  claim.then(
    (lease) => {
      seen.lease = lease;
    },
    (error) => {
      seen.error = error;
    },
  );
  return seen;
}
