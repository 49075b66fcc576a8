import { isFailure, StorageError, type StorageFailure } from './errors.ts';

/** S3's error codes by meaning; "not found" has several names, and differs between servers. */
const BY_CODE: Readonly<Record<string, StorageFailure>> = {
  NotFound: 'not-found',
  NoSuchKey: 'not-found',
  NoSuchUpload: 'upload-gone',
  // Somebody else wrote to the same upload.
  InvalidPart: 'upload-gone',
  NoSuchBucket: 'unavailable',
  AccessDenied: 'denied',
  Forbidden: 'denied',
  AllAccessDisabled: 'denied',
  InvalidObjectState: 'archived',
  InvalidRange: 'bad-offset',
  PreconditionFailed: 'exists',
  ConditionalRequestConflict: 'conflict',
  OperationAborted: 'conflict',
  SlowDown: 'throttled',
  RequestLimitExceeded: 'throttled',
  ThrottlingException: 'throttled',
  EntityTooLarge: 'too-large',
  KeyTooLongError: 'bad-name',
  BadDigest: 'damaged',
  InvalidDigest: 'damaged',
  AbortError: 'cancelled',
};

const BY_STATUS: Readonly<Record<number, StorageFailure>> = {
  403: 'denied',
  404: 'not-found',
  409: 'conflict',
  412: 'exists',
  416: 'bad-offset',
  429: 'throttled',
  503: 'throttled',
  507: 'too-large',
};

/** Ferry's own trouble with S3, not the user's lack of a right. */
const CREDENTIALS =
  /^(ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|RequestTimeTooSkewed|InvalidToken|CredentialsProviderError|TokenRefreshRequired)/;

/** Names a failed request by meaning; what is neither known by code nor by status is `unavailable`. */
export function toStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const {
    name = '',
    message = '',
    $metadata,
  } = (error ?? {}) as Partial<Error> & {
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const failure = CREDENTIALS.test(name)
    ? 'unavailable'
    : (BY_CODE[name] ?? (status === undefined ? 'unavailable' : BY_STATUS[status]) ?? 'unavailable');
  const detail = status === undefined ? '' : ` (HTTP ${status})`;
  return new StorageError(failure, `S3: ${name}${detail}: ${message}`, { cause: error });
}

/**
 * The answer of a request; its failure as a StorageError.
 * @param conditions that were put on what is written or read: where `ifMatch` or `sourceEtag` fails, the failure
 * is `changed`
 */
export async function named<T>(
  request: Promise<T>,
  { ifMatch, sourceEtag }: { ifMatch?: string; sourceEtag?: string } = {},
): Promise<T> {
  try {
    return await request;
  } catch (error) {
    const failure = toStorageError(error);
    if (ifMatch !== undefined && isFailure(failure, 'exists', 'not-found'))
      throw new StorageError('changed', failure.message, { cause: error });
    if (sourceEtag !== undefined && isFailure(failure, 'exists') && isOfSource(error))
      throw new StorageError('changed', failure.message, { cause: error });
    throw failure;
  }
}

/** S3 names the condition that failed: that on a copy's source, or on its target. */
function isOfSource(error: unknown): boolean {
  const { Condition = '' } = (error ?? {}) as { Condition?: string };
  return !/^If-None-Match$/i.test(Condition);
}
