import fc from 'fast-check';
import { COMMANDS } from '../../src/ftp/commands/table.ts';
import { ACTS, type Act, TIMES, type Time, WRAPPINGS, type Wrapping } from './data.ts';
import * as words from './words.ts';

/** Bytes to the control connection, one character a byte; after them every answer is waited for. */
export interface Lines {
  readonly kind: 'lines';
  readonly bytes: string;
  readonly cuts: readonly number[];
}

/** A transfer, from its endpoint to its end. */
export interface TransferStep {
  readonly kind: 'transfer';
  readonly endpoint: string;
  /** Sent before the verb, each with its answer. */
  readonly before: readonly string[];
  readonly line: string;
  readonly time: Time;
  readonly act: Act;
  /** Bytes that an upload sends. */
  readonly size: number;
  /** Where data connections are to be in TLS. */
  readonly wrapped: Wrapping;
  /** Bytes to the control connection when the mark has come. */
  readonly meanwhile: string;
}

export type Step =
  | Lines
  | TransferStep
  | { readonly kind: 'login' }
  | { readonly kind: 'auth'; readonly mechanism: string; readonly next: 'handshake' | 'garbage' | 'leave' };

/** What one client does, from its greeting to its end. */
export interface Script {
  /** Whether it comes to the port of implicit TLS, where there is one, and whether in TLS. */
  readonly door: 'plain' | 'implicit' | 'garbage';
  readonly login: boolean;
  readonly steps: readonly Step[];
  readonly end: 'quit' | 'destroy' | 'reset' | 'half-close';
}

/** One of several, so many times as often as one of weight 1. */
type Weighted<T> = readonly [weight: number, arbitrary: fc.Arbitrary<T>];

function oneOf<T>(...choices: readonly Weighted<T>[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const joined = (by: string, ...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => all.join(by));

/** QUIT has its own place, and AUTH its own step. */
const VERBS = [...COMMANDS.keys()].filter((verb) => !['QUIT', 'AUTH'].includes(verb));

const byte = fc.nat(255).map((code) => String.fromCharCode(code));

const junk = fc.string({ maxLength: 40, unit: byte });

const name = oneOf([6, fc.constantFrom(...words.NAMES)], [1, fc.constantFrom(...words.RAW_NAMES)]);

const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

const argument = oneOf(
  [4, path],
  [2, fc.constantFrom(...words.NUMBERS)],
  [3, fc.constantFrom(...words.SPECIAL)],
  [1, junk],
  [1, fc.constantFrom('', ' ', '  ')],
);

const known = fc.constantFrom(...VERBS);

const verb = oneOf(
  [9, known],
  [1, known.map((word) => word.toLowerCase())],
  [1, fc.constantFrom(...words.ODD_VERBS)],
);

/** Telnet commands that clients send before ABOR, and ones that nobody sends. */
const telnet = fc.constantFrom(
  '\xff\xf4\xff\xf2',
  '\xff\xf4\xff',
  '\xf2',
  '\xff\xfd\x06',
  '\xff\xfb',
  '\xff\xfa',
  '\xff',
);

/** Lengths on both sides of every limit. */
const length = fc.constantFrom(8180, 8191, 8192, 8193, 20_000, 65_000, 65_535, 65_536, 65_537, 140_000);

const huge = fc.tuple(verb, length).map(([word, size]) => `${word} `.padEnd(size, 'x'));

const likely = fc.constantFrom(...words.LIKELY);

const sendable = oneOf(
  [8, likely],
  [10, joined(' ', verb, argument)],
  [2, verb],
  [1, junk],
  [1, joined('', telnet, likely)],
  [1, huge],
)
  // What begins so has to be answered by a handshake, or ends the session: other steps do that.
  .filter((line) => !/^[\x80-\xff]*(auth (tls|ssl)|quit)/i.test(line) && !line.startsWith('\x16'));

const lineEnd = oneOf([12, fc.constant('\r\n')], [2, fc.constantFrom('\n', '\r\r\n', '\r\n\r\n', '\n\n')]);

const line = joined('', sendable, lineEnd);

const several = (minLength: number, maxLength: number) =>
  fc.array(line, { minLength, maxLength }).map((all) => all.join(''));

const lines = fc
  .tuple(oneOf([6, line], [2, several(2, 8)], [1, several(30, 60)]), fc.array(fc.nat(200), { maxLength: 4 }))
  .map(([bytes, cuts]): Step => ({ kind: 'lines', bytes, cuts: cuts.filter((cut) => cut < bytes.length) }));

const short = sendable.filter((text) => !/[\r\n]|^$/.test(text) && text.length < 500);

const moving = fc.constantFrom('STOR', 'APPE', 'RETR', 'LIST', 'MLSD', 'NLST', 'STOU');

const transfer = fc.record({
  kind: fc.constant('transfer' as const),
  endpoint: fc.constantFrom('PASV', 'EPSV', 'EPSV', 'PORT', 'EPRT', 'NOOP'),
  before: oneOf(
    [3, fc.constant<string[]>([])],
    [1, fc.array(oneOf([1, fc.constantFrom(...words.BEFORE)], [1, short]), { maxLength: 3 })],
  ),
  line: oneOf(
    [1, fc.constantFrom(...words.UPLOADS)],
    [1, fc.constantFrom(...words.DOWNLOADS)],
    [1, joined(' ', moving, path).map((text) => text.replaceAll(/[\r\n]/g, '_'))],
  ),
  time: fc.constantFrom(...TIMES),
  act: fc.constantFrom(...ACTS),
  size: fc.constantFrom(0, 1, 1000, 65_536, 65_537, 300_000, 300_000, 6_000_000, 12 * 2 ** 20),
  wrapped: fc.constantFrom(...WRAPPINGS),
  meanwhile: oneOf([6, fc.constant('')], [4, fc.constantFrom(...words.MEANWHILE)], [1, line]),
});

const auth = fc.record({
  kind: fc.constant('auth' as const),
  mechanism: fc.constantFrom('TLS', 'SSL', 'TLS-C', 'tls', 'TLS-P', 'GSSAPI', '', 'TLS\r\nNOOP'),
  next: fc.constantFrom('handshake', 'handshake', 'garbage', 'leave'),
});

const step = oneOf<Step>([6, lines], [6, transfer], [1, fc.constant({ kind: 'login' })], [1, auth]);

/** What clients do, sensible and hostile. */
export const script: fc.Arbitrary<Script> = fc.record({
  door: fc.constantFrom(
    'plain',
    'plain',
    'plain',
    'plain',
    'plain',
    'plain',
    'implicit',
    'implicit',
    'garbage',
  ),
  login: fc.integer({ min: 0, max: 5 }).map((dice) => dice > 0),
  steps: fc.array(step, { minLength: 1, maxLength: 14, size: 'max' }),
  end: fc.constantFrom('quit', 'quit', 'destroy', 'reset', 'half-close'),
});
