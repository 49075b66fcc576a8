import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalPath, decodeName, encodeName } from '../../src/fs/names.ts';
import { parseEprt, parsePort } from '../../src/ftp/active.ts';
import { parseCommand } from '../../src/ftp/command.ts';
import { COMMANDS } from '../../src/ftp/commands/table.ts';
import { textEncoding } from '../../src/ftp/encoding.ts';
import { MLST_FACTS, parseListArgument, parseMlstOptions } from '../../src/ftp/listing.ts';
import { PathError, resolvePath } from '../../src/ftp/path.ts';
import { parsePattern } from '../../src/ftp/pattern.ts';
import { ReplyError } from '../../src/ftp/reply.ts';
import type { Session } from '../../src/ftp/session.ts';
import { initialState } from '../../src/ftp/state.ts';
import { stripTelnet } from '../../src/ftp/telnet.ts';
import { parseTimeVal } from '../../src/ftp/time.ts';
import { ENCODINGS } from '../../src/setting-values.ts';

/** Text made of what a parser looks for, and of anything else. */
const made = (...parts: string[]) =>
  fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...parts) },
        fc.string({ maxLength: 3, unit: 'binary' }),
      ),
      {
        maxLength: 12,
      },
    )
    .map((list) => list.join(''));

describe('any argument', () => {
  test('of PORT is refused, or is an address and a port that say the same', () => {
    const numbers = made('0', '1', '255', '256', '00', '12', ',', ',', ',', ' ', '-', '.', '1,2,3,4,5');
    fc.assert(
      fc.property(numbers, (argument) => {
        const target = parsePort(argument);
        if (target === undefined) return;
        expect(isIPv4(target.host)).toBe(true);
        const ports = [target.port >> 8, target.port & 255];
        expect(argument.split(',').map(Number)).toEqual([...target.host.split('.').map(Number), ...ports]);
      }),
      { numRuns: 5000 },
    );
  });

  test('of EPRT is refused, or has its parts between four equal delimiters', () => {
    const fields = made(
      '|',
      '|',
      '|',
      '1',
      '2',
      '3',
      '127.0.0.1',
      '::1',
      'fe80::1%lo',
      '0',
      '65535',
      '65536',
      '!',
      ':',
    );
    const whole = fc
      .tuple(
        fc.constantFrom('|', '!', '1', ':'),
        fc.constantFrom('1', '2', '3', '01'),
        fc.constantFrom('127.0.0.1', '::1', 'fe80::1%lo', '1.2.3', '::ffff:1.2.3.4'),
        fc.constantFrom('0', '1', '65535', '65536', '00080', ''),
      )
      .map(([d, protocol, host, port]) => ['', protocol, host, port, ''].join(d));
    fc.assert(
      fc.property(fc.oneof(fields, whole), (argument) => {
        const target = parseEprt(argument);
        if (target === undefined || target === 'unknown-protocol') return;
        const { protocol, host, port } = target;
        expect(protocol === 1 ? isIPv4(host) : isIPv6(host) && !host.includes('%')).toBe(true);
        expect(port).toBeGreaterThan(0);
        expect(port).toBeLessThan(65_536);
        const [d = ''] = argument;
        expect(argument.split(d)).toEqual(['', String(protocol), host, expect.any(String), '']);
        expect(Number(argument.split(d)[3])).toBe(port);
      }),
      { numRuns: 5000 },
    );
  });

  test('of OPTS MLST selects known facts, each once, in our order, and those it names between semicolons', () => {
    fc.assert(
      fc.property(made(...MLST_FACTS, ';', ';', 'TYPE', 'Size', ' ', 'typ', 'constructor'), (argument) => {
        const wanted = argument.split(';').map((name) => name.trim().toLowerCase());
        expect(parseMlstOptions(argument)).toEqual(
          MLST_FACTS.filter((fact) => wanted.includes(fact.toLowerCase())),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('of LIST leaves a path that is the end of it, and takes nothing but options before it', () => {
    fc.assert(
      fc.property(made('-', 'l', 'a', 'R', ' ', '-la ', '-1', './', '*'), (argument) => {
        const { recursive, path = '' } = parseListArgument(argument);
        expect(argument.endsWith(path)).toBe(true);
        const options = argument.slice(0, argument.length - path.length);
        expect(options).toMatch(/^(-[A-Za-z1]+( |$))*$/);
        expect(path).not.toMatch(/^-[A-Za-z1]+( |$)/);
        expect(recursive).toBe(options.includes('R'));
      }),
      { numRuns: 2000 },
    );
  });

  test('is a time where its digits are one of the calendar, and that one', () => {
    const digits = made(
      '2024',
      '2023',
      '0229',
      '0102',
      '030405',
      '99',
      '00',
      '59',
      '60',
      '.',
      '.5',
      '+',
      ' ',
    );
    fc.assert(
      fc.property(digits, (argument) => {
        expect(parseTimeVal(argument)?.toISOString()).toBe(referenceTime(argument));
      }),
      { numRuns: 5000 },
    );
  });

  const numbers = made(
    '0',
    '1',
    '9',
    '18446744073709551616',
    '9223372036854775807',
    '9223372036854775808',
    ' ',
    '-',
    'e',
    '.',
    'R',
    ' R ',
  );

  /** What a command does to a session that has nothing but its state and settings. */
  function run(verb: 'REST' | 'RANG' | 'ALLO', argument: string) {
    const state = initialState();
    const session = { state, config: { ascii: 'exact', memory: 2 ** 28 } } as Session;
    try {
      const reply = COMMANDS.get(verb)?.run?.(session, argument) as { code: number };
      return { state, code: reply.code };
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      return { state, code: error.reply.code };
    }
  }

  test('of REST is refused with nothing changed, or is the offset, not negative', () => {
    fc.assert(
      fc.property(numbers, (argument) => {
        const { state, code } = run('REST', argument);
        const good = /^\d{1,19}$/.test(argument) && BigInt(argument) < 2n ** 63n;
        expect([code, state.restart]).toEqual(good ? [350, Number(argument)] : [501, 0]);
      }),
      { numRuns: 3000 },
    );
  });

  test('of RANG is refused with nothing changed, or is a range that is not empty, or none', () => {
    fc.assert(
      fc.property(numbers, (argument) => {
        const { state, code } = run('RANG', argument);
        const [, start, end] = /^(\d{1,15}) (\d{1,15})$/.exec(argument) ?? [];
        expect(code).toBe(start === undefined ? 501 : 350);
        const isRange = start !== undefined && Number(start) <= Number(end);
        expect(state.range).toEqual(isRange ? { start: Number(start), end: Number(end) } : undefined);
      }),
      { numRuns: 3000 },
    );
  });

  test('of ALLO is refused with nothing changed, or is a size that an upload can have', () => {
    fc.assert(
      fc.property(numbers, (argument) => {
        const { state, code } = run('ALLO', argument);
        expect([200, 501, 552]).toContain(code);
        if (code !== 200) expect(state.announced).toBe(undefined);
        else expect(Number(/^\d+/.exec(argument)?.[0])).toBe(state.announced);
        expect(state.announced ?? 0).toBeLessThan(2 ** 50);
      }),
      { numRuns: 3000 },
    );
  });
});

/** The ISO form of `YYYYMMDDHHMMSS[.sss]`, by the calendar of Date; undefined where it has no such time. */
function referenceTime(text: string): string | undefined {
  if (!/^\d{14}(\.\d+)?$/.test(text)) return undefined;
  const [year = 0, ...rest] = [0, 4, 6, 8, 10, 12].map((at) => Number(text.slice(at, at === 0 ? 4 : at + 2)));
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, Number(text.slice(15, 18).padEnd(3, '0')));
  const fields = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()];
  const same = [...fields, date.getUTCSeconds()].every((field, index) => field === rest[index]);
  return same && date.getUTCFullYear() === year ? date.toISOString() : undefined;
}

test.each(ENCODINGS)('bytes that %s reads as text are the text that it writes, whichever bytes', (name) => {
  const encoding = textEncoding(name);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    // Lead bytes, trail bytes, and what looks like an escape.
    made(
      '\x81',
      '\x8f',
      '\xe0',
      '\xfe',
      '\xff',
      '\x5c',
      '\x7e',
      '@',
      '%(',
      '25)',
      '(',
      'E9)',
      '1F600)',
      'D800)',
    ).map((text) => Buffer.from(text, 'latin1')),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const text = encoding.decode(Buffer.from(given));
      if (text === undefined) return;
      expect(text.isWellFormed()).toBe(true);
      expect(encoding.decode(encoding.encode(text))).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test('whatever a name is, it has one canonical spelling, and no part of that leads elsewhere', () => {
  const names = made('%(', ')', '25', '2E', '0A', '%(2E)', '%()', '/', '.', '..', '\x7f', '\t', '%(25)');
  fc.assert(
    fc.property(names, names, (cwd, argument) => {
      try {
        const path = canonicalPath(resolvePath(canonicalPath(resolvePath('/', cwd)), argument));
        expect(path).toMatch(/^\//);
        expect(canonicalPath(resolvePath('/', path))).toBe(path);
        for (const name of path.slice(1).split('/'))
          expect(encodeName(decodeName(name))).toBe(path === '/' ? '%()' : name);
      } catch (error) {
        expect(error).toBeInstanceOf(PathError);
      }
    }),
    { numRuns: 5000 },
  );
});

/** Each piece again and again, as long as a line may be; what stands behind it makes matches fail late. */
const REPEATED = [
  ...[
    'a',
    ' ',
    '*',
    '?',
    '[',
    '[!',
    '[a',
    '[a-z]',
    '%(',
    '%(25)(',
    '%(25)(25)',
    '%()',
    '"',
    '""',
    '"a',
    ';',
    'size;',
  ],
  ...[
    '-a ',
    '-',
    '/',
    '../',
    './',
    '.',
    '.a',
    '..',
    ',',
    '1,',
    '|',
    '|1|',
    '9',
    '\xff',
    '\xff\xf4',
    '\x80',
    '\t',
    '\0',
  ],
  ...['a=b;', '=', 'GET ', '{name}', 'UNIX.mode=644;', '20260101000000 ', '\u{1f600}', '\ud800', 'x*y?'],
];

test.each(REPEATED)('a line full of %j holds nobody up', (piece) => {
  for (const end of ['', '\n', ')x', ']', '"']) {
    const text = piece.repeat(8192 / piece.length) + end;
    const started = performance.now();
    parseCommand(stripTelnet(Buffer.from(text, 'latin1')));
    parsePort(text);
    parseEprt(text);
    parseMlstOptions(text);
    parseTimeVal(text);
    parseListArgument(text);
    decodeName(encodeName(text.toWellFormed()));
    parsePattern(text)?.matches('a'.repeat(1024));
    parsePattern(text.slice(-255))?.matches(piece.repeat(1024 / piece.length));
    for (const name of ['cp1252', 'shift_jis'] as const)
      textEncoding(name).encode(textEncoding(name).decode(Buffer.from(text)) ?? '');
    try {
      canonicalPath(resolvePath(text, text));
    } catch (error) {
      expect(error).toBeInstanceOf(PathError);
    }
    // All of them together take some milliseconds; exponents take for ever.
    expect(performance.now() - started).toBeLessThan(2000);
  }
});
