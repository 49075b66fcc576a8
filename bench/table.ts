import type { Row } from './bench.ts';

const HEADINGS = ['scenario', 'Ferry', 'ceiling', 'ratio', 'CPU', 'peak', 'requests', 'target', 'met?'];

/** How S3's operations are abbreviated, as in docs/SEMANTICS.md; parts and their kin are written out. */
const LETTERS: Readonly<Record<string, string>> = {
  HeadObject: 'H',
  ListObjectsV2: 'L',
  PutObject: 'P',
  GetObject: 'G',
  CopyObject: 'C',
  DeleteObject: 'D',
  DeleteObjects: 'DD',
  CreateMultipartUpload: 'Create',
  UploadPart: 'Part',
  CompleteMultipartUpload: 'Complete',
  AbortMultipartUpload: 'Abort',
};

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function cells(row: Row): string[] {
  const requests = Object.entries(row.requests ?? {})
    .filter(([name]) => name !== 'HeadBucket')
    .map(([name, count]) => `${count} ${LETTERS[name] ?? name}`);
  return [
    row.scenario,
    `${number(row.ferry)} ${row.unit}`,
    row.ceiling === undefined ? '-' : `${number(row.ceiling)} ${row.unit}`,
    row.ratio === undefined ? '-' : row.ratio.toFixed(2),
    row.cpu ?? '-',
    row.peak === undefined ? '-' : `${(row.peak / 2 ** 20).toFixed(0)} MiB`,
    requests.length > 0 ? requests.join(' ') : '-',
    row.target ?? '-',
    row.met === undefined ? '-' : row.met ? 'yes' : 'NO',
  ];
}

/** The rows as lines of plain text, in columns. */
export function table(rows: readonly Row[]): string {
  const all = [HEADINGS, ...rows.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const lines = all.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd(),
  );
  return `${[lines[0], widths.map((width) => '-'.repeat(width)).join('-|-'), ...lines.slice(1)].join('\n')}\n`;
}
