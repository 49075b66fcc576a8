import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startFerry } from '../support/ferry.ts';
import { startFlatS3 } from '../support/flat-s3.ts';

const COUNT = 100_000;

test.each(['LIST', 'NLST', 'MLSD'])(
  '%s of 100,000 files sends each once, by one request a page',
  async (verb) => {
    await using s3 = await startFlatS3(COUNT);
    await using ferry = await startFerry({}, s3.endpoint);
    using client = await ferry.login();
    const before = s3.pages;
    const data = await client.passive();
    expect((await client.command(verb)).code).toBe(150);
    let lines = 0;
    let last = '';
    for await (const chunk of data.setEncoding('latin1')) {
      const parts = `${last}${chunk}`.split('\r\n');
      last = parts.pop() ?? '';
      for (const line of parts)
        if (!line.endsWith(`file-${String(lines++).padStart(8, '0')}.dat`))
          throw new Error(`line ${lines}: ${line}`);
    }
    expect((await client.reply()).code).toBe(226);
    expect([lines, last]).toEqual([COUNT, '']);
    expect(s3.pages - before).toBe(COUNT / 1000);
  },
);

test('the first lines come after two requests at the most', async () => {
  await using s3 = await startFlatS3(COUNT);
  await using ferry = await startFerry({}, s3.endpoint);
  using client = await ferry.login();
  s3.holdFrom(1);
  const before = s3.pages;
  const data = await client.passive();
  expect((await client.command('NLST')).code).toBe(150);
  const [first] = await once(data, 'data');
  expect(String(first)).toMatch(/^file-00000000\.dat\r\n/);
  expect(s3.pages - before).toBeLessThanOrEqual(2);
  s3.release();
  data.resume();
  expect((await client.reply()).code).toBe(226);
});

test('a client that does not read makes S3 be asked for one page ahead, not for more', async () => {
  await using s3 = await startFlatS3(1_000_000);
  await using ferry = await startFerry({}, s3.endpoint);
  using client = await ferry.login();
  const data = await client.passive();
  data.pause();
  expect((await client.command('LIST')).code).toBe(150);
  // TCP's buffers are full when nothing is asked for any more.
  let pages = -1;
  await expect
    .poll(
      () => {
        const still = pages === s3.pages;
        pages = s3.pages;
        return still;
      },
      { interval: 90, timeout: 20_000 },
    )
    .toBe(true);
  expect(pages).toBeLessThan(500);
  data.resetAndDestroy();
  expect((await client.reply()).code).toBe(426);
});

test.each(['data', 'control'])(
  'a listing whose client drops its %s connection is given up at once: the request under way, and all further ones',
  async (which) => {
    await using s3 = await startFlatS3(COUNT);
    await using ferry = await startFerry({}, s3.endpoint);
    using client = await ferry.login();
    s3.holdFrom(3);
    const before = s3.pages;
    const data = await client.passive();
    data.on('error', () => {});
    data.resume();
    expect((await client.command('MLSD')).code).toBe(150);
    await expect.poll(() => s3.pages - before).toBe(4);
    if (which === 'data') data.resetAndDestroy();
    else client.socket.destroy();
    await expect.poll(() => s3.givenUp).toBe(1);
    if (which === 'data') expect((await client.reply()).code).toBe(426);
    s3.release();
    await expect.poll(() => ferry.records.some(({ event }) => event === 'transfer')).toBe(true);
    expect(s3.pages - before).toBe(4);
  },
);
