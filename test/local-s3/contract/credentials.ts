import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { openRequest, readAnswer, Sha256, signedHeaders } from './sign.ts';
import { outcome } from './subject.ts';

/** Credentials: 3 of the 103 checks, and more. */
export function credentialChecks(check: Check, s3: Open): void {
  const bare = async (method: string, url: URL, headers: Record<string, string> = {}) => {
    const open = openRequest(method, url, headers);
    const answer = readAnswer(open);
    open.end();
    return answer;
  };

  check('a wrong secret is 403 SignatureDoesNotMatch', async () => {
    const client = s3().newClient({ credentials: { ...(await s3().keys()), secretAccessKey: 'wrong' } });
    const get = client.send(new GetObjectCommand({ Bucket: s3().bucket, Key: 'x' }));
    expect(await outcome(get)).toBe('403 SignatureDoesNotMatch');
  });
  check('an unknown key is 403 InvalidAccessKeyId', async () => {
    const client = s3().newClient({
      credentials: { accessKeyId: 'AKIAUNKNOWNUNKNOWN00', secretAccessKey: 'wrong' },
    });
    const put = client.send(new PutObjectCommand({ Bucket: s3().bucket, Key: 'x', Body: 'x' }));
    expect(await outcome(put)).toBe('403 InvalidAccessKeyId');
  });
  check('anonymous GET and PUT are 403', async () => {
    await s3().put('private', 'x');
    expect((await bare('GET', s3().url('private'))).status).toBe(403);
    expect((await bare('PUT', s3().url('anonymous'), { 'content-length': '0' })).status).toBe(403);
    expect(await outcome(s3().read('anonymous'))).toBe('404 NoSuchKey');
  });

  check('a request signed 20 minutes ago is 403 RequestTimeTooSkewed', async () => {
    const url = s3().url('private');
    const headers = await signedHeaders(
      { method: 'GET', url },
      await s3().keys(),
      s3().target.region,
      new Date(Date.now() - 20 * 60_000),
    );
    const answer = await bare('GET', url, headers);
    expect(answer.status).toBe(403);
    expect(answer.body).toContain('<Code>RequestTimeTooSkewed</Code>');
  });
  check('a header changed after signing is 403 SignatureDoesNotMatch', async () => {
    const url = s3().url('private');
    const request = { method: 'GET', url, headers: { 'x-amz-meta-a': '1' } };
    const headers = await signedHeaders(request, await s3().keys(), s3().target.region);
    const answer = await bare('GET', url, { ...headers, 'x-amz-meta-a': '2' });
    expect(answer.status).toBe(403);
    expect(answer.body).toContain('<Code>SignatureDoesNotMatch</Code>');
  });
  check('a presigned URL is served until it expires, and not for another key', async () => {
    await s3().put('pre signed', 'content');
    const presigned = async (expiresIn: number, signingDate: Date): Promise<URL> => {
      const url = s3().url('pre%20signed');
      const signer = new SignatureV4({
        service: 's3',
        region: s3().target.region,
        credentials: await s3().keys(),
        sha256: Sha256,
        uriEscapePath: false,
      });
      const signed = await signer.presign(
        {
          method: 'GET',
          protocol: url.protocol,
          hostname: url.hostname,
          path: url.pathname,
          query: {},
          headers: { host: url.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
        },
        {
          expiresIn,
          signingDate,
          unhoistableHeaders: new Set(['x-amz-content-sha256']),
          unsignableHeaders: new Set(['x-amz-content-sha256']),
        },
      );
      for (const [name, value] of Object.entries(signed.query ?? {}))
        url.searchParams.set(name, String(value));
      return url;
    };
    const good = await presigned(60, new Date());
    expect(await bare('GET', good)).toMatchObject({ status: 200, body: 'content' });
    const other = new URL(good);
    other.pathname = s3().url('private').pathname;
    expect((await bare('GET', other)).status).toBe(403);
    expect((await bare('GET', await presigned(60, new Date(Date.now() - 120_000)))).status).toBe(403);
  });
}
