import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';

const WITH_TLS = { FERRY_TLS_PORT: '0' } as const;

const WAYS = (['explicit', 'implicit'] as const).flatMap((security) =>
  (['TLSv1.2', 'TLSv1.3'] as const).flatMap((version) =>
    [true, false].map((resume) => ({ security, version, resume })),
  ),
);

async function stored({ s3, bucket }: Ferry, name: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

test.for(WAYS)(
  '2 MiB go up and come down whole in $security $version, resumed: $resume',
  async ({ security, version, resume }) => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security, tls: { minVersion: version, maxVersion: version, resume } });
    const bytes = randomBytes(2 * 2 ** 20);
    const [, uploaded] = await client.upload('STOR file', bytes);
    expect(uploaded.code).toBe(226);
    expect(bytes.equals(await stored(ferry, 'file'))).toBe(true);
    const downloaded = await client.download('RETR file');
    expect(downloaded.replies.map(({ code }) => code)).toEqual([150, 226]);
    expect(bytes.equals(downloaded.bytes)).toBe(true);
  },
);

test('a listing in TYPE A comes over TLS as it does in clear', async () => {
  await using ferry = await startFerry(WITH_TLS);
  await putObject(ferry, 'one', 'x');
  await putObject(ferry, 'two', 'y');
  using client = await ferry.login({ security: 'explicit' });
  using plain = await ferry.login({ security: 'plain' });
  await client.command('TYPE A');
  await plain.command('TYPE A');
  for (const verb of ['LIST', 'NLST', 'MLSD']) {
    const { replies, bytes } = await client.download(verb);
    expect(replies.at(-1)?.code).toBe(226);
    expect(bytes.toString()).toBe((await plain.download(verb)).bytes.toString());
  }
});

test.for(['TLSv1.2', 'TLSv1.3'] as const)('a client of %s sees that a download was cut', async (version) => {
  await using ferry = await startFerry(WITH_TLS);
  await putObject(ferry, 'file', randomBytes(20 * 2 ** 20));
  using client = await ferry.login({
    security: 'explicit',
    tls: { minVersion: version, maxVersion: version },
  });
  const data = await client.passive();
  expect((await client.command('RETR file')).code).toBe(150);
  await once(data, 'readable');
  client.write('ABOR\r\n');
  expect((await client.reply()).code).toBe(426);
  expect((await client.reply()).code).toBe(226);
  await expect(buffer(data)).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('the end of a download is a close_notify, also for a client that insists on it', async () => {
  await using ferry = await startFerry(WITH_TLS);
  await putObject(ferry, 'file', 'content');
  const program = `
import ftplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
ftp = ftplib.FTP_TLS(context=context)
ftp.connect('127.0.0.1', int(sys.argv[1]))
ftp.login(sys.argv[2], sys.argv[3])
ftp.prot_p()
data = ftp.transfercmd('RETR file')
data.suppress_ragged_eofs = False
print(data.read(), data.read())
data.unwrap()
print(ftp.voidresp())
print(ftp.sendcmd('QUIT'))
ftp.sock.suppress_ragged_eofs = False
print(ftp.sock.read())
`;
  const { stdout } = await promisify(execFile)('python3', [
    '-c',
    program,
    `${ferry.port}`,
    USER.name,
    USER.password,
  ]);
  expect(stdout.trim().split('\n')).toEqual([
    "b'content' b''",
    '226 Transfer complete.',
    '221 Goodbye.',
    "b''",
  ]);
});
