import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';

/** Everything that has ever been taken for "one level up". */
const UP = [
  '..',
  '../',
  './..',
  '.././',
  '/..',
  '//..//',
  '....',
  '....//',
  '..;',
  '.. ',
  ' ..',
  '..\\',
  '\\..\\',
  '..\\/',
  '%2e%2e',
  '%2e%2e/',
  '.%2e/',
  '%2e%2e%2f',
  '..%2f',
  '..%5c',
  '%252e%252e%252f',
  '..%c0%af',
  '%c0%ae%c0%ae/',
  '\uff0e\uff0e/',
  '\u2025/',
  '\u2024\u2024/',
  '..\u2215',
  '..\u2044',
  '..\uff0f',
  '.\u200b./',
  '~',
  '~/..',
  'in/..',
  'in/../..',
] as const;

const PRIZE = 'what lies outside';

test('no spelling of ".." leaves FERRY_PREFIX, whatever is done with it', async () => {
  await using ferry = await startFerry({ FERRY_PREFIX: 'jail/in' });
  const outside = ['prize', 'jail/prize', 'jail/in-prize', 'jail/inn/prize', 'etc/passwd'];
  for (const key of outside) await putObject(ferry, key, PRIZE);
  await putObject(ferry, 'jail/in/own', 'own');
  using client = await ferry.login();
  // Every spelling with every command, in one of its forms; test/ftp/wire/traversal.test.ts has them all.
  for (const [index, up] of UP.entries())
    for (const [turn, verb] of ['SIZE', 'MDTM', 'MLST', 'DELE', 'RNFR', 'CWD', 'RETR'].entries()) {
      const forms = [
        `${up}/prize`,
        `${up}prize`,
        `/${up}/prize`,
        `${up}/${up}/prize`,
        `${up}/${up}/jail/prize`,
      ];
      const path = forms[(index + turn) % forms.length] ?? '';
      const bytes = verb === 'RETR' ? (await client.download(`RETR ${path}`)).bytes : '';
      expect(bytes.toString(), path).not.toContain(PRIZE);
      if (verb !== 'RETR')
        expect((await client.command(`${verb} ${path}`)).code, `${verb} ${path}`).toBe(550);
    }
  for (const up of UP) {
    const listing = await client.download(`NLST ${up}`);
    expect(listing.bytes.toString(), up).not.toMatch(/prize|jail|etc/);
    await client.command('CWD /');
    await client.command(`CWD ${up}`);
    expect((await client.download('MLSD')).bytes.toString(), up).not.toMatch(/prize|jail|etc/);
    await client.command('CWD /');
    await client.upload(`STOR ${up}/stolen`, 'stolen').catch(() => undefined);
    await client.command(`MKD ${up}/made`);
    if ((await client.command('RNFR own')).code === 350) await client.command(`RNTO ${up}/own`);
    if ((await client.command(`RNFR ${up}/own`)).code === 350) await client.command('RNTO /own');
  }
  for (const key of outside) expect(await getObject(ferry, key), key).toBe(PRIZE);
  const keys = await keysOf(ferry);
  expect(keys.filter((key) => !key.startsWith('jail/in/'))).toEqual(outside.sort());
});

test('a path made of any dots, slashes and look-alikes stays below FERRY_PREFIX', async () => {
  await using ferry = await startFerry({ FERRY_PREFIX: 'jail' });
  await putObject(ferry, 'prize', PRIZE);
  await putObject(ferry, 'jail/prize', 'inside');
  using client = await ferry.login();
  const piece = fc.constantFrom(
    '..',
    '.',
    '/',
    '\\',
    '%2e',
    '%2f',
    'jail',
    'prize',
    ' ',
    '\u2025',
    '..;',
    '~',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (pieces) => {
      const { code, text } = await client.command(`SIZE ${pieces.join('')}`);
      if (code === 213) expect(text).toBe('213 6');
      else expect([501, 550]).toContain(code);
    }),
    { numRuns: 300 },
  );
});
