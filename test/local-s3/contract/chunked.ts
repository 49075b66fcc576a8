import { createHmac } from 'node:crypto';
import {
  type Keys,
  openRequest,
  type RawAnswer,
  type RawRequest,
  readAnswer,
  sha256,
  signedHeaders,
} from './sign.ts';

// aws-chunked bodies made by hand, by the S3 API reference and without the server's code.

/** How a body is to be framed. */
export interface Framing {
  /** Content, chunk by chunk. */
  chunks: readonly Buffer[];
  /** A trailing header and its value. */
  trailer?: readonly [name: string, value: string];
  /** Whether chunks (and trailer) are signed. */
  signed: boolean;
  /** Changes the framed body just before it is sent. */
  spoil?: (body: string) => string;
}

/** Sends a PUT whose body is framed as `aws-chunked`. */
export async function putChunked(url: URL, framing: Framing, keys: Keys, region: string): Promise<RawAnswer> {
  const { chunks, trailer, signed } = framing;
  const kind = signed ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' : 'STREAMING-UNSIGNED-PAYLOAD';
  const date = new Date();
  const request: RawRequest = {
    method: 'PUT',
    url,
    contentSha256: trailer ? `${kind}-TRAILER` : kind,
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(chunks.reduce((sum, chunk) => sum + chunk.length, 0)),
      ...(trailer && { 'x-amz-trailer': trailer[0] }),
    },
  };
  const headers = await signedHeaders(request, keys, region, date);
  const sign = signed ? chunkSigner(headers, keys, region) : undefined;
  let body = '';
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    const signature = sign ? `;chunk-signature=${sign('PAYLOAD', sha256(''), sha256(chunk))}` : '';
    body += `${chunk.length.toString(16)}${signature}\r\n`;
    if (chunk.length > 0) body += `${chunk.toString('latin1')}\r\n`;
  }
  if (trailer) {
    body += `${trailer[0]}:${trailer[1]}\r\n`;
    if (sign)
      body += `x-amz-trailer-signature:${sign('TRAILER', sha256(`${trailer[0]}:${trailer[1]}\n`))}\r\n`;
  }
  body += '\r\n';
  const bytes = Buffer.from(framing.spoil?.(body) ?? body, 'latin1');
  const open = openRequest('PUT', url, { ...headers, 'content-length': String(bytes.length) });
  const answer = readAnswer(open);
  open.end(bytes);
  return answer;
}

function chunkSigner(headers: Record<string, string>, keys: Keys, region: string) {
  const timestamp = headers['x-amz-date'] ?? '';
  const day = timestamp.slice(0, 8);
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest();
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, day), region), 's3'), 'aws4_request');
  let previous = /Signature=([0-9a-f]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
  return (kind: 'PAYLOAD' | 'TRAILER', ...hashes: string[]): string => {
    const scope = `${day}/${region}/s3/aws4_request`;
    previous = hmac(
      key,
      [`AWS4-HMAC-SHA256-${kind}`, timestamp, scope, previous, ...hashes].join('\n'),
    ).toString('hex');
    return previous;
  };
}
