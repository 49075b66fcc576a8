import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { putChunked } from './contract/chunked.ts';
import { Multipart } from './contract/multipart.ts';
import { type RawAnswer, sendRaw } from './contract/sign.ts';
import { outcome } from './contract/subject.ts';
import { type InProcess, startInProcess } from './inprocess.ts';

/** Writes bytes to the server's port and reads until it closes the connection. */
function speak(server: InProcess, text: string, end = true): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.endpoint).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(answer) : reject(error),
    );
    socket.write(text);
    if (end) socket.end();
  });
}

function send(
  server: InProcess,
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const url = new URL(path, server.endpoint);
  return sendRaw({ method, url, headers, ...(body !== undefined && { body }) }, server.keys, 'us-east-1');
}

const code = (answer: RawAnswer): string =>
  `${answer.status} ${/<Code>(\w+)<\/Code>/.exec(answer.body)?.[1]}`;
const md5 = (body: string): string => createHash('md5').update(body).digest('base64');

/** That the server still serves. */
async function isWell(server: InProcess): Promise<void> {
  await server.s3.put('well', 'still here');
  expect((await server.s3.read('well')).toString()).toBe('still here');
}

describe('what is no HTTP', () => {
  test.each([
    ['noise', '\u0000\u0001\u0002\u0003\r\n\r\n'],
    ['a request line without an end', 'GET '.padEnd(200_000, 'x')],
    ['headers without an end', `GET / HTTP/1.1\r\n${'x-a: b\r\n'.repeat(20_000)}`],
    ['a bad content length', 'PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n'],
    ['a path that is none', 'GET files HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    [
      'two content lengths',
      'PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'a length and chunks',
      'PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a bad percent escape', 'GET /files/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['invalid UTF-8', 'GET /files/%ff%fe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    [
      'a bad percent escape in the query',
      'GET /files?prefix=%e0%a4%a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ],
    ['an absolute URL', 'GET http://else.where/files/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['the whole server', 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['a tunnel', 'CONNECT else.where:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n'],
  ])('%s is answered by 4xx or closed, and nobody else is disturbed', async (_, text) => {
    const server = await startInProcess();
    expect(await speak(server, text)).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    await isWell(server);
  });
});

describe('XML in a request', () => {
  test.each([
    ['that is none', 'not xml'],
    ['that is cut', '<Delete><Object><Key>a</Key>'],
    ['with another root', '<Remove><Object><Key>a</Key></Object></Remove>'],
    ['without objects', '<Delete></Delete>'],
    ['with an object without a key', '<Delete><Object/></Delete>'],
    ['with elements where a key should be', '<Delete><Object><Key><a/></Key></Object></Delete>'],
    [
      'with entities of its own',
      '<!DOCTYPE d [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><Delete><Object><Key>&c;</Key></Object></Delete>',
    ],
    [
      'with an external entity',
      '<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete><Object><Key>a</Key></Object></Delete>',
    ],
    ['that is nested deeply', `${'<Delete>'.repeat(5000)}${'</Delete>'.repeat(5000)}`],
    ['with more than 1,000 objects', `<Delete>${'<Object><Key>a</Key></Object>'.repeat(1001)}</Delete>`],
    ['that is empty', ''],
  ])('%s is 400 MalformedXML', async (_, xml) => {
    const server = await startInProcess();
    expect(code(await send(server, 'POST', '/files?delete', xml, { 'content-md5': md5(xml) }))).toBe(
      '400 MalformedXML',
    );
    await isWell(server);
  });

  test('of more than 8 MiB is refused before it is read', async () => {
    const server = await startInProcess();
    const huge = `<Delete>${'<Object><Key>a</Key></Object>'.repeat(400_000)}</Delete>`;
    expect(code(await send(server, 'POST', '/files?delete', huge, { 'content-md5': md5(huge) }))).toBe(
      '400 EntityTooLarge',
    );
    await isWell(server);
  });

  test('DeleteObjects without a checksum is 400', async () => {
    const server = await startInProcess();
    const xml = '<Delete><Object><Key>a</Key></Object></Delete>';
    expect(code(await send(server, 'POST', '/files?delete', xml))).toBe('400 InvalidRequest');
  });

  test('of CompleteMultipartUpload without parts, or with odd ones, is 400, and the upload stays', async () => {
    const server = await startInProcess();
    const upload = await Multipart.create(server.s3, 'mpu');
    for (const xml of [
      '<CompleteMultipartUpload/>',
      '<CompleteMultipartUpload><Part/></CompleteMultipartUpload>',
      '<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
    ]) {
      expect((await send(server, 'POST', `/files/mpu?uploadId=${upload.id}`, xml)).status).toBe(400);
    }
    const { Uploads } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: 'files' }));
    expect(Uploads?.length).toBe(1);
  });
});

describe('a body that is not what its headers say', () => {
  test.each([
    ['a bad chunk size', (body: string) => body.replace('5\r\n', 'g\r\n')],
    ['a chunk that is too long', (body: string) => body.replace('hello', 'hello, hello')],
    ['a chunk that is too short', (body: string) => body.replace('hello', 'hell')],
    ['no last chunk', (body: string) => body.replace('0\r\n', '')],
    ['nothing at all', () => ''],
    ['no framing', () => 'hello'],
    ['an endless size line', () => '1'.repeat(100_000)],
  ])('aws-chunked with %s is 4xx, and nothing is stored', async (_, spoil) => {
    const server = await startInProcess();
    const url = new URL('/files/chunked', server.endpoint);
    const trailer = ['x-amz-checksum-crc32', 'NhCmhg=='] as const;
    const good = await putChunked(
      new URL('/files/good', server.endpoint),
      { chunks: [Buffer.from('hello')], trailer, signed: false },
      server.keys,
      'us-east-1',
    );
    expect(good.status).toBe(200);
    const answer = await putChunked(
      url,
      { chunks: [Buffer.from('hello')], trailer, signed: false, spoil },
      server.keys,
      'us-east-1',
    );
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(await outcome(server.s3.read('chunked'))).toBe('404 NoSuchKey');
    await isWell(server);
  });

  test('a missing decoded length is 411, a wrong one 400', async () => {
    const server = await startInProcess();
    const put = (headers: Record<string, string>) =>
      sendRaw(
        {
          method: 'PUT',
          url: new URL('/files/a', server.endpoint),
          body: '5\r\nhello\r\n0\r\n\r\n',
          headers,
          contentSha256: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        },
        server.keys,
        'us-east-1',
      );
    expect(code(await put({}))).toBe('411 MissingContentLength');
    expect(code(await put({ 'x-amz-decoded-content-length': '4' }))).toBe('400 IncompleteBody');
    expect(code(await put({ 'x-amz-decoded-content-length': '6' }))).toBe('400 IncompleteBody');
    expect(code(await put({ 'x-amz-decoded-content-length': '9999999999999' }))).toBe('400 EntityTooLarge');
    expect(await outcome(server.s3.read('a'))).toBe('404 NoSuchKey');
  });

  test('a refused body of 20 MiB does not cost its sender the answer', async () => {
    const server = await startInProcess();
    const body = Buffer.alloc(20 * 1024 * 1024);
    expect(code(await send(server, 'PUT', '/missing-bucket/a', body))).toBe('404 NoSuchBucket');
    await isWell(server);
  });
});

describe('connections', () => {
  test('a client that waits for 100 Continue is refused without its body being asked for', async () => {
    const server = await startInProcess();
    const refused = await speak(
      server,
      'PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n',
      false,
    );
    expect(refused).toMatch(/^HTTP\/1\.1 403 /);
    expect(refused).not.toContain('100 Continue');
  });

  test('an answer before a body of 200 MiB is read by a client that is still sending', async () => {
    const server = await startInProcess();
    const size = 200 * 1024 * 1024;
    const answer = await speak(
      server,
      `PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(80 * 1024 * 1024)}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toMatch(/connection: close/i);
    expect(answer).toContain('<Code>AccessDenied</Code>');
  });

  test('one connection serves many requests, refused ones too', async () => {
    const server = await startInProcess();
    const get = 'GET /files/a HTTP/1.1\r\nHost: a\r\n\r\n';
    const put = 'PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
    const answers = await speak(
      server,
      `${get}${put}${get}${get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`,
      false,
    );
    expect(answers.match(/HTTP\/1\.1 403 /g)?.length).toBe(4);
  });
});

describe('odd requests', () => {
  test('what this server does not have is 501, what nobody has 405', async () => {
    const server = await startInProcess();
    expect(code(await send(server, 'GET', '/files?versions'))).toBe('501 NotImplemented');
    expect(code(await send(server, 'PUT', '/files?policy', '{}'))).toBe('501 NotImplemented');
    expect(code(await send(server, 'PUT', '/files/a?acl', ''))).toBe('501 NotImplemented');
    expect(code(await send(server, 'POST', '/files/a', ''))).toBe('405 MethodNotAllowed');
    expect(code(await send(server, 'PATCH', '/files/a', ''))).toBe('405 MethodNotAllowed');
    expect(await outcome(server.s3.read('a'))).toBe('404 NoSuchKey');
  });

  test('parameters out of range are 400', async () => {
    const server = await startInProcess();
    const upload = await Multipart.create(server.s3, 'mpu');
    for (const path of [
      '/files?list-type=2&max-keys=-1',
      '/files?list-type=2&max-keys=many',
      '/files?list-type=2&encoding-type=base64',
      '/files?list-type=2&continuation-token=',
      `/files/mpu?uploadId=${upload.id}&max-parts=x`,
    ]) {
      expect(code(await send(server, 'GET', path))).toBe('400 InvalidArgument');
    }
    for (const number of ['0', '10001', '-1', 'one', '']) {
      const answer = await send(server, 'PUT', `/files/mpu?uploadId=${upload.id}&partNumber=${number}`, 'x');
      expect(code(answer)).toBe('400 InvalidArgument');
    }
    for (const id of ['', '..', '../../x', '%2e%2e%2f', 'f'.repeat(52)]) {
      expect(code(await send(server, 'PUT', `/files/mpu?uploadId=${id}&partNumber=1`, 'x'))).toBe(
        '404 NoSuchUpload',
      );
    }
    expect(code(await send(server, 'PUT', `/files/other?uploadId=${upload.id}&partNumber=1`, 'x'))).toBe(
      '404 NoSuchUpload',
    );
  });

  test('an error tells code, message, resource and request id', async () => {
    const server = await startInProcess();
    const answer = await send(server, 'GET', '/files/missing%20%26%20gone');
    expect(answer.headers['content-type']).toBe('application/xml');
    expect(answer.body).toMatch(
      /<Error><Code>NoSuchKey<\/Code><Message>[^<]+<\/Message><Key>missing &amp; gone<\/Key><Resource>\/files\/missing%20%26%20gone<\/Resource><RequestId>[0-9A-F]{16}<\/RequestId><\/Error>$/,
    );
    expect(answer.headers['x-amz-request-id']).toBe(/<RequestId>(\w+)/.exec(answer.body)?.[1]);
  });
});
