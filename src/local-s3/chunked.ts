import { createHash, type Hash } from 'node:crypto';
import { S3Error } from './errors.ts';
import type { ChunkSigner } from './sigv4.ts';

// "aws-chunked" bodies: S3 API reference, "Signature calculations for the Authorization header: transferring
// payload in multiple chunks", with and without chunk signatures, with and without trailing headers.

const MAX_LINE = 1024;
const MAX_TRAILERS = 16;
const CR = 13;
const LF = 10;

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

/** Decodes one `aws-chunked` body that arrives in pieces of any size. */
export class ChunkedDecoder {
  /** Trailing headers, by lower-case name, complete once `finish` has returned. */
  readonly trailers = new Map<string, string>();
  readonly #signer: ChunkSigner | undefined;
  readonly #hasTrailer: boolean;
  #state: State = 'size';
  #line = '';
  #left = 0;
  #size = 0;
  #signature = '';
  #hash: Hash | undefined;
  #signedTrailers = '';
  #trailerSigned = false;

  /** `signer` is given where every chunk must carry a signature. */
  constructor(options: { signer?: ChunkSigner | undefined; hasTrailer: boolean }) {
    this.#signer = options.signer;
    this.#hasTrailer = options.hasTrailer;
  }

  /**
   * Takes the next bytes of the body and returns the content in them, as views of `chunk`.
   * Throws IncompleteBody or InvalidChunkSizeError (bad framing), MalformedTrailerError, SignatureDoesNotMatch.
   */
  decode(chunk: Buffer): Buffer[] {
    const content: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) {
      if (this.#state === 'done') {
        // Some clients end trailers with one empty line too many.
        if (chunk.subarray(at).some((byte) => byte !== CR && byte !== LF)) {
          throw new S3Error('IncompleteBody', 'There is data behind the last chunk.');
        }
        return content;
      }
      if (this.#state === 'data') {
        const piece = chunk.subarray(at, at + this.#left);
        this.#hash?.update(piece);
        content.push(piece);
        this.#left -= piece.length;
        at += piece.length;
        if (this.#left === 0) this.#state = 'data-end';
      } else {
        at = this.#readLine(chunk, at);
      }
    }
    return content;
  }

  /** To be called where the body ends. Throws IncompleteBody where chunks or trailers are missing. */
  finish(): void {
    // The empty line behind the last chunk is left out by some clients where no trailer follows.
    const ended =
      this.#state === 'done' || (this.#state === 'trailer' && !this.#hasTrailer && this.#line === '');
    if (!ended) throw new S3Error('IncompleteBody');
    if (this.#signer && this.#hasTrailer && !this.#trailerSigned) throw new S3Error('SignatureDoesNotMatch');
  }

  #readLine(chunk: Buffer, start: number): number {
    const end = chunk.indexOf(LF, start);
    const stop = end < 0 ? chunk.length : end;
    if (this.#line.length + stop - start > MAX_LINE) throw new S3Error('InvalidChunkSizeError');
    this.#line += chunk.toString('latin1', start, stop);
    if (end < 0) return chunk.length;
    const hasCr = this.#line.charCodeAt(this.#line.length - 1) === CR;
    // Trailers of some clients end with a bare LF.
    if (!hasCr && this.#state !== 'trailer') {
      throw new S3Error('IncompleteBody', 'A line of the chunked body does not end with CRLF.');
    }
    const line = hasCr ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    this.#takeLine(line);
    return end + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === 'size') this.#beginChunk(line);
    else if (this.#state === 'trailer') this.#takeTrailer(line);
    else if (line !== '') throw new S3Error('IncompleteBody', 'A chunk is longer than its size says.');
    else this.#endChunk();
  }

  #beginChunk(line: string): void {
    const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
    if (!match) throw new S3Error('InvalidChunkSizeError');
    const [, size = '', signature] = match;
    if (this.#signer && signature === undefined) throw new S3Error('SignatureDoesNotMatch');
    this.#size = this.#left = Number.parseInt(size, 16);
    this.#signature = signature ?? '';
    if (this.#signer) this.#hash = createHash('sha256');
    if (this.#size > 0) this.#state = 'data';
    else this.#endChunk();
  }

  #endChunk(): void {
    if (this.#signer && !this.#signer.chunk(this.#hash?.digest('hex') ?? '', this.#signature)) {
      throw new S3Error('SignatureDoesNotMatch');
    }
    this.#state = this.#size === 0 ? 'trailer' : 'size';
  }

  #takeTrailer(line: string): void {
    if (line === '') {
      // Signed trailers come as two blocks: the headers, then (after no empty line, or one) their signature.
      if (!this.#signer || !this.#hasTrailer || this.#trailerSigned) this.#state = 'done';
      return;
    }
    const colon = line.indexOf(':');
    if (colon < 1 || !this.#hasTrailer || this.trailers.size >= MAX_TRAILERS)
      throw new S3Error('MalformedTrailerError');
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') {
      const sha256 = createHash('sha256').update(this.#signedTrailers).digest('hex');
      if (this.#signer && !this.#signer.trailer(sha256, value)) throw new S3Error('SignatureDoesNotMatch');
      this.#trailerSigned = true;
    } else {
      this.#signedTrailers += `${name}:${value}\n`;
      this.trailers.set(name, value);
    }
  }
}
