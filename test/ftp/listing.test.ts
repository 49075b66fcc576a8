import { parseList } from 'basic-ftp/dist/parseList.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_FACTS,
  featMlst,
  formatFacts,
  formatLs,
  type ListedEntry,
  MLST_FACTS,
  parseListArgument,
  parseMlstOptions,
  permFact,
  uniqueFact,
} from '../../src/ftp/listing.ts';

const NOW = new Date('2026-11-23T12:00:00Z');

function entry(given: Partial<ListedEntry> = {}): ListedEntry {
  return { name: 'name', type: 'file', size: 3, modified: new Date('2026-11-23T08:47:17Z'), ...given };
}

const AWKWARD_NAMES = [
  'plain.txt',
  '  two leading blanks',
  'trailing blank ',
  ' ',
  'a  b',
  '-rf',
  '"quoted"',
  "it's",
  'a -> b',
  'caf\u00e9',
  'cafe\u0301',
  '\u65e5\u672c\u8a9e \u{1f600}',
  '.hidden',
  '...',
  'back\\slash',
  'semi;colon=x; y',
  '1 owner group 5 Jan  1  2020 x',
  'tab\tinside',
  'total 5',
];

describe('a line of ls -l', () => {
  test('has the columns that parsers know', () => {
    const directory = entry({ name: 'dirname', type: 'directory', size: 0 });
    const file = entry({
      name: 'name with space.txt',
      size: 100_000,
      modified: new Date('2019-03-05T01:02:03Z'),
    });
    expect(formatLs(directory, NOW)).toBe(
      'drwxr-xr-x    2 owner    group               0 Nov 23 08:47 dirname',
    );
    expect(formatLs(file, NOW)).toBe(
      '-rw-r--r--    1 owner    group          100000 Mar  5  2019 name with space.txt',
    );
  });

  test('of a directory has size 0', () => {
    expect(formatLs(entry({ type: 'directory', size: 77 }), NOW)).toContain(' group               0 Nov ');
  });

  test('keeps its columns apart for the largest objects', () => {
    expect(formatLs(entry({ size: 54_975_581_388_800 }), NOW)).toContain(' group    54975581388800 Nov 23 ');
  });

  test.each([
    ['now', '2026-11-23T12:00:00Z', 'Nov 23 12:00'],
    ['one-digit parts', '2026-11-03T04:05:06Z', 'Nov  3 04:05'],
    ['182.5 days ago', '2026-05-25T00:00:00Z', 'May 25 00:00'],
    ['a millisecond more', '2026-05-24T23:59:59.999Z', 'May 24  2026'],
    ['24 hours ahead', '2026-11-24T12:00:00Z', 'Nov 24 12:00'],
    ['a millisecond more', '2026-11-24T12:00:00.001Z', 'Nov 24  2026'],
    ['a year before 1000', '0987-06-05T04:03:02Z', 'Jun  5   987'],
  ])('shows the time %s, %s, as "%s"', (_, modified, shown) => {
    expect(formatLs(entry({ modified: new Date(modified) }), NOW)).toBe(
      `-rw-r--r--    1 owner    group               3 ${shown} name`,
    );
  });

  test.each(AWKWARD_NAMES)('carries the name "%s" verbatim', (name) => {
    const line = formatLs(entry({ name }), NOW);
    expect(line).toBe(`-rw-r--r--    1 owner    group               3 Nov 23 08:47 ${name}`);
    expect(parseList(line)).toMatchObject([{ name, isFile: true }]);
  });

  /** All before the name: mode, links, owner, group, size, month, day, time or year. */
  const HEAD =
    /^(?:-rw-r--r-- {4}1|drwxr-xr-x {4}2) owner {4}group {4} {0,11}\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?: [1-9]|[12]\d|3[01]) (?:([01]\d|2[0-3]):[0-5]\d| \d{4}) $/;

  test('is read by the parser of basic-ftp as the entry that it stands for', () => {
    fc.assert(
      fc.property(entries, (listed) => {
        const line = formatLs(listed, NOW);
        const [read] = parseList(line);
        expect(read).toMatchObject({
          name: listed.name,
          size: listed.type === 'file' ? listed.size : 0,
          isDirectory: listed.type === 'directory',
          user: 'owner',
          group: 'group',
        });
        const head = line.slice(0, -listed.name.length);
        expect(head).toMatch(HEAD);
        const days = (NOW.getTime() - listed.modified.getTime()) / 86_400_000;
        const iso = listed.modified.toISOString();
        const timeOrYear = days <= 182.5 && days >= -1 ? iso.slice(11, 16) : ` ${iso.slice(0, 4)}`;
        expect(head.slice(-9)).toBe(`${String(listed.modified.getUTCDate()).padStart(2)} ${timeOrYear} `);
      }),
    );
  });
});

/** What S3 may hold: names of one part, as a listing may carry them. JavaScript's `.` stops at U+2028 and U+2029. */
const names = fc
  .oneof(
    fc.constantFrom(...AWKWARD_NAMES),
    fc.string({ minLength: 1, unit: 'grapheme' }),
    fc.string({ minLength: 1, unit: 'binary-ascii' }),
  )
  .filter((name) => !/[\p{Cc}/\u2028\u2029]|^\.\.?$/u.test(name));
function dates(min: string, max: string): fc.Arbitrary<Date> {
  return fc.date({ min: new Date(min), max: new Date(max), noInvalidDate: true });
}

const entries: fc.Arbitrary<ListedEntry> = fc.record({
  name: names,
  type: fc.constantFrom('file', 'directory'),
  size: fc.integer({ min: 0, max: 50_000_000_000_000 }),
  modified: fc.oneof(
    dates('1970-01-01T00:00:00Z', '2099-12-31T23:59:59Z'),
    dates('2026-05-20T00:00:00Z', '2026-05-30T00:00:00Z'),
    dates('2026-11-20T00:00:00Z', '2026-11-26T00:00:00Z'),
  ),
});

describe('facts', () => {
  const options = { permissions: 'adfrw', unique: 'u1' };

  test('of a file are all of them, in our order', () => {
    expect(formatFacts(entry(), new Set([...MLST_FACTS].reverse()), options)).toBe(
      'type=file;size=3;modify=20261123084717;perm=adfrw;unique=u1;UNIX.mode=0644;UNIX.owner=owner;UNIX.group=group;',
    );
  });

  test('of a directory have no size', () => {
    expect(
      formatFacts(entry({ type: 'directory' }), new Set(MLST_FACTS), { ...options, permissions: '' }),
    ).toBe(
      'type=dir;modify=20261123084717;perm=;unique=u1;UNIX.mode=0755;UNIX.owner=owner;UNIX.group=group;',
    );
  });

  test('are type, size, modify, perm and unique until a client selects others', () => {
    expect(formatFacts(entry({ size: 0 }), new Set(DEFAULT_FACTS), options)).toBe(
      'type=file;size=0;modify=20261123084717;perm=adfrw;unique=u1;',
    );
  });

  test('are none where none are selected', () => {
    expect(formatFacts(entry(), new Set(), options)).toBe('');
  });

  // RFC 3659 section 7.2; a token is 1*RCHAR.
  const RCHAR = '[A-Za-z0-9,.:!@#$%^&()_+?/\\\\\'"-]';
  const FACT = new RegExp(
    `^(?:type=(?:file|dir)|size=\\d+|modify=\\d{14}|perm=[acdeflmprw]*|unique=${RCHAR}+|UNIX\\.(?:mode|owner|group)=${RCHAR}+)$`,
  );

  test('and a name make an entry of the grammar, whichever are selected', () => {
    fc.assert(
      fc.property(entries, fc.subarray([...MLST_FACTS]), fc.string(), (listed, selected, key) => {
        const permissions = permFact(listed.type, ALL);
        const facts = formatFacts(listed, new Set(selected), { permissions, unique: uniqueFact(key) });
        const line = `${facts} ${listed.name}`;
        const [, given = '', name] = /^([^ ]*) (.+)$/s.exec(line) ?? [];
        expect(name).toBe(listed.name);
        expect(given).toMatch(/^(?:[^;]+;)*$/);
        const read = given.split(';').slice(0, -1);
        for (const fact of read) expect(fact).toMatch(FACT);
        const expected = selected.filter((fact) => fact !== 'size' || listed.type === 'file');
        expect(read.map((fact) => fact.split('=')[0])).toEqual(expected);
      }),
    );
  });

  test('are read by the parser of basic-ftp', () => {
    const line = `${formatFacts(entry({ name: ' a;b' }), new Set(MLST_FACTS), options)}  a;b`;
    expect(parseList(line)).toMatchObject([{ name: ' a;b', size: 3, isFile: true, uniqueID: 'u1' }]);
  });
});

const NONE = {
  enter: false,
  list: false,
  read: false,
  write: false,
  overwrite: false,
  append: false,
  delete: false,
  rename: false,
  makeDirectory: false,
  removeDirectory: false,
};
const ALL = {
  enter: true,
  list: true,
  read: true,
  write: true,
  overwrite: true,
  append: true,
  delete: true,
  rename: true,
  makeDirectory: true,
  removeDirectory: true,
};

const ENTERED = { ...NONE, enter: true };

test.each([
  ['everything', ALL, 'adfrw', 'cdeflmp'],
  ['nothing', NONE, '', ''],
  ['something below', ENTERED, '', 'e'],
  ['reading', { ...ENTERED, list: true, read: true }, 'r', 'el'],
  ['new names only', { ...ENTERED, write: true }, '', 'ce'],
  ['storing over files', { ...ENTERED, write: true, overwrite: true }, 'w', 'ce'],
  ['overwriting alone', { ...ENTERED, overwrite: true }, '', 'e'],
  ['appending', { ...ENTERED, append: true }, 'a', 'e'],
  ['deleting files', { ...ENTERED, delete: true }, 'd', 'ep'],
  ['removing directories', { ...ENTERED, removeDirectory: true }, '', 'de'],
  ['renaming', { ...ENTERED, rename: true }, 'f', 'ef'],
  ['making directories', { ...ENTERED, makeDirectory: true }, '', 'em'],
])('permission for %s is told by perm', (_, allowed, file, directory) => {
  expect(permFact('file', allowed)).toBe(file);
  expect(permFact('directory', allowed)).toBe(directory);
});

test('unique is the same for the same key in every process, and short', () => {
  expect(uniqueFact('bucket/a.txt')).toBe(uniqueFact('bucket/a.txt'));
  expect(uniqueFact('bucket/a.txt')).toMatchInlineSnapshot(`"CRizaSlUieJT6kZbGshhUr"`);
});

test('unique differs between 100,000 keys', () => {
  const facts = new Set(Array.from({ length: 100_000 }, (_, index) => uniqueFact(`bucket/${index}`)));
  expect(facts.size).toBe(100_000);
});

test.each([
  ['', []],
  [';', []],
  ['type;size;', ['type', 'size']],
  ['size;type;', ['type', 'size']],
  ['TYPE;Unix.Mode;', ['type', 'UNIX.mode']],
  ['type;size', ['type', 'size']],
  ['type;nonsense;media-type;size;', ['type', 'size']],
  ['type;type;', ['type']],
  [' type;', ['type']],
  ['types;', []],
  ['*', []],
])('OPTS MLST "%s" selects %j', (argument, facts) => {
  expect(parseMlstOptions(argument)).toEqual(facts);
});

test('FEAT stars the selected facts', () => {
  expect(featMlst(new Set(DEFAULT_FACTS))).toBe(
    'MLST type*;size*;modify*;perm*;unique*;UNIX.mode;UNIX.owner;UNIX.group;',
  );
  expect(featMlst(new Set())).toBe('MLST type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;');
});

test.each([
  ['', undefined, false],
  ['dir', 'dir', false],
  ['-a', undefined, false],
  ['-la', undefined, false],
  ['-1', undefined, false],
  ['-la ', undefined, false],
  ['-la dir', 'dir', false],
  ['-l -a dir', 'dir', false],
  ['-l -a x y', 'x y', false],
  ['-R', undefined, true],
  ['-lRat', undefined, true],
  ['-lRat dir', 'dir', true],
  ['-l -R', undefined, true],
  ['-R -l', undefined, true],
  ['-r dir', 'dir', false],
  ['-la  two blanks ', ' two blanks ', false],
  [' lead', ' lead', false],
  [' -la', ' -la', false],
  ['dir -R', 'dir -R', false],
  ['name with space', 'name with space', false],
  ['-', '-', false],
  ['--', '--', false],
  ['--help', '--help', false],
  ['-2026', '-2026', false],
  ['-2026.csv', '-2026.csv', false],
  ['-la.txt', '-la.txt', false],
  ['./-x', './-x', false],
  ['-a -> b', '-> b', false],
  ['-a *.csv', '*.csv', false],
])('LIST "%s" lists the path "%s"', (argument, path, recursive) => {
  expect(parseListArgument(argument)).toEqual({ path, recursive });
});
