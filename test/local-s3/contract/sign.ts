import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { SignatureV4 } from '@smithy/signature-v4';

/** SHA-256 as the AWS signer wants it. */
export class Sha256 {
  readonly #secret: string | Uint8Array | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret =
      secret === undefined || typeof secret === 'string'
        ? secret
        : new Uint8Array(
            ArrayBuffer.isView(secret)
              ? Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
              : secret,
          );
    this.#hash = this.#start();
  }

  #start(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(
      typeof data === 'string'
        ? data
        : new Uint8Array(
            ArrayBuffer.isView(data)
              ? data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
              : data,
          ),
    );
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#start();
  }
}

/** A pair of keys. */
export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/** A request made by hand, where the SDK would not make such a one. */
export interface RawRequest {
  method: string;
  url: URL;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** `x-amz-content-sha256`; by default the hash of the body. */
  contentSha256?: string;
}

/** An answer, read whole. */
export interface RawAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

export const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** Signs a request with the AWS SDK's own signer, and returns its headers. */
export async function signedHeaders(
  request: RawRequest,
  keys: Keys,
  region: string,
  date = new Date(),
): Promise<Record<string, string>> {
  const { url, method } = request;
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials: keys,
    sha256: Sha256,
    uriEscapePath: false,
  });
  const query: Record<string, string> = Object.fromEntries(url.searchParams);
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': request.contentSha256 ?? sha256(request.body ?? ''),
    ...request.headers,
  };
  const signed = await signer.sign(
    { method, protocol: url.protocol, hostname: url.hostname, path: url.pathname, query, headers },
    { signingDate: date },
  );
  return signed.headers;
}

/** Opens a request with given headers; the caller writes the body. Errors are the caller's to listen to. */
export function openRequest(method: string, url: URL, headers: Record<string, string>): ClientRequest {
  // The path as it is: `new URL` would have taken dot segments away.
  const options = { method, headers, agent: false };
  return url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
}

/** Waits for the answer to an open request and reads it. */
export function readAnswer(request: ClientRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
  });
}

/** Signs and sends a request and reads its answer. */
export async function sendRaw(request: RawRequest, keys: Keys, region: string): Promise<RawAnswer> {
  const headers = await signedHeaders(request, keys, region);
  const length = Buffer.byteLength(request.body ?? '');
  const open = openRequest(request.method, request.url, { ...headers, 'content-length': String(length) });
  const answer = readAnswer(open);
  open.end(request.body);
  return answer;
}
