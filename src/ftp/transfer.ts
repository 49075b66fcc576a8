import { DataBrokenError } from './data.ts';
import type { DataTls } from './tls/data-tls.ts';
import type { Verdict } from './verdict.ts';

/** An upload whose bytes came, but which is not complete; nothing of it is published. */
export class IncompleteUploadError extends Error {
  override readonly name = 'IncompleteUploadError';
  readonly verdict: Exclude<Verdict, 'complete'>;
  constructor(verdict: Exclude<Verdict, 'complete'>, options?: ErrorOptions) {
    super(`the upload is not complete: ${verdict}`, options);
    this.verdict = verdict;
  }
}

/** Why a transfer was cut. */
export type AbortReason = 'abor' | 'control-lost' | 'shutdown';

/** A command that moves data, while it runs beside the control loop. */
export class Transfer {
  readonly verb: string;
  /** What REST asked for: bytes to skip. */
  readonly offset: number;
  /** What ALLO announced, in bytes. */
  readonly announced: number | undefined;
  readonly started = performance.now();
  /** Virtual path, once known. */
  path = '';
  /** Bytes that went over the data connection. */
  bytes = 0;
  /** Requests to S3 that it has made. */
  requests = 0;
  /** Its data connection, where that is in TLS. */
  secured: DataTls | undefined;
  /** The 150 mark was sent. */
  begun = false;
  /** The client gave up this transfer, or lost the right to it. */
  abortedBy: AbortReason | undefined;
  /** Settles, never rejects, when the final reply has been sent. */
  finished: Promise<void> = Promise.resolve();
  readonly #abort = new AbortController();
  #committing = false;

  constructor(verb: string, offset: number, announced: number | undefined) {
    this.verb = verb;
    this.offset = offset;
    this.announced = announced;
  }

  /** Aborted when the transfer is to be cut. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Cuts the transfer, unless its commit has begun: then its outcome stands. */
  abort(reason: AbortReason): void {
    if (this.#committing || this.abortedBy) return;
    this.abortedBy = reason;
    this.#abort.abort(new DataBrokenError('aborted', { cause: reason }));
  }

  /** From here on the transfer is no longer cut: what S3 may have published must be told as it is. */
  commit(): void {
    this.#committing = true;
  }

  count = (bytes: number): void => {
    this.bytes += bytes;
  };
}
