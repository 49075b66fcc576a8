/**
 * Failures of storage, named by meaning. Transient ones (`throttled`, `unavailable`, `conflict`, `changed`, `damaged`,
 * `upload-gone`) may succeed when tried again; the others will not.
 */
export type StorageFailure =
  | 'not-found'
  | 'exists'
  | 'is-a-directory'
  | 'not-a-directory'
  | 'not-empty'
  | 'denied'
  | 'bad-name'
  | 'bad-offset'
  | 'unsupported'
  | 'archived'
  | 'too-large'
  | 'changed'
  | 'conflict'
  | 'throttled'
  | 'unavailable'
  | 'damaged'
  | 'upload-gone'
  | 'upload-broken'
  | 'cancelled';

/** Thrown by everything in `src/fs`. The message is for the operator's log, never for a client. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly failure: StorageFailure;
  constructor(failure: StorageFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Whether an error is a StorageError of one of these failures. */
export function isFailure(error: unknown, ...failures: StorageFailure[]): error is StorageError {
  return error instanceof StorageError && failures.includes(error.failure);
}

/** For `catch`: what is missing is undefined. */
export function notFound(error: unknown): undefined {
  if (!isFailure(error, 'not-found')) throw error;
}
