import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { S3Error } from './errors.ts';
import { header, type S3Request } from './request.ts';

// Signature Version 4 as the server sees it: "Authenticating Requests (AWS Signature Version 4)", S3 API reference.

const MAX_SKEW_MS = 15 * 60 * 1000;
const MAX_EXPIRES_S = 7 * 24 * 3600;

/** The one pair of keys that this server knows, and its region. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** What an authenticated request says about its body. */
export interface Authenticated {
  /** `x-amz-content-sha256`: a hash in hex, `UNSIGNED-PAYLOAD` or `STREAMING-...`. */
  readonly contentSha256: string;
  /** What signed chunks chain from. */
  readonly chunkSigner: ChunkSigner;
}

/** Signs the chunks of one `aws-chunked` body, each chained to the one before. */
export interface ChunkSigner {
  /** Whether `signature` is that of the next chunk, whose content has this SHA-256 (hex). */
  chunk(sha256: string, signature: string): boolean;
  /** Whether `signature` is that of the trailer headers that follow the last chunk. */
  trailer(sha256: string, signature: string): boolean;
}

interface Claim {
  accessKeyId: string;
  scopeDate: string;
  region: string;
  service: string;
  signedHeaders: string[];
  signature: string;
  timestamp: string;
  contentSha256: string;
  /** Seconds, for presigned URLs. */
  expires?: number;
}

const sha256Hex = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer | KeyObject, data: string | Buffer): Buffer =>
  createHmac('sha256', key).update(data).digest();
const EMPTY_SHA256 = sha256Hex('');

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Percent-encodes all but A-Z a-z 0-9 - _ . ~ (SigV4, UriEncode). */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function canonicalPath(rawPath: string): string {
  return rawPath
    .split('/')
    .map((segment) => uriEncode(decodeURIComponent(segment)))
    .join('/');
}

function canonicalQuery(rawQuery: string): string {
  const pairs: [string, string][] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    if (name === 'X-Amz-Signature') continue;
    const encode = (text: string): string => uriEncode(decodeURIComponent(text.replaceAll('+', ' ')));
    pairs.push([encode(name), encode(value)]);
  }
  pairs.sort(([n1, v1], [n2, v2]) => (n1 === n2 ? (v1 < v2 ? -1 : 1) : n1 < n2 ? -1 : 1));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function canonicalRequest(request: S3Request, claim: Claim): string {
  const headers = claim.signedHeaders.map((name) => {
    const value =
      request.message.headersDistinct[name]?.map((v) => v.trim().replace(/ +/g, ' ')).join(',') ?? '';
    return `${name}:${value}\n`;
  });
  return [
    request.method,
    canonicalPath(request.rawPath),
    canonicalQuery(request.rawQuery),
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.contentSha256,
  ].join('\n');
}

function parseCredential(
  credential: string,
): Pick<Claim, 'accessKeyId' | 'scopeDate' | 'region' | 'service'> | undefined {
  const match = /^(.+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/.exec(credential);
  if (!match) return undefined;
  const [, accessKeyId = '', scopeDate = '', region = '', service = ''] = match;
  return { accessKeyId, scopeDate, region, service };
}

function claimOfHeader(request: S3Request, authorization: string): Claim {
  if (!authorization.startsWith('AWS4-HMAC-SHA256')) {
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    );
  }
  const fields = new Map<string, string>();
  for (const part of authorization.slice('AWS4-HMAC-SHA256'.length).split(',')) {
    const equals = part.indexOf('=');
    if (equals > 0) fields.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const credential = parseCredential(fields.get('Credential') ?? '');
  const signedHeaders = fields.get('SignedHeaders');
  const signature = fields.get('Signature');
  if (!credential || !signedHeaders || !signature) throw new S3Error('AuthorizationHeaderMalformed');
  const contentSha256 = header(request, 'x-amz-content-sha256');
  if (contentSha256 === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const timestamp = header(request, 'x-amz-date') ?? basicDate(header(request, 'date'));
  return { ...credential, signedHeaders: signedHeaders.split(';'), signature, timestamp, contentSha256 };
}

function basicDate(httpDate: string | undefined): string {
  const time = Date.parse(httpDate ?? '');
  return Number.isNaN(time) ? '' : `${new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')}`;
}

function claimOfQuery(request: S3Request): Claim {
  const { query } = request;
  const malformed = (message: string): S3Error => new S3Error('AuthorizationQueryParametersError', message);
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  }
  const credential = parseCredential(query.get('X-Amz-Credential') ?? '');
  const signedHeaders = query.get('X-Amz-SignedHeaders');
  const signature = query.get('X-Amz-Signature');
  if (!credential || !signedHeaders || !signature) {
    throw malformed(
      'Query-string authentication needs the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  const expires = query.get('X-Amz-Expires') ?? '';
  if (!/^\d{1,9}$/.test(expires) || Number(expires) < 1 || Number(expires) > MAX_EXPIRES_S) {
    throw malformed('X-Amz-Expires must be between 1 and 604800 seconds');
  }
  return {
    ...credential,
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp: query.get('X-Amz-Date') ?? '',
    contentSha256:
      query.get('X-Amz-Content-Sha256') ?? header(request, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD',
    expires: Number(expires),
  };
}

function checkTime(claim: Claim, now: number): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.timestamp);
  if (!match)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  const [, year, month, day, hour, minute, second] = match.map(Number);
  const signedAt = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  if (claim.expires === undefined) {
    if (Math.abs(now - signedAt) > MAX_SKEW_MS) throw new S3Error('RequestTimeTooSkewed');
  } else {
    if (signedAt - now > MAX_SKEW_MS) throw new S3Error('AccessDenied', 'Request is not yet valid');
    if (now > signedAt + claim.expires * 1000) throw new S3Error('AccessDenied', 'Request has expired');
  }
}

function checkScope(request: S3Request, claim: Claim, credentials: Credentials): void {
  const code =
    claim.expires === undefined ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError';
  if (claim.accessKeyId !== credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId');
  if (claim.region !== credentials.region) {
    throw new S3Error(
      code,
      `The authorization header is malformed; the region '${claim.region}' is wrong; expecting '${credentials.region}'`,
      {
        details: { Region: credentials.region },
      },
    );
  }
  if (claim.service !== 's3') throw new S3Error(code, 'The service of the credential scope must be s3.');
  if (!claim.timestamp.startsWith(claim.scopeDate))
    throw new S3Error(code, 'The date of the credential scope is wrong.');
  const signed = new Set(claim.signedHeaders);
  const mustSign = Object.keys(request.message.headers).filter((name) => name.startsWith('x-amz-'));
  if (!signed.has('host') || mustSign.some((name) => !signed.has(name) && name !== 'x-amz-content-sha256')) {
    throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed');
  }
}

let cachedKey: { id: string; key: KeyObject } | undefined;

function signingKey(credentials: Credentials, date: string): KeyObject {
  const id = `${date}/${credentials.region}/${credentials.secretAccessKey}`;
  if (cachedKey?.id !== id) {
    const key = ['s3', 'aws4_request'].reduce<Buffer>(
      (parent, word) => hmac(parent, word),
      hmac(hmac(`AWS4${credentials.secretAccessKey}`, date), credentials.region),
    );
    cachedKey = { id, key: createSecretKey(key) };
  }
  return cachedKey.key;
}

function chunkSigner(claim: Claim, key: KeyObject, scope: string): ChunkSigner {
  let previous = claim.signature;
  const next = (kind: string, hashes: string[], signature: string): boolean => {
    const toSign = [`AWS4-HMAC-SHA256-${kind}`, claim.timestamp, scope, previous, ...hashes].join('\n');
    previous = hmac(key, toSign).toString('hex');
    return sameText(previous, signature);
  };
  return {
    chunk: (sha256, signature) => next('PAYLOAD', [EMPTY_SHA256, sha256], signature),
    trailer: (sha256, signature) => next('TRAILER', [sha256], signature),
  };
}

/**
 * Checks who sent a request. `now` is in milliseconds.
 * Throws AccessDenied (anonymous, expired, unsigned headers), InvalidAccessKeyId, SignatureDoesNotMatch,
 * RequestTimeTooSkewed, or an error about malformed authentication. Does not look at the body.
 */
export function authenticate(request: S3Request, credentials: Credentials, now: number): Authenticated {
  const authorization = header(request, 'authorization');
  const presigned = request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature');
  if (authorization === undefined && !presigned) throw new S3Error('AccessDenied');
  if (authorization !== undefined && presigned) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed');
  }
  const claim = authorization === undefined ? claimOfQuery(request) : claimOfHeader(request, authorization);
  checkScope(request, claim, credentials);
  checkTime(claim, now);
  const scope = `${claim.scopeDate}/${claim.region}/s3/aws4_request`;
  // Node gives headers as Latin-1; the client hashed the bytes.
  const canonical = Buffer.from(canonicalRequest(request, claim), 'latin1');
  const key = signingKey(credentials, claim.scopeDate);
  const expected = hmac(
    key,
    `AWS4-HMAC-SHA256\n${claim.timestamp}\n${scope}\n${sha256Hex(canonical)}`,
  ).toString('hex');
  if (!sameText(expected, claim.signature)) throw new S3Error('SignatureDoesNotMatch');
  return { contentSha256: claim.contentSha256, chunkSigner: chunkSigner(claim, key, scope) };
}
