import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COMMANDS, NOT_SERVED } from '../../src/ftp/commands/table.ts';
import { startFerry } from '../support/ferry.ts';

const ROOT = join(import.meta.dirname, '../..');

const LINES = readFileSync(join(ROOT, 'docs/RFC.md'), 'utf8').split('\n');

/** The cells of each line of a table, without its head and the rule below that. */
const CELLS = LINES.filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  .filter(([first = '']) => !/^(Command|Subject|-+)$/.test(first));

const ROWS = CELLS.map(([name = '', support = '', clause = '', proof = '']) => {
  const [, file = '', title = ''] = /^`(test\/.+\.test\.ts)`: "(.+)"$/.exec(proof) ?? [];
  return { subject: name.slice(1, -1), support: support.replace(/;.*/, ''), clause, file, title };
});

const SUBJECTS = ROWS.map(({ subject }) => subject);

/** The SITE commands, by the server's own word. */
async function siteCommands(): Promise<string[]> {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  const { text } = await client.command('SITE HELP');
  return [...text.matchAll(/^ (SITE [A-Z]+)/gm)].map(([, name]) => name ?? '');
}

test('every row has its command, support, clause and test', () => {
  expect(ROWS.length).toBeGreaterThan(COMMANDS.size);
  for (const [index, { subject, support, clause, file, title }] of ROWS.entries()) {
    expect(CELLS[index]).toHaveLength(4);
    expect(CELLS[index]?.[0]).toBe(`\`${subject}\``);
    expect([subject, support]).toEqual([subject, expect.stringMatching(/^(full|partly|refused)$/)]);
    expect([subject, clause]).toEqual([subject, expect.stringMatching(/^(RFC \d+|draft-|de facto)/)]);
    expect([subject, file !== '', title !== '']).toEqual([subject, true, true]);
  }
});

test('every command of the table has one row', () => {
  for (const verb of COMMANDS.keys())
    expect([verb, SUBJECTS.filter((subject) => subject === verb).length]).toEqual([verb, 1]);
});

test('every SITE command has one row', async () => {
  const names = await siteCommands();
  expect(names).toContain('SITE CHMOD');
  expect(SUBJECTS.filter((subject) => subject.startsWith('SITE '))).toEqual(names);
});

test('no row is about a command that is not there', () => {
  const commands = SUBJECTS.filter((subject) => /^[A-Z]+$/.test(subject));
  expect(commands.filter((verb) => !COMMANDS.has(verb))).toEqual([]);
});

test('what HELP marks as not served is refused here', () => {
  const refused = ROWS.filter(({ support }) => support === 'refused').map(({ subject }) => subject);
  for (const verb of NOT_SERVED) expect(refused).toContain(verb);
});

test.each(ROWS)('$subject names a test that exists: $file', ({ file, title }) => {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const titles = [
    ...source.matchAll(/(?:test|describe)(?:\.(?:each|for)\([\s\S]*?\]\))?\(\s*'([^'\n]+)'/g),
  ].map(([, found]) => found ?? '');
  expect(titles.filter((found) => found.includes(title))).not.toEqual([]);
});
