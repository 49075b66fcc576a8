import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { ControlChannel, FLOOD, LONGEST_LINE, type Pulled } from '../../src/ftp/control.ts';

/** Two ends of one connection; the server's is as the server accepts it. */
async function pair(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const coming = once(server, 'connection') as Promise<[Socket]>;
  const client = connect({ port, host: '127.0.0.1', noDelay: true });
  const [accepted] = await coming;
  server.close();
  onTestFinished(() => void [client.destroy(), accepted.destroy()]);
  return { client, accepted };
}

/** All that a channel yields of these bytes, each piece sent when the one before it has come; then the end. */
async function pulledOf(pieces: readonly Buffer[]): Promise<string[]> {
  const { client, accepted } = await pair();
  const channel = new ControlChannel(accepted);
  const sending = (async () => {
    let sent = 0;
    for (const piece of pieces) {
      client.write(piece);
      sent += piece.length;
      while (accepted.bytesRead < sent && !accepted.destroyed) await new Promise(setImmediate);
    }
    client.end();
  })();
  const all: string[] = [];
  for (;;) {
    const pulled = await channel.pull();
    all.push(told(pulled));
    if (pulled.kind !== 'line' && pulled.kind !== 'too-long') break;
  }
  channel.destroy();
  client.destroy();
  await sending;
  return all;
}

function told(pulled: Pulled): string {
  return pulled.kind === 'line' ? `line ${pulled.bytes.toString('latin1')}` : pulled.kind;
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const borders = [
    0,
    ...[...new Set(cuts)].filter((at) => at < bytes.length).sort((a, b) => a - b),
    bytes.length,
  ];
  return borders.slice(1).map((end, index) => bytes.subarray(borders[index], end));
}

/** Bytes that mean something to lines or Telnet, and others. */
const byte = fc.oneof(
  fc.constantFrom(...'\r\n\0 \xff\xf2\xf4\xfb\xfd'.split('')),
  fc.constantFrom(...'ABORabc"%'.split('')),
  fc.nat(255).map((code) => String.fromCharCode(code)),
);

const stream = fc
  .array(
    fc.oneof(
      fc.string({ unit: byte, maxLength: 30 }),
      fc.constantFrom('NOOP\r\n', 'RETR a b \n', 'PWD\r\r\n', '\xff\xf4\xff\xf2'),
    ),
    {
      maxLength: 10,
    },
  )
  .map((parts) => parts.join(''))
  // An LF behind `ABOR CR` need not come at all: there it matters what is behind it, and when.
  .filter((text) => !text.startsWith('\x16') && !/abor/i.test(text.replaceAll(/[^a-z\r\n]/gi, '')));

test('any chunking of any bytes gives the same lines: those between the line ends, clean', async () => {
  await fc.assert(
    fc.asyncProperty(stream, fc.array(fc.nat(300), { maxLength: 12 }), async (text, cuts) => {
      const expected = text
        .split('\n')
        .slice(0, -1)
        .map(
          (line) =>
            `line ${line
              .replace(/\r+$/, '')
              .replaceAll(
                /\xff(?:(\xff)|[\xfb-\xfe][\s\S]?|[\xf0-\xfa]|)/g,
                (_, doubled?: string) => doubled ?? '',
              )
              .replace(/^[\x80-\xff]+/, '')
              .replaceAll('\r\0', '\r')}`,
        );
      expect(await pulledOf(cut(Buffer.from(text, 'latin1'), cuts))).toEqual([...expected, 'end']);
    }),
    { numRuns: 200 },
  );
});

const length = fc.oneof(
  fc.nat(20),
  fc.integer({ min: LONGEST_LINE - 2, max: LONGEST_LINE + 2 }),
  fc.integer({ min: FLOOD - 2, max: FLOOD + 2 }),
  fc.integer({ min: FLOOD + LONGEST_LINE, max: 3 * FLOOD }),
);

test('any chunking agrees on which line is too long, and which one is a flood', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(3 * FLOOD), { maxLength: 8 }),
      async (lengths, cuts) => {
        const bytes = Buffer.from(lengths.map((size) => `${'x'.repeat(size)}\n`).join(''));
        const kinds = lengths.map((size) =>
          size > FLOOD ? 'flood' : size > LONGEST_LINE ? 'too-long' : 'line',
        );
        const flood = kinds.indexOf('flood');
        const expected = flood < 0 ? [...kinds, 'end'] : kinds.slice(0, flood + 1);
        const pulled = await pulledOf(cut(bytes, cuts));
        expect(pulled.map((each) => each.replace(/ .*/, ''))).toEqual(expected);
      },
    ),
    { numRuns: 150 },
  );
});
