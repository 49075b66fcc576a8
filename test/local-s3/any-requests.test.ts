import type { IncomingMessage } from 'node:http';
import { validateHeaderValue } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { attributeHeaders, readAttributes } from '../../src/local-s3/attributes.ts';
import { ChunkedDecoder } from '../../src/local-s3/chunked.ts';
import { checkReadConditions, writeGuard } from '../../src/local-s3/conditions.ts';
import { S3Error } from '../../src/local-s3/errors.ts';
import { parseRange, readRange } from '../../src/local-s3/range.ts';
import { readRequest, type S3Request } from '../../src/local-s3/request.ts';
import { children, childText, escapeXml, parseXml } from '../../src/local-s3/xml.ts';
import { sendRaw } from './contract/sign.ts';
import { type InProcess, startInProcess } from './inprocess.ts';

/** What stands between blanks. */
const words = (text: string) => text.split(/\s+/);

/** Text made of what a parser looks for, and of anything else. */
const made = (...parts: string[]) =>
  fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...parts) },
        fc.string({ maxLength: 3, unit: 'binary' }),
      ),
      {
        maxLength: 14,
      },
    )
    .map((list) => list.join(''));

/** What a function gives, or undefined where it throws an S3Error; any other error is a fault of ours. */
function answered<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return undefined;
  }
}

/** A request with these headers; nothing of it is read from a connection. */
function requestOf(headers: Record<string, string>, url = '/files/a'): S3Request {
  return readRequest({ method: 'GET', url, headers } as IncomingMessage, () => undefined);
}

describe('XML in a request', () => {
  const xml = made(
    ...words(
      '<Tagging> </Tagging> <Tag> </Tag> <Key> </Key> <Tag/> <!-- --> <![CDATA[ ]]> <? ?> <!DOCTYPE &amp; &#x41;',
    ),
    ...words(`&#xD800; &#x110000; &#0; &a; & < > " =' text __proto__ <__proto__> </__proto__> <constructor>`),
    ...[
      '</constructor>',
      '<a:Tag xmlns:a="b">',
      '</a:Tag>',
      '<?xml version="1.0"?>',
      ' ',
      '\n',
      '\0',
      '\ufeff',
    ],
  );

  test('is an S3Error, or elements that can be walked, whatever the text', () => {
    const nodes = fc.oneof(
      xml,
      xml.map((text) => `<Tagging>${text}</Tagging>`),
    );
    fc.assert(
      fc.property(nodes, (text) => {
        const root = answered(() => parseXml(Buffer.from(text), 'Tagging'));
        if (root === undefined) return;
        for (const tag of children(root, 'Tag')) {
          const key = answered(() => childText(tag, 'Key'));
          if (key !== undefined) expect(typeof key).toBe('string');
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('carries any text that it was written with, control characters too', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        const key = text.toWellFormed();
        const root = parseXml(Buffer.from(`<Tagging><Key>${escapeXml(key)}</Key></Tagging>`), 'Tagging');
        expect(childText(root, 'Key')).toBe(key);
      }),
      { numRuns: 3000 },
    );
  });
});

test('a range is ignored, refused, or lies in the object, whatever the text', () => {
  const ranges = made(...words('bytes= 0 5 99 - - , byte = 1-2'), ' ', '9'.repeat(400));
  fc.assert(
    fc.property(
      fc.oneof(
        ranges,
        ranges.map((text) => `bytes=${text}`),
      ),
      fc.nat(100),
      (text, size) => {
        const range = answered(() => parseRange(text, size));
        if (range === undefined) return;
        expect(range.length).toBeGreaterThan(0);
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.start + range.length).toBeLessThanOrEqual(size);
      },
    ),
    { numRuns: 5000 },
  );
});

test('an aws-chunked body is an S3Error or content, whatever becomes of a whole one, wherever it is cut', () => {
  const whole = '5\r\nhello\r\n3\r\nyou\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n';
  const piece = made(...words('0 f ffffffffffff ; ;chunk-signature= : x-amz- -1'), '\r', '\n', '\r\n', ' ');
  const decode = (text: string, cuts: readonly number[]) =>
    answered(() => {
      const decoder = new ChunkedDecoder({ hasTrailer: true });
      const bytes = Buffer.from(text, 'latin1');
      const borders = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length];
      const content = borders
        .slice(1)
        .flatMap((end, index) => decoder.decode(bytes.subarray(borders[index], end)));
      decoder.finish();
      return `${Buffer.concat(content).toString('latin1')} ${JSON.stringify([...decoder.trailers])}`;
    });
  const at = fc.nat(whole.length);
  fc.assert(
    fc.property(at, at, piece, fc.array(fc.nat(80), { maxLength: 8 }), (from, to, put, cuts) => {
      const text = whole.slice(0, from) + put + whole.slice(to);
      expect(decode(text, cuts)).toBe(decode(text, []));
    }),
    { numRuns: 5000 },
  );
});

test('a URL is an S3Error, or the bucket and key that it spells', () => {
  const urls = made(...words('/ / files a % %2F %2e .. %zz %ff ? & = + http://x # *'));
  fc.assert(
    fc.property(urls, (url) => {
      const request = answered(() => requestOf({}, url));
      if (request === undefined) return;
      expect(Buffer.byteLength(request.key ?? '')).toBeLessThanOrEqual(1024);
      const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(request.rawPath) ?? [];
      expect(request.bucket ?? '').toBe(decodeURIComponent(bucket));
      expect(request.key ?? '').toBe(decodeURIComponent(key));
    }),
    { numRuns: 3000 },
  );
});

const DATE = 'Tue, 24 Nov 2026 22:00:00 GMT';

const VALUES = made(...words('" abc * , W/ 0 2026 bytes=0-1 = & %zz aws:kms'), DATE);

test('headers that speak of an object are an S3Error, or lead to headers that can be sent', () => {
  const names = [
    ...words(
      'range if-match if-none-match if-modified-since if-unmodified-since if-range x-amz-tagging expires',
    ),
    ...words('content-type content-encoding x-amz-meta-a x-amz-meta-__proto__ x-amz-storage-class'),
    ...words('x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id'),
  ];
  // As an HTTP parser lets them through.
  const sent = VALUES.map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '').trim());
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), sent), (headers) => {
      const request = requestOf(headers);
      const object = { size: 10, etag: 'abc', modifiedMs: 1_700_000_000_500 };
      answered(() => checkReadConditions(request, object));
      answered(() => readRange(request, object));
      answered(() => writeGuard(request, 'a')(undefined));
      const attributes = answered(() => readAttributes(request));
      if (!attributes) return;
      const version = { ...attributes, etag: 'abc', ino: 1, size: 10, mtimeMs: 5 };
      for (const [name, value] of Object.entries(attributeHeaders(version)))
        validateHeaderValue(name, String(value));
    }),
    { numRuns: 3000 },
  );
});

/** Writes to the server's port, ends, and reads until the connection closes. */
function speak(server: InProcess, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(Number(new URL(server.endpoint).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  // What it resets was answered, or is nothing to answer.
  socket.on('error', () => {});
  socket.on('close', () => resolve(answer));
  socket.end(Buffer.from(text, 'latin1'));
  return promise;
}

const QUERIES = `delete uploads uploadId=x uploadId= partNumber=1 partNumber=x list-type=2 prefix=a max-keys=x
  max-keys=0 continuation-token=zz start-after=%00 encoding-type=url tagging acl delimiter=/ marker=%ff key-marker=a
  part-number-marker=-1 max-parts=99999 location`;

const HEADERS = `range if-match if-none-match x-amz-copy-source x-amz-copy-source-range content-md5 x-amz-tagging
  x-amz-checksum-crc32 x-amz-metadata-directive x-amz-meta-a x-amz-mp-object-size x-amz-trailer
  x-amz-decoded-content-length x-amz-storage-class x-amz-sdk-checksum-algorithm`;

const DELETE = '<Delete><Object><Key>b</Key></Object></Delete>';

const SIGNED = 'AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=0';

describe('a server', () => {
  const parts = [
    ...words(
      '/ /files /files/a * ?delete ?uploads ?uploadId=x&partNumber=1 ?list-type=2 \0 \xff \x16\x03\x01 :',
    ),
    ...[
      'GET ',
      'PUT ',
      'POST ',
      'HEAD ',
      'DELETE ',
      'OPTIONS ',
      ' HTTP/1.1\r\n',
      ' HTTP/1.0\r\n',
      ' HTTP/9.9\r\n',
    ],
    ...['\r\n', '\n', '\r', ' ', '5\r\nhello\r\n', '0\r\n\r\n', 'Host: a\r\n', 'Content-Length: 5\r\n'],
    ...['Content-Length: -1\r\n', 'Transfer-Encoding: chunked\r\n', 'Expect: 100-continue\r\n'],
    ...[
      'Connection: close\r\n',
      'Range: bytes=0-\r\n',
      'Authorization: x\r\n',
      'x-amz-date: 20261124T000000Z\r\n',
    ],
    ...['x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n', `Authorization: ${SIGNED}\r\n`],
  ];
  const http = fc.array(fc.constantFrom(...parts), { maxLength: 14 }).map((all) => all.join(''));

  test('that is spoken to in anything like HTTP answers no 5xx, and serves on', {
    timeout: 60_000,
  }, async () => {
    const server = await startInProcess();
    const wrote = vi.spyOn(process.stderr, 'write');
    await fc.assert(
      fc.asyncProperty(fc.array(http, { minLength: 4, maxLength: 4 }), async (texts) => {
        for (const answer of await Promise.all(texts.map((text) => speak(server, text))))
          expect(answer).not.toMatch(/^HTTP\/1\.1 5(?!01)/m);
      }),
      { numRuns: 400 },
    );
    expect(wrote.mock.calls.filter(([text]) => String(text).startsWith('local-s3:'))).toEqual([]);
    wrote.mockRestore();
    await server.s3.put('well', 'still here');
    expect((await server.s3.read('well')).toString()).toBe('still here');
  });

  test('that gets any signed request answers no 5xx but 501, and serves on', {
    timeout: 60_000,
  }, async () => {
    const server = await startInProcess();
    await server.s3.put('a', 'some bytes');
    const wrote = vi.spyOn(process.stderr, 'write');
    const request = fc.record({
      method: fc.constantFrom('GET', 'PUT', 'POST', 'HEAD', 'DELETE'),
      path: fc.constantFrom(
        ...words('/ /files /files/a /files/b/c /other /files/%2e%2e/x /files// /.ferry-s3/x'),
      ),
      query: fc.subarray(words(QUERIES), { maxLength: 4 }),
      headers: fc.dictionary(
        fc.constantFrom(...words(HEADERS)),
        VALUES.map((text) => text.replaceAll(/[^\x21-\x7e]/g, '')),
        { maxKeys: 3 },
      ),
      body: fc.constantFrom('', 'text', '<Tagging/>', '<Tagging><TagSet/></Tagging>', DELETE),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, query, headers, body }) => {
        const url = new URL(`${path}?${query.join('&')}`, server.endpoint);
        const { status } = await sendRaw({ method, url, headers, body }, server.keys, 'us-east-1');
        expect(status < 500 || status === 501).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(wrote.mock.calls.filter(([text]) => String(text).startsWith('local-s3:'))).toEqual([]);
    wrote.mockRestore();
    // One of them may have deleted it.
    const bucket = { method: 'PUT', url: new URL('/files', server.endpoint), headers: {}, body: '' };
    await sendRaw(bucket, server.keys, 'us-east-1');
    await server.s3.put('well', 'still here');
    expect((await server.s3.read('well')).toString()).toBe('still here');
  });
});
