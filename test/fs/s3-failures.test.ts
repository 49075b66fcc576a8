import { NoSuchKey, S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { isFailure, StorageError, type StorageFailure } from '../../src/fs/errors.ts';
import { named, toStorageError } from '../../src/fs/s3-failures.ts';

/** An error as the SDK throws it. */
function s3Error(name: string, status?: number, message = 'why'): Error {
  const $metadata = status === undefined ? {} : { httpStatusCode: status };
  return new S3ServiceException({ name, message, $fault: 'client', $metadata });
}

test.each<[string, number, StorageFailure]>([
  ['NotFound', 404, 'not-found'],
  ['NoSuchKey', 404, 'not-found'],
  ['NoSuchUpload', 404, 'upload-gone'],
  ['NoSuchBucket', 404, 'unavailable'],
  ['AccessDenied', 403, 'denied'],
  ['Forbidden', 403, 'denied'],
  ['AllAccessDisabled', 403, 'denied'],
  ['InvalidObjectState', 403, 'archived'],
  ['InvalidRange', 416, 'bad-offset'],
  ['PreconditionFailed', 412, 'exists'],
  ['ConditionalRequestConflict', 409, 'conflict'],
  ['OperationAborted', 409, 'conflict'],
  ['SlowDown', 503, 'throttled'],
  ['RequestLimitExceeded', 503, 'throttled'],
  ['ThrottlingException', 400, 'throttled'],
  ['EntityTooLarge', 400, 'too-large'],
  ['KeyTooLongError', 400, 'bad-name'],
  ['BadDigest', 400, 'damaged'],
  ['InvalidDigest', 400, 'damaged'],
  ['InternalError', 500, 'unavailable'],
  ['RequestTimeout', 400, 'unavailable'],
  ['ServiceUnavailable', 503, 'throttled'],
])('S3 answers %s with %i: %s', (name, status, failure) => {
  expect(toStorageError(s3Error(name, status)).failure).toBe(failure);
});

test.each<[number, StorageFailure]>([
  [403, 'denied'],
  [404, 'not-found'],
  [409, 'conflict'],
  [412, 'exists'],
  [416, 'bad-offset'],
  [429, 'throttled'],
  [503, 'throttled'],
  [507, 'too-large'],
  [301, 'unavailable'],
  [400, 'unavailable'],
  [500, 'unavailable'],
  [502, 'unavailable'],
])('a code that nobody knows is told by its status: %i is %s', (status, failure) => {
  expect(toStorageError(s3Error('Unknown', status)).failure).toBe(failure);
});

test.each([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
  'InvalidToken',
])("Ferry's own credentials (%s) make S3 unavailable, they are not the user's lack of a right", (name) => {
  expect(toStorageError(s3Error(name, 403)).failure).toBe('unavailable');
});

describe('without an answer of S3', () => {
  test.each(['CredentialsProviderError', 'TimeoutError', 'Error'])('%s is unavailable', (name) => {
    expect(toStorageError(Object.assign(new Error('why'), { name })).failure).toBe('unavailable');
  });

  test('a refused connection is unavailable', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(toStorageError(refused).failure).toBe('unavailable');
  });

  test('an aborted request is cancelled', () => {
    expect(toStorageError(new DOMException('stop', 'AbortError')).failure).toBe('cancelled');
  });

  test.each(['a string', 42, {}, null, undefined])('even %j thrown is unavailable', (thrown) => {
    expect(toStorageError(thrown).failure).toBe('unavailable');
  });
});

test('the message has code, status and text for the log, and the cause is kept', () => {
  const cause = s3Error('SlowDown', 503, 'Reduce your rate');
  const error = toStorageError(cause);
  expect(error.message).toBe('S3: SlowDown (HTTP 503): Reduce your rate');
  expect(error.cause).toBe(cause);
  expect(toStorageError(new Error('gone')).message).toBe('S3: Error: gone');
});

test('what has a name already keeps it', () => {
  const error = new StorageError('not-empty', 'full');
  expect(toStorageError(error)).toBe(error);
});

test('a request that succeeds gives its answer, one that fails its failure by meaning', async () => {
  expect(await named(Promise.resolve(7))).toBe(7);
  const missing = Promise.reject(new NoSuchKey({ message: 'none', $metadata: { httpStatusCode: 404 } }));
  await expect(named(missing)).rejects.toThrow(expect.objectContaining({ failure: 'not-found' }));
});

test('a failure is told apart from others and from foreign errors', () => {
  const error = new StorageError('denied', 'no');
  expect(isFailure(error, 'denied')).toBe(true);
  expect(isFailure(error, 'not-found', 'denied')).toBe(true);
  expect(isFailure(error, 'not-found')).toBe(false);
  expect(isFailure(error)).toBe(false);
  expect(isFailure({ failure: 'denied' }, 'denied')).toBe(false);
});
