import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatReply, multiline, type Reply, ReplyError, reply, textLines } from '../../src/ftp/reply.ts';

test.each<[string, Reply, string]>([
  ['one line', reply(200, 'Fine.'), '200 Fine.\r\n'],
  ['no text: the blank behind the code stays', reply(200, ''), '200 \r\n'],
  ['no line at all', { code: 200, lines: [] }, '200 \r\n'],
  ['text that looks like a code', reply(200, '500-x'), '200 500-x\r\n'],
  ['two lines', { code: 211, lines: ['a', 'b'] }, '211-a\r\n211 b\r\n'],
  [
    'middle lines',
    multiline(211, 'Features:', ['SIZE', 'MDTM'], 'End'),
    '211-Features:\r\n SIZE\r\n MDTM\r\n211 End\r\n',
  ],
  ['no middle lines', multiline(211, 'Features:', [], 'End'), '211-Features:\r\n211 End\r\n'],
  ['a middle line like the last', { code: 230, lines: ['a', '230 b', 'c'] }, '230-a\r\n 230 b\r\n230 c\r\n'],
  ['a middle line like a first', { code: 230, lines: ['a', '230-b', 'c'] }, '230-a\r\n 230-b\r\n230 c\r\n'],
  [
    'a middle line with another code',
    { code: 230, lines: ['a', '550 b', 'c'] },
    '230-a\r\n 550 b\r\n230 c\r\n',
  ],
  [
    'middle lines that Python takes for the last',
    { code: 230, lines: ['a', '230', '230 V', '2300 users', 'c'] },
    '230-a\r\n 230\r\n 230 V\r\n 2300 users\r\n230 c\r\n',
  ],
  ['empty middle lines', { code: 230, lines: ['a', '', 'c'] }, '230-a\r\n\r\n230 c\r\n'],
  ['first and last like codes', { code: 230, lines: ['230 a', '230 c'] }, '230-230 a\r\n230 230 c\r\n'],
  ['UTF-8', reply(257, '"/é 日本 \u{1f600}"'), '257 "/é 日本 \u{1f600}"\r\n'],
  ['a name with a line end', reply(257, '"/a\r\n226 Done."'), '257 "/a??226 Done."\r\n'],
  [
    'names with line ends in a middle line',
    multiline(250, 'Listing', ['x\n250 End'], 'End'),
    '250-Listing\r\n x?250 End\r\n250 End\r\n',
  ],
  ['NUL, escape, DEL and C1 controls', reply(250, '\0\u001b[2J\u007f\u0085\u009b'), '250 ??[2J???\r\n'],
  ['a tab', reply(250, 'a\tb'), '250 a?b\r\n'],
])('writes %s', (_, given, bytes) => {
  expect(formatReply(given)).toBe(bytes);
});

/** A client's reading of one reply, by RFC 959 section 4.2 to the letter: what is left over is another reply. */
function readReply(text: string): { code: string; lines: string[]; left: string } {
  const lines = text.split('\r\n');
  const [, code = '', mark, first = ''] = /^(\d{3})([ -])(.*)$/s.exec(lines.shift() ?? '') ?? [];
  const read = [first];
  while (mark === '-') {
    const line = lines.shift();
    if (line === undefined) throw new Error('the last line is missing');
    const last = line.startsWith(`${code} `);
    read.push(last ? line.slice(4) : line);
    if (last) break;
  }
  return { code, lines: read, left: lines.join('\r\n') };
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('226', '230', ' ', '-', '\r', '\n', '\r\n', '\0', 'a', '\u0085'), { maxLength: 8 })
    .map((parts) => parts.join('')),
);

test('whatever the texts, a client reads exactly one reply with as many lines as were given', () => {
  fc.assert(
    fc.property(fc.constantFrom(226, 230), fc.array(text, { minLength: 1, maxLength: 6 }), (code, lines) => {
      const written = formatReply({ code, lines });
      const read = readReply(written);
      expect(read.code).toBe(String(code));
      expect(read.lines).toHaveLength(lines.length);
      expect(read.left).toBe('');
      expect(written.replaceAll('\r\n', '')).not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 2_000 },
  );
});

test('no reply holds the byte 0xFF, which Telnet would take for a command', () => {
  fc.assert(
    fc.property(text, (line) => {
      expect(Buffer.from(formatReply(reply(200, line))).includes(0xff)).toBe(false);
    }),
  );
});

test('421 closes, every other code leaves the connection open', () => {
  expect(reply(421, 'Too many.').close).toBe(true);
  expect(reply(425, 'No.').close).toBe(false);
});

test('a thrown reply carries its code, text and cause', () => {
  const cause = new Error('why');
  const thrown = new ReplyError(421, 'Gone.', { cause });
  expect(thrown.reply).toEqual({ code: 421, lines: ['Gone.'], close: true });
  expect(thrown.cause).toBe(cause);
});

test.each([
  ['one', ['one']],
  ['one\ntwo', ['one', 'two']],
  ['one\r\ntwo', ['one', 'two']],
  ['one\\ntwo', ['one', 'two']],
  ['one\n\ntwo', ['one', '', 'two']],
  ['', ['']],
])('the setting %j gives the lines %j', (given, lines) => {
  expect(textLines(given)).toEqual(lines);
});
