import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { dropFiles, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { startS3Tap } from '../../support/s3-tap.ts';

/** More than the buffers of both kernels hold, so that a download of it cannot end by itself. */
const BIG = 24 * 2 ** 20;

/** A download that is under way and stands still because the client does not read. */
async function stuckDownload(ferry: Ferry, client: RawClient): Promise<Socket> {
  await putObject(ferry, 'big', Buffer.alloc(BIG));
  const data = await client.passive();
  data.on('error', () => {});
  await dialogue(client, `C: RETR big\nS: 150 Sending big (${BIG} bytes).`);
  await once(data, 'readable');
  return data;
}

async function beginUpload(client: RawClient): Promise<Socket> {
  const data = await client.passive();
  data.on('error', () => {});
  await dialogue(client, 'C: STOR a.txt\nS: 150 Ready to receive a.txt.');
  data.write('x');
  await expect.poll(async () => (await client.command('STAT')).text).toContain('STOR under way: 1 bytes');
  return data;
}

describe('ABOR with nothing to abort', () => {
  test('is 225, before login and after', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(client, 'C: ABOR\nS: 225 Nothing to abort.');
    await client.login(USER.name, USER.password);
    await dialogue(client, 'C: ABOR\nS: 225 Nothing to abort.');
    await expectInStep(client);
  });

  test('right after a transfer has finished is 225', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.upload('STOR a.txt', 'hello');
    await dialogue(client, 'C: ABOR\nS: 225 Nothing to abort.');
    await client.download('RETR a.txt');
    await dialogue(client, 'C: ABOR\nS: 225 Nothing to abort.');
    await expectInStep(client);
  });

  test('gives up the endpoint that waits', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(client, 'C: EPSV\nS: 229 …\nC: ABOR\nS: 225 …\nC: LIST\nS: 425 …');
    expect(ferry.passivePorts.pending).toBe(0);
  });
});

describe('ABOR of a transfer', () => {
  test('in RETR is 426 and then 226 within a second, and cuts the data connection', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await stuckDownload(ferry, client);
    const started = performance.now();
    await dialogue(
      client,
      `C: ABOR
       S: 426 Data connection aborted; transfer aborted.
       S: 226 Abort done.`,
    );
    expect(performance.now() - started).toBeLessThan(1000);
    const closed = new Promise((resolve) => data.once('close', resolve));
    data.resume();
    await closed;
    await expectInStep(client);
    expect((await client.upload('STOR a.txt', 'hello'))[1].code).toBe(226);
  });

  test('in STOR is 426 and then 226, and nothing is stored', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await beginUpload(client);
    await dialogue(client, 'C: ABOR\nS: 426 …\nS: 226 Abort done.');
    expect(await keysOf(ferry)).toEqual([]);
    await expectInStep(client);
  });

  test('in STOR leaves the file that was there', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.upload('STOR a.txt', 'hello');
    await beginUpload(client);
    await dialogue(client, 'C: ABOR\nS: 426 …\nS: 226 …\nC: SIZE a.txt\nS: 213 5');
  });

  test('in LIST while S3 is slow is 426 and then 226', async () => {
    await using tap = await startS3Tap();
    await using ferry = await startFerry({}, tap.endpoint);
    await dropFiles(
      ferry,
      'many',
      Array.from({ length: 1100 }, (_, index) => `file-${index}`),
    );
    using client = await ferry.login();
    tap.hold(/continuation-token/);
    const data = await client.passive();
    data.on('error', () => {});
    await dialogue(client, 'C: LIST many\nS: 150 Here comes the listing.');
    await expect.poll(() => tap.requests.at(-1)).toContain('continuation-token');
    await dialogue(client, 'C: ABOR\nS: 426 …\nS: 226 Abort done.');
    await expectInStep(client);
  });

  test('before its 150, while S3 is slow, is 426 and then 226', async () => {
    await using tap = await startS3Tap();
    await using ferry = await startFerry({}, tap.endpoint);
    using client = await ferry.login();
    tap.hold(/slow/);
    await client.command('EPSV');
    client.write('RETR slow\r\n');
    await expect.poll(() => tap.requests.at(-1)).toContain('slow');
    await dialogue(client, 'C: ABOR\nS: 426 Transfer aborted.\nS: 226 Abort done.\nC: ABOR\nS: 225 …');
  });

  test('before its data connection has come is 426 and then 226 at once', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const line of ['LIST', 'STOR a.txt', 'MLSD']) {
      await client.command('EPSV');
      await dialogue(client, `C: ${line}\nS: 150 …\nC: ABOR\nS: 426 Transfer aborted.\nS: 226 Abort done.`);
    }
    expect(ferry.passivePorts.pending).toBe(0);
    await expectInStep(client);
  });

  test('twice is 426, 226 and 225', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await stuckDownload(ferry, client);
    client.write('ABOR\r\nABOR\r\n');
    await dialogue(client, 'S: 426 …\nS: 226 Abort done.\nS: 225 Nothing to abort.');
    await expectInStep(client);
  });

  test('overtakes what waits, and that is answered behind it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await stuckDownload(ferry, client);
    client.write('PWD\r\nSYST\r\nABOR\r\n');
    await dialogue(client, 'S: 426 …\nS: 226 Abort done.\nS: 257 …\nS: 215 …');
  });

  test('when the last byte is in gives two replies of one outcome', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    data.end();
    client.write('ABOR\r\n');
    const first = await client.reply();
    expect(first.code).toBeOneOf([226, 426]);
    expect((await client.reply()).code).toBeOneOf([225, 226]);
    expect(await keysOf(ferry)).toEqual(first.code === 226 ? ['a.txt'] : []);
    await expectInStep(client);
  });
});

describe('ABOR as clients really send it', () => {
  test.each([
    ['behind IAC IP IAC DM', '\xff\xf4\xff\xf2ABOR\r\n'],
    ['behind IAC IP IAC, the DM being out of band', '\xff\xf4\xffABOR\r\n'],
    ['behind IAC IP DM, the second IAC being out of band', '\xff\xf4\xf2ABOR\r\n'],
    ['without its LF, which is out of band', 'ABOR\r'],
    ['in lower case, with a blank', 'abor \r\n'],
  ])('%s acts', async (_, bytes) => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await stuckDownload(ferry, client);
    client.write(Buffer.from(bytes, 'latin1'));
    await dialogue(client, 'S: 426 …\nS: 226 Abort done.');
    await expectInStep(client);
  });

  test('with an LF that comes late acts once', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await stuckDownload(ferry, client);
    client.write('ABOR\r');
    await dialogue(client, 'S: 426 …\nS: 226 Abort done.');
    client.write('\n');
    await expectInStep(client);
  });

  test('byte by byte acts once', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await stuckDownload(ferry, client);
    for (const byte of Buffer.from('\xff\xf4\xff\xf2ABOR\r\n', 'latin1')) {
      client.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await dialogue(client, 'S: 426 …\nS: 226 Abort done.');
    await expectInStep(client);
  });
});
