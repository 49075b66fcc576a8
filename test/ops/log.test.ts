import { describe, expect, test } from 'vitest';
import { openLog } from '../../src/ops/log.ts';
import { formatBytes, formatRecord } from '../../src/ops/pretty.ts';

const TIME = '2026-11-23T08:47:17.123Z';

const TRANSFER = {
  time: TIME,
  level: 30,
  event: 'transfer',
  user: 'anna',
  address: '203.0.113.7',
  verb: 'STOR',
  path: '/in/a b.csv',
  bytes: 3_145_728,
  seconds: 1.5,
  code: 226,
};

function written(format: 'pretty' | 'json') {
  const lines: string[] = [];
  return { lines, log: openLog(format, (line) => lines.push(line)) };
}

describe('in JSON', () => {
  test('a record is one line with its time in ISO 8601, its fields and its message', () => {
    const { lines, log } = written('json');
    log.child({ address: '203.0.113.7' }).info({ event: 'session', seconds: 3 }, 'bye');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 30,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      address: '203.0.113.7',
      event: 'session',
      seconds: 3,
      message: 'bye',
    });
  });

  test('control characters in a name stay within their line, and are kept', () => {
    const { lines, log } = written('json');
    log.info({ ...TRANSFER, path: '/a\r\n{"event":"forged"}\u001b' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(lines[0] ?? '').path).toBe('/a\r\n{"event":"forged"}\u001b');
  });

  test('an error is kept with its message and its cause', () => {
    const { lines, log } = written('json');
    log.error({ event: 'fault', err: new Error('outer', { cause: new Error('inner') }) });
    expect(JSON.parse(lines[0] ?? '').err.message).toBe('outer: inner');
  });
});

describe('on a terminal', () => {
  test('a transfer is one line with name, code, size, time, rate and who it was', () => {
    expect(formatRecord(TRANSFER)).toBe(
      '08:47:17 STOR /in/a b.csv 226 3.0 MiB in 1.50 s, 2.0 MiB/s, anna@203.0.113.7\n',
    );
  });

  test('a transfer that failed says why', () => {
    expect(formatRecord({ ...TRANSFER, code: 426, reason: 'aborted', bytes: 512, seconds: 0.25 })).toBe(
      '08:47:17 STOR /in/a b.csv 426 (aborted) 512 B in 0.25 s, 2.0 KiB/s, anna@203.0.113.7\n',
    );
  });

  test('a listing of the working directory has no path', () => {
    expect(formatRecord({ ...TRANSFER, verb: 'LIST', path: '' })).toContain(' LIST 226 3.0 MiB in ');
  });

  test('a transfer too short to be measured has a rate all the same', () => {
    expect(formatRecord({ ...TRANSFER, bytes: 0, seconds: 0 })).toContain(' 0 B in 0.00 s, 0 B/s, ');
    expect(formatRecord({ ...TRANSFER, bytes: 1, seconds: 0 })).toContain(' 1 B in 0.00 s, 1000 B/s, ');
  });

  test('any other record is its event, its message and its fields', () => {
    expect(
      formatRecord({ time: TIME, level: 30, event: 'refused', port: 8192, ports: [1, 2], message: 'no one' }),
    ).toBe('08:47:17 refused no one port=8192 ports=[1,2]\n');
    expect(formatRecord({ time: TIME, message: '' })).toBe('08:47:17 \n');
  });

  test.each([
    ['path', '/a\r226\u001b[2J\u007f\u0085b', '/a?226?[2J??b'],
    ['user', 'an\0na', 'an?na'],
    ['reason', 'a\tb', 'a?b'],
    ['reason', 'S3: no\n08:47:18 forged', 'S3: no?08:47:18 forged'],
  ])('control characters of %s neither end the line nor reach the terminal', (field, given, shown) => {
    const line = formatRecord({ ...TRANSFER, [field]: given });
    expect(line).toContain(shown);
    expect(line.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });

  test('a record of the log is one such line', () => {
    const { lines, log } = written('pretty');
    const { time, level, address, ...fields } = TRANSFER;
    log.child({ address }).info(fields);
    expect(lines).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d STOR .* anna@203\.0\.113\.7\n$/)]);
  });
});

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [2 ** 20, '1.0 MiB'],
  [5 * 2 ** 30, '5.0 GiB'],
  [2 ** 40, '1.0 TiB'],
  [2 ** 52, '4096.0 TiB'],
  [0.4, '0 B'],
])('%d bytes read "%s"', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
