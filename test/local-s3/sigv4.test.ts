import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { readRequest } from '../../src/local-s3/request.ts';
import { authenticate } from '../../src/local-s3/sigv4.ts';

// The examples of the S3 API reference: "Examples: signature calculations", "Authenticating requests: using query
// parameters" and "Transferring payload in multiple chunks".
const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const THEN = Date.UTC(2013, 4, 24);
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function verify(method: string, url: string, headers: Record<string, string>, now = THEN) {
  const headersDistinct = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
  const message = { method, url, headers, headersDistinct } as unknown as IncomingMessage;
  return authenticate(
    readRequest(message, () => undefined),
    CREDENTIALS,
    now,
  );
}

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedHeaders},Signature=${signature}`;
}

const host = 'examplebucket.s3.amazonaws.com';
const common = { host, 'x-amz-content-sha256': EMPTY, 'x-amz-date': '20130524T000000Z' };
const get = {
  ...common,
  range: 'bytes=0-9',
  authorization: authorization(
    'host;range;x-amz-content-sha256;x-amz-date',
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ),
};
const simple = (signature: string) => ({
  ...common,
  authorization: authorization('host;x-amz-content-sha256;x-amz-date', signature),
});

const presigned =
  '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

describe('a request signed as in the examples of AWS', () => {
  test('is accepted: GET with a range', () => {
    expect(verify('GET', '/test.txt', get).contentSha256).toBe(EMPTY);
  });

  test('is accepted: PUT with a date header and a dollar sign in its key', () => {
    const sha = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
    const signed = 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class';
    verify('PUT', '/test%24file.text', {
      ...common,
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': sha,
      authorization: authorization(
        signed,
        '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      ),
    });
  });

  test('is accepted: GET ?lifecycle, and a listing with parameters in any order', () => {
    verify('GET', '/?lifecycle', simple('fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'));
    const listing = simple('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
    verify('GET', '/?max-keys=2&prefix=J', listing);
    verify('GET', '/?prefix=J&max-keys=2', listing);
  });

  test('is accepted: a presigned URL, for a day', () => {
    verify('GET', presigned, { host });
    verify('GET', presigned, { host }, THEN + 86_399_000);
    expect(() => verify('GET', presigned, { host }, THEN + 86_401_000)).toThrow(/expired/);
  });

  test('is accepted: a body in signed chunks', () => {
    const signed =
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class';
    const { chunkSigner } = verify('PUT', '/examplebucket/chunkObject.txt', {
      host: 's3.amazonaws.com',
      'x-amz-date': '20130524T000000Z',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': '66560',
      'content-length': '66824',
      authorization: authorization(
        signed,
        '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      ),
    });
    const sha256 = (size: number): string => createHash('sha256').update('a'.repeat(size)).digest('hex');
    expect(
      chunkSigner.chunk(sha256(65_536), 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'),
    ).toBe(true);
    expect(
      chunkSigner.chunk(sha256(1024), '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'),
    ).toBe(true);
    expect(
      chunkSigner.chunk(sha256(0), 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'),
    ).toBe(true);
  });
});

describe('a request is refused', () => {
  const code = (call: () => unknown): string => {
    try {
      call();
      return 'accepted';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('where anything signed was changed', () => {
    expect(code(() => verify('HEAD', '/test.txt', get))).toBe('SignatureDoesNotMatch');
    expect(code(() => verify('GET', '/test2.txt', get))).toBe('SignatureDoesNotMatch');
    expect(code(() => verify('GET', '/test.txt?a=b', get))).toBe('SignatureDoesNotMatch');
    expect(code(() => verify('GET', '/test.txt', { ...get, range: 'bytes=0-10' }))).toBe(
      'SignatureDoesNotMatch',
    );
    expect(code(() => verify('GET', '/test.txt', { ...get, host: 'other' }))).toBe('SignatureDoesNotMatch');
    expect(code(() => verify('GET', presigned.replace('86400', '86401'), { host }))).toBe(
      'SignatureDoesNotMatch',
    );
  });

  test('where an x-amz header was added without being signed', () => {
    expect(code(() => verify('GET', '/test.txt', { ...get, 'x-amz-acl': 'public-read' }))).toBe(
      'AccessDenied',
    );
  });

  test('more than 15 minutes from its time, either way', () => {
    const minutes = 60_000;
    expect(code(() => verify('GET', '/test.txt', get, THEN + 14 * minutes))).toBe('accepted');
    expect(code(() => verify('GET', '/test.txt', get, THEN + 16 * minutes))).toBe('RequestTimeTooSkewed');
    expect(code(() => verify('GET', '/test.txt', get, THEN - 16 * minutes))).toBe('RequestTimeTooSkewed');
  });

  test('where the authentication is missing, of another kind, or malformed', () => {
    expect(code(() => verify('GET', '/test.txt', common))).toBe('AccessDenied');
    expect(code(() => verify('GET', '/test.txt', { ...common, authorization: 'AWS key:signature' }))).toBe(
      'InvalidRequest',
    );
    const malformed = { ...common, authorization: 'AWS4-HMAC-SHA256 Credential=a' };
    expect(code(() => verify('GET', '/test.txt', malformed))).toBe('AuthorizationHeaderMalformed');
    const region = { ...get, authorization: get.authorization.replace('us-east-1', 'eu-west-1') };
    expect(code(() => verify('GET', '/test.txt', region))).toBe('AuthorizationHeaderMalformed');
    const key = { ...get, authorization: get.authorization.replace('AKIAIOSFODNN7EXAMPLE', 'AKIAOTHER') };
    expect(code(() => verify('GET', '/test.txt', key))).toBe('InvalidAccessKeyId');
    expect(code(() => verify('GET', '/test.txt', { ...get, 'x-amz-date': 'yesterday' }))).toBe(
      'AuthorizationHeaderMalformed',
    );
    const never = presigned.replace('X-Amz-Expires=86400', 'X-Amz-Expires=99999999');
    expect(code(() => verify('GET', never, { host }))).toBe('AuthorizationQueryParametersError');
  });
});
