import type { DataEnding } from './tls/data-tls.ts';

/** What is known of an upload when its last byte is in. */
export interface Evidence {
  /** `fin`: the client's, in plain FTP; in TLS how it ended; `broken`: reset, stalled, or cut by us. */
  readonly data: 'fin' | DataEnding | 'broken';
  /** A FIN without close_notify means that something broke: the client has sent one before, or always must. */
  readonly notifies: boolean;
  /** The control connection: still there; said QUIT, whatever came after; ended without it; or no longer read. */
  readonly control: 'open' | 'quit' | 'lost' | 'overrun';
  /** ABOR came. */
  readonly aborted: boolean;
  readonly bytes: number;
  /** What ALLO announced, where `FERRY_ALLO=exact` gives it that meaning. */
  readonly announced: number | undefined;
}

export type Verdict = 'complete' | 'aborted' | 'data-broken' | 'control-lost' | 'overrun' | 'size-differs';

/**
 * Whether an upload is complete. Only a complete one is committed; every other end is a broken one.
 * The table stands in docs/SEMANTICS.md.
 */
export function verdict({ data, notifies, control, aborted, bytes, announced }: Evidence): Verdict {
  if (aborted) return 'aborted';
  if (data === 'broken') return 'data-broken';
  if (data === 'bare-fin' && notifies) return 'data-broken';
  if (control === 'lost') return 'control-lost';
  // An ABOR could be hidden behind what is not read any more.
  if (control === 'overrun') return 'overrun';
  if (announced !== undefined && announced !== bytes) return 'size-differs';
  return 'complete';
}
