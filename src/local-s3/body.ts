import { createHash } from 'node:crypto';
import {
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  checksumHeader,
  parseAlgorithm,
  parseDigest,
  startChecksum,
} from './checksums.ts';
import { ChunkedDecoder } from './chunked.ts';
import { S3Error } from './errors.ts';
import { header, type S3Request } from './request.ts';
import type { Authenticated } from './sigv4.ts';
import { type Place, Spool } from './spool.ts';

/** Up to this size a body stays in memory until it is published; beyond, it is spooled to a file. */
const IN_MEMORY = 256 * 1024;
/** S3: the largest PutObject or UploadPart. */
const MAX_UPLOAD = 5 * 1024 ** 3;

/** A body that was received whole and agrees with all that its request says about it. */
export interface Payload {
  size: number;
  md5: Buffer;
  /** Checksums that the request sent or the caller asked for, raw. */
  checksums: Map<ChecksumAlgorithm, Buffer>;
  /** Bytes; or the path of a temporary file that now belongs to the caller; undefined where it is in its place. */
  content: Buffer | string | undefined;
}

/** How a body is received. */
export interface ReceiveOptions {
  /** Where a large one is spooled. */
  directory: string;
  /** Algorithms to compute besides those that the request names. */
  compute?: readonly ChecksumAlgorithm[];
  /** The largest size in bytes; 5 GiB by default, as in S3. */
  limit?: number;
  /** Up to how many bytes stay in memory. */
  inMemory?: number;
  /** Whether x-amz-checksum-... headers speak of an object, not of this body (CompleteMultipartUpload). */
  checksumsOfObject?: boolean;
  /** Where all content is to be written. */
  place?: Place | undefined;
}

interface Expected {
  size: number;
  md5: Buffer | undefined;
  sha256: string | undefined;
  checksums: Map<ChecksumAlgorithm, Buffer>;
  trailer: ChecksumAlgorithm | undefined;
  decoder: ChunkedDecoder | undefined;
}

function trailerAlgorithm(request: S3Request): ChecksumAlgorithm | undefined {
  const name = header(request, 'x-amz-trailer')?.trim().toLowerCase();
  if (name === undefined || name === '') return undefined;
  const found = CHECKSUM_ALGORITHMS.find((algorithm) => checksumHeader(algorithm) === name);
  if (!found)
    throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
  return found;
}

function declaredChecksums(request: S3Request): Map<ChecksumAlgorithm, Buffer> {
  const found = new Map<ChecksumAlgorithm, Buffer>();
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = header(request, checksumHeader(algorithm));
    if (value !== undefined) found.set(algorithm, parseDigest(algorithm, value));
  }
  if (found.size > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const named = header(request, 'x-amz-sdk-checksum-algorithm');
  if (named !== undefined && found.size > 0 && !found.has(parseAlgorithm(named))) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  return found;
}

function contentMd5(request: S3Request): Buffer | undefined {
  const text = header(request, 'content-md5');
  if (text === undefined) return undefined;
  const md5 = Buffer.from(text, 'base64');
  if (md5.length !== 16) throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  return md5;
}

function length(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new S3Error('MissingContentLength');
  return Number(text);
}

/** The size that a request announces for its content. Throws MissingContentLength. */
export function declaredSize(request: S3Request, auth: Authenticated): number {
  const isChunked = auth.contentSha256.startsWith('STREAMING-');
  return length(header(request, isChunked ? 'x-amz-decoded-content-length' : 'content-length'));
}

/** Reads what the headers promise of the body. Throws where they contradict each other, before a byte is read. */
function expectations(request: S3Request, auth: Authenticated, options: ReceiveOptions): Expected {
  const sha256 = auth.contentSha256;
  const limit = options.limit ?? MAX_UPLOAD;
  const checksums = options.checksumsOfObject
    ? new Map<ChecksumAlgorithm, Buffer>()
    : declaredChecksums(request);
  const md5 = contentMd5(request);
  if (!sha256.startsWith('STREAMING-')) {
    const size = length(header(request, 'content-length'));
    if (size > limit) throw new S3Error('EntityTooLarge');
    const hashed = sha256 !== 'UNSIGNED-PAYLOAD';
    if (hashed && !/^[0-9a-f]{64}$/i.test(sha256)) {
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-..., or a valid sha256 value.',
      );
    }
    return {
      size,
      md5,
      sha256: hashed ? sha256.toLowerCase() : undefined,
      checksums,
      trailer: undefined,
      decoder: undefined,
    };
  }
  const match = /^STREAMING-(UNSIGNED|AWS4-HMAC-SHA256)-PAYLOAD(-TRAILER)?$/.exec(sha256);
  if (!match || sha256 === 'STREAMING-UNSIGNED-PAYLOAD') throw new S3Error('NotImplemented');
  const size = length(header(request, 'x-amz-decoded-content-length'));
  if (size > limit) throw new S3Error('EntityTooLarge');
  const hasTrailer = match[2] !== undefined;
  const signer = match[1] === 'UNSIGNED' ? undefined : auth.chunkSigner;
  const trailer = hasTrailer ? trailerAlgorithm(request) : undefined;
  return {
    size,
    md5,
    sha256: undefined,
    checksums,
    trailer,
    decoder: new ChunkedDecoder({ signer, hasTrailer }),
  };
}

/**
 * Receives the body of a request: decodes `aws-chunked`, spools it in `directory` where it is large,
 * and verifies length, Content-MD5, x-amz-content-sha256, checksums in header or trailer, and chunk signatures.
 * Throws an S3Error, or the socket's error where it breaks off;
 * nothing is left behind then.
 */
export async function receiveBody(
  request: S3Request,
  auth: Authenticated,
  options: ReceiveOptions,
): Promise<Payload> {
  const expected = expectations(request, auth, options);
  const algorithms = new Set([...expected.checksums.keys(), ...(options.compute ?? [])]);
  if (expected.trailer) algorithms.add(expected.trailer);
  const md5 = createHash('md5');
  const sha256 = expected.sha256 === undefined ? undefined : createHash('sha256');
  const running = [...algorithms].map((algorithm) => ({ algorithm, checksum: startChecksum(algorithm) }));
  const spool = new Spool({ inMemory: IN_MEMORY, ...options });
  let size = 0;
  try {
    request.acceptBody();
    // Left undestroyed where it is refused half way: the answer goes over the same socket.
    for await (const chunk of request.message.iterator({ destroyOnReturn: false })) {
      const pieces = expected.decoder ? expected.decoder.decode(chunk) : [chunk as Buffer];
      for (const piece of pieces) {
        size += piece.length;
        if (size > expected.size) throw new S3Error('IncompleteBody');
        md5.update(piece);
        sha256?.update(piece);
        for (const { checksum } of running) checksum.update(piece);
        const full = spool.add(piece);
        if (full !== undefined) await full;
      }
    }
    expected.decoder?.finish();
    if (size !== expected.size) throw new S3Error('IncompleteBody');
    const computed = new Map<ChecksumAlgorithm, Buffer>();
    for (const { algorithm, checksum } of running) computed.set(algorithm, await checksum.digest());
    const found = { md5: md5.digest(), sha256: sha256?.digest('hex'), checksums: computed };
    verify(expected, found);
    return { size, md5: found.md5, checksums: computed, content: await spool.finish() };
  } catch (error) {
    await spool.discard();
    throw error;
  }
}

function verify(
  expected: Expected,
  found: { md5: Buffer; sha256: string | undefined; checksums: Map<ChecksumAlgorithm, Buffer> },
): void {
  if (expected.sha256 !== found.sha256) throw new S3Error('XAmzContentSHA256Mismatch');
  if (expected.md5 && !expected.md5.equals(found.md5)) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  const claimed = new Map(expected.checksums);
  if (expected.trailer) {
    const value = expected.decoder?.trailers.get(checksumHeader(expected.trailer));
    if (value === undefined) throw new S3Error('MalformedTrailerError');
    claimed.set(expected.trailer, parseDigest(expected.trailer, value));
  }
  for (const [algorithm, value] of claimed) {
    if (!found.checksums.get(algorithm)?.equals(value)) {
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
  }
}
