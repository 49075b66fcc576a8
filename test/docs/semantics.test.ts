import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { StorageError, type StorageFailure } from '../../src/fs/errors.ts';
import { DataBrokenError } from '../../src/ftp/data.ts';
import { failureReply } from '../../src/ftp/failure-reply.ts';
import { IncompleteUploadError } from '../../src/ftp/transfer.ts';
import { type Evidence, type Verdict, verdict } from '../../src/ftp/verdict.ts';

const ROOT = join(import.meta.dirname, '../..');

const PAGE = readFileSync(join(ROOT, 'docs/SEMANTICS.md'), 'utf8');

/** The cells of the rows of every table of a page whose head begins with this cell. */
function table(head: string, page = PAGE): string[][] {
  const tables = page.split(/\n\n+/).filter((block) => block.startsWith(`| ${head} |`));
  return tables.flatMap((block) =>
    block
      .trimEnd()
      .split('\n')
      .slice(2)
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  );
}

/** A test as a cell cites it: file and title, or nothing. */
function cited(proof: string): { file: string; title: string } {
  const [, file = '', title = ''] = /^`(test\/\S+\.test\.ts)`: "(.+)"$/.exec(proof) ?? [];
  return { file, title: title.replaceAll('\\"', '"') };
}

const GUARANTEES = table('What holds').map(([holds = '', proof = '']) => ({ holds, ...cited(proof) }));

const THREATS = table('Threat', readFileSync(join(ROOT, 'docs/THREATS.md'), 'utf8')).map(
  ([threat = '', defence = '', proof = '']) => ({ holds: threat, defence, proof, ...cited(proof) }),
);

const LIMITS_PAGE = readFileSync(join(ROOT, 'docs/LIMITS.md'), 'utf8');

const LIMITS = [...table('Setting', LIMITS_PAGE), ...table('Fixed', LIMITS_PAGE)].map((cells) => {
  const proof = cells.at(-1) ?? '';
  return { holds: cells[0] ?? '', proof, ...cited(proof) };
});

test('every guarantee names one test in the fixed form', () => {
  expect(GUARANTEES.length).toBeGreaterThan(80);
  expect(GUARANTEES.filter(({ holds, file, title }) => !(holds && file && title))).toEqual([]);
  // None stands anywhere else, where the next test would not see it.
  expect(PAGE.match(/`test\/\S+\.test\.ts`:/g)).toHaveLength(GUARANTEES.length);
});

test('every threat has a defence, and a test in the fixed form or why there is none', () => {
  expect(THREATS.length).toBeGreaterThan(50);
  const wrong = THREATS.filter(
    ({ defence, proof, file }) => defence === '' || !(file || /^(\(test to come\)$|none: .)/.test(proof)),
  );
  expect(wrong).toEqual([]);
});

test('every limit has a test in the fixed form, or why there is none', () => {
  expect(LIMITS.length).toBeGreaterThan(30);
  const wrong = LIMITS.filter(({ proof, file }) => !(file || /^(\(test to come\)$|none: .)/.test(proof)));
  expect(wrong).toEqual([]);
});

test.each([...GUARANTEES, ...[...THREATS, ...LIMITS].filter(({ file }) => file)])(
  '$holds: $file has "$title"',
  ({ file, title }) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    const source = readFileSync(join(ROOT, file), 'utf8');
    // The first argument of a call, whole and as it is written, hence not a part of another title.
    const written = ["'", '"', '`'].map((quote) => `${quote}${title}${quote},`);
    const calls = written.flatMap((text) => {
      const at = source.indexOf(text);
      return at >= 0 && source.slice(0, at).trimEnd().endsWith('(') ? [text] : [];
    });
    expect(calls).toHaveLength(1);
  },
);

test('the table of verdicts says what the code decides, for every combination', () => {
  const rows = table('ABOR came');
  const combinations = [true, false].flatMap((aborted) =>
    (['fin', 'close-notify', 'bare-fin', 'broken'] as const).flatMap((data) =>
      [true, false].flatMap((notifies) =>
        (['open', 'quit', 'lost', 'overrun'] as const).flatMap((control) =>
          [undefined, 5, 6].map(
            (announced): Evidence => ({ aborted, data, notifies, control, bytes: 5, announced }),
          ),
        ),
      ),
    ),
  );
  for (const evidence of combinations) {
    const { aborted, data, notifies, control, bytes, announced } = evidence;
    const bare =
      data === 'bare-fin' && notifies ? 'FIN without the close_notify that is due' : 'ended by FIN';
    const cells = [
      aborted ? 'yes' : 'no',
      data === 'broken' ? 'reset, stalled or cut' : bare,
      control,
      announced === undefined || announced === bytes ? 'agrees' : 'differs',
    ];
    const matching = rows.filter((row) =>
      cells.every((cell, index) => ['any', cell].includes(row[index] ?? '')),
    );
    expect([evidence, matching.map((row) => row[4])]).toEqual([evidence, [verdict(evidence)]]);
  }
});

test('the replies of the table of verdicts are those of the code', () => {
  for (const [, , , , outcome = '', code = ''] of table('ABOR came')) {
    if (outcome === 'complete') continue;
    const error = new IncompleteUploadError(outcome as Exclude<Verdict, 'complete'>);
    expect(code.slice(0, 3)).toBe(String(failureReply(error, { writes: true, begun: true }).reply.code));
  }
  for (const failure of ['reset', 'stalled', 'aborted'] as const)
    expect(failureReply(new DataBrokenError(failure), { writes: true, begun: true }).reply.code).toBe(426);
});

test('the table of failures says which replies the code makes of them, and leaves none out', () => {
  const source = readFileSync(join(ROOT, 'src/fs/errors.ts'), 'utf8');
  const names = [...source.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, name]) => name);
  const rows = table('Failure').map(([name = '', , code, differs = '']) => ({
    failure: name.slice(1, -1) as StorageFailure,
    code: Number(code),
    writing: Number(/^(?:STOR|commands).*: (\d{3})$/.exec(differs)?.[1] ?? code),
    begun: Number(/^after 150: (\d{3})$/.exec(differs)?.[1] ?? code),
  }));
  expect(rows.map(({ failure }) => failure).toSorted()).toEqual(names.toSorted());
  for (const { failure, code, writing, begun } of rows) {
    const told = (circumstances: { writes: boolean; begun: boolean }) =>
      failureReply(new StorageError(failure, ''), circumstances).reply.code;
    expect([failure, told({ writes: false, begun: false })]).toEqual([failure, code]);
    expect([failure, told({ writes: true, begun: false })]).toEqual([failure, writing]);
    expect([failure, told({ writes: false, begun: true })]).toEqual([failure, begun]);
  }
});

test('the limits have the defaults that the page tells', () => {
  const settings = table('Setting', LIMITS_PAGE).map(([name = '', byDefault = '']) =>
    [name, byDefault].map((cell) => cell.slice(1, -1)),
  );
  expect(settings.length).toBeGreaterThan(10);
  const base = { FERRY_BUCKET: 'files' };
  for (const [name = '', byDefault = ''] of settings)
    expect([name, parseEnvironment({ ...base, [name]: byDefault })]).toEqual([name, parseEnvironment(base)]);
});
