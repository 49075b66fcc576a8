import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

/**
 * Faults are planted in a folder of their own that has the project's settings, so that a run that is cut
 * leaves nothing in the sources.
 */
const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const NODE_MODULES = join(REPOSITORY, 'node_modules');

const ROOT = 'Nothing imports main.ts: it is the composition root.';
const NO_LOCAL_S3 = 'The server knows nothing of the embedded S3: it is a process of its own.';
const SDK = 'Only src/fs/s3.ts and main.ts speak to the S3 SDK.';
const NO_SDK = 'src/ftp is the protocol: it knows files and identities, never an AWS SDK.';
const NO_FTP = 'Storage, identity and operations do not know the protocol: src/ftp imports them.';
const ALONE = 'The embedded S3 stands alone: it shares no code with the server that it tests.';
const ONE_FILE =
  'Each AWS service is spoken to in one file: identity/secrets.ts, lambda.ts and role.ts, ops/ecs.ts.';
const STACKS = 'The stacks know of the server the names of its settings and metrics, nothing else.';
const AS_A_PROCESS = 'Nothing imports main.ts: it is the composition root; run it as a process.';

type Import = readonly [file: string, imported: string, message: string];

/** Every rule of biome.json on who may import whom. */
const FORBIDDEN: readonly Import[] = [
  ['src/other.ts', './main.ts', ROOT],
  ['src/other.ts', './local-s3/server.ts', NO_LOCAL_S3],
  ['src/other.ts', '@aws-sdk/client-s3', SDK],
  ['src/other.ts', '@smithy/node-http-handler', SDK],
  ...['src/ftp/a.ts', 'src/ftp/commands/a.ts'].flatMap((file): Import[] => [
    [file, '../main.ts', ROOT],
    [file, '../local-s3/server.ts', NO_LOCAL_S3],
    [file, '@aws-sdk/client-s3', NO_SDK],
    [file, '@aws-sdk/client-secrets-manager', NO_SDK],
    [file, '@smithy/types', NO_SDK],
  ]),
  ...['src/fs/a.ts', 'src/identity/a.ts', 'src/ops/a.ts', 'src/config.ts'].flatMap((file): Import[] => [
    [file, '../main.ts', ROOT],
    [file, '../local-s3/server.ts', NO_LOCAL_S3],
    [file, '../ftp/reply.ts', NO_FTP],
    [file, './ftp/commands/table.ts', NO_FTP],
    [file, '@aws-sdk/client-s3', SDK],
    [file, '@smithy/node-http-handler', SDK],
  ]),
  ['src/fs/s3.ts', '../main.ts', ROOT],
  ['src/fs/s3.ts', '../local-s3/server.ts', NO_LOCAL_S3],
  ['src/fs/s3.ts', '../ftp/reply.ts', NO_FTP],
  ['src/main.ts', './local-s3/server.ts', NO_LOCAL_S3],
  ...['main.ts', 'ftp/reply.ts', 'fs/s3.ts', 'identity/login.ts', 'ops/log.ts', 'config.ts'].flatMap(
    (target): Import[] => [
      ['src/local-s3/a.ts', `../${target}`, ALONE],
      ['src/local-s3/store/a.ts', `../../${target}`, ALONE],
    ],
  ),
  ['src/identity/a.ts', '@aws-sdk/client-secrets-manager', ONE_FILE],
  ['src/identity/lambda.ts', '@aws-sdk/client-sts', ONE_FILE],
  ['src/ops/a.ts', '@aws-sdk/client-ecs', ONE_FILE],
  ['lib/a.ts', '../src/config.ts', STACKS],
  ['bin/a.ts', '../src/main.ts', STACKS],
  ['cluster/a.ts', '../src/main.ts', AS_A_PROCESS],
  ['test/ftp/a.test.ts', '../../src/main.ts', AS_A_PROCESS],
  ['scripts/a.ts', '../src/main.ts', AS_A_PROCESS],
  ['bench/a.ts', '../src/main.ts', AS_A_PROCESS],
];

const UNAWAITED_HEAD = [
  `import { HeadBucketCommand as Head, S3Client } from '@aws-sdk/client-s3';`,
  `import { own, type Store, Thing } from './own.ts';`,
  `const bucket = { Bucket: 'x' };`,
  `async function local(): Promise<void> { await own(); }`,
  `async function named<T>(request: Promise<T>): Promise<T> { return await request; }`,
];

const OWN = `export async function own(): Promise<void> { await null; }
export interface Store { put(): Promise<void>; }
export class Thing {
  async go(): Promise<void> { await null; }
  static async open(): Promise<Thing> { return new Thing(); }
}`;

/** Promises that nobody waits for. */
const UNAWAITED: readonly (readonly [title: string, line: string])[] = [
  ['a function of the same module', 'export const f1 = () => { local(); };'],
  ['a function of another module', 'export const f2 = () => { own(); };'],
  ['a method of an interface', 'export const f3 = (store: Store) => { store.put(); };'],
  ['a method of a class', 'export const f4 = (thing: Thing) => { thing.go(); };'],
  [
    'a method of what was waited for',
    'export const f5 = async () => { const t = await Thing.open(); t.go(); };',
  ],
  ['a private method', 'export class C1 { async #go() { await own(); } go() { this.#go(); } }'],
  ['Promise.all', 'export const f6 = () => { Promise.all([own()]); };'],
  ['send of an S3Client', 'export const f7 = (client: S3Client) => { client.send(new Head(bucket)); };'],
  [
    'send of a new S3Client',
    'export const f8 = () => { const s3 = new S3Client({}); s3.send(new Head(bucket), {}); };',
  ],
  [
    'send of a field',
    'export class C2 { #s3 = new S3Client({}); go() { this.#s3.send(new Head(bucket)); } }',
  ],
  [
    'a wrapper around send',
    'export const f9 = (client: S3Client) => { named(client.send(new Head(bucket))); };',
  ],
];

const TYPE_ERRORS: readonly (readonly [title: string, line: string, code: string])[] = [
  ['a value of another type', `export const a: number = 'text';`, 'TS2322'],
  [
    'an array element that may not be there',
    'export const b = (list: number[]): number => list[0];',
    'TS2322',
  ],
  ['a parameter without a type', 'export const c = (value) => value;', 'TS7006'],
  ['null where it is not expected', 'export const d = (text: string | null) => text.length;', 'TS18047'],
  ['syntax that Node cannot strip', 'export enum E { one }', 'TS1294'],
  ['a name that is not used', 'const f = 1;', 'TS6133'],
  [
    'a type that is imported as a value',
    `import { ParsedPath } from 'node:path'; export type D = ParsedPath;`,
    'TS1484',
  ],
];

const CLEAN: Readonly<Record<string, string>> = {
  'src/main.ts': `import './config.ts';\nimport './ftp/server.ts';\nimport '@aws-sdk/client-s3';\nexport const env = process.env.HOME;`,
  'src/ftp/clean.ts': `import '../fs/filesystem.ts';\nimport '../identity/identity.ts';\nimport '../ops/log.ts';\nimport '../config.ts';`,
  'src/fs/s3.ts': `import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';\nimport '../identity/identity.ts';\nimport '@smithy/node-http-handler';\nawait new S3Client({}).send(new HeadBucketCommand({ Bucket: 'x' }));`,
  'src/identity/secrets.ts': `import '@aws-sdk/client-secrets-manager';\nimport '../config.ts';`,
  'lib/clean.ts': `import type { Setting } from '../src/settings.ts';\nimport 'aws-cdk-lib';\nexport type Name = Setting;`,
  'src/local-s3/clean.ts': `import './store/objects.ts';\nimport 'fast-xml-parser';`,
  'test/clean.test.ts': `import '../src/ftp/server.ts';\nimport '@aws-sdk/client-s3';\nexport const env = process.env.HOME;`,
};

let folder: string;

async function plant(project: string, files: Readonly<Record<string, string | readonly string[]>>) {
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, project, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${typeof text === 'string' ? text : text.join('\n')}\n`);
  }
}

function run(tool: 'biome' | 'tsc', project: string, ...args: string[]) {
  const { promise, resolve } = Promise.withResolvers<{ ok: boolean; output: string }>();
  const options = { cwd: join(folder, project), maxBuffer: 2 ** 26 };
  execFile(join(NODE_MODULES, '.bin', tool), args, options, (error, output) =>
    resolve({ ok: error === null, output }),
  );
  return promise;
}

interface Diagnostic {
  readonly category: string;
  readonly message: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

/** What the linter says of a project: `file:line rule message`. */
async function lint(project: string): Promise<{ ok: boolean; findings: readonly string[] }> {
  const { ok, output } = await run('biome', project, 'lint', '--reporter=json', '--max-diagnostics=none');
  const { diagnostics } = JSON.parse(output) as { diagnostics: readonly Diagnostic[] };
  const findings = diagnostics.map(
    ({ category, message, location: { path, start } }) =>
      `${path}:${start.line} ${category.split('/').at(-1)} ${message}`,
  );
  return { ok, findings };
}

/** The linter looks no further than its own folder, hence the declarations of the SDK are copied into it. */
async function copySdk(project: string): Promise<void> {
  for (const name of ['@aws-sdk/client-s3', '@smithy/core', '@smithy/types'])
    await cp(join(NODE_MODULES, name), join(folder, project, 'node_modules', name), {
      recursive: true,
      filter: (path) => !/[\\/](dist-cjs|dist-es|ts3\.4)$/.test(path),
    });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-lint-'));
  for (const project of ['imports', 'promises', 'cycle', 'clean', 'types']) {
    await mkdir(join(folder, project));
    for (const file of ['biome.json', 'tsconfig.json', 'package.json', '.gitignore'])
      await cp(join(REPOSITORY, file), join(folder, project, file));
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('every import across a border is reported, with the reason', async () => {
  const files = Map.groupBy(FORBIDDEN, ([file]) => file);
  for (const [file, imports] of files)
    await plant('imports', { [file]: imports.map(([, imported]) => `import '${imported}';`) });
  const { ok, findings } = await lint('imports');
  const expected = [...files].flatMap(([file, imports]) =>
    imports.map(([, , message], index) => `${file}:${index + 1} noRestrictedImports ${message}`),
  );
  expect(findings.toSorted()).toEqual(expected.toSorted());
  expect(ok).toBe(false);
});

test('an import across a border is reported however it is written', async () => {
  await plant('imports', {
    'src/ftp/forms.ts': [
      `import type { S3Client } from '@aws-sdk/client-s3';`,
      `export * from '@aws-sdk/client-s3';`,
      `export { S3Client } from '@aws-sdk/client-s3';`,
      `export const later = import('@aws-sdk/client-s3');`,
      `import '@aws-sdk/client-s3/dist-types/S3Client.js';`,
    ],
  });
  const { findings } = await lint('imports');
  const lines = findings.filter(
    (finding) => finding.startsWith('src/ftp/forms.ts') && finding.endsWith(NO_SDK),
  );
  expect(lines.map((finding) => finding.split(' ')[0]).toSorted()).toEqual(
    [1, 2, 3, 4, 5].map((line) => `src/ftp/forms.ts:${line}`),
  );
});

test('a promise that nobody waits for is reported, our own and those of the SDK', async () => {
  await copySdk('promises');
  await plant('promises', {
    'src/fs/own.ts': OWN,
    'src/fs/s3.ts': [...UNAWAITED_HEAD, ...UNAWAITED.map(([, line]) => line)],
  });
  const { ok, findings } = await lint('promises');
  const reported = UNAWAITED.filter((_, index) =>
    findings.some((line) =>
      line.startsWith(`src/fs/s3.ts:${UNAWAITED_HEAD.length + index + 1} noFloatingPromises`),
    ),
  );
  expect(reported).toEqual(UNAWAITED);
  expect(findings).toHaveLength(UNAWAITED.length);
  expect(ok).toBe(false);
});

test('an import cycle, an async callback where none is waited for, and process.env outside main.ts are reported', async () => {
  await plant('cycle', {
    'src/ops/a.ts': `import { b } from './b.ts';\nexport const a = () => b;`,
    'src/ops/b.ts': `import { a } from './a.ts';\nexport const b = () => a;`,
    'src/ops/each.ts': `export const each = () => [1].forEach(async () => { await null; });`,
    'src/ops/env.ts': `export const env = process.env.HOME;`,
    'src/local-s3/env.ts': `export const env = process.env.HOME;`,
  });
  const { ok, findings } = await lint('cycle');
  expect(findings.map((finding) => finding.split(' ', 2).join(' ')).toSorted()).toEqual([
    'src/local-s3/env.ts:1 noProcessEnv',
    'src/ops/a.ts:1 noImportCycles',
    'src/ops/b.ts:1 noImportCycles',
    'src/ops/each.ts:1 noMisusedPromises',
    'src/ops/env.ts:1 noProcessEnv',
  ]);
  expect(ok).toBe(false);
});

test('imports that keep to the layers and promises that are waited for pass', async () => {
  await copySdk('clean');
  await plant('clean', CLEAN);
  expect(await lint('clean')).toEqual({ ok: true, findings: [] });
});

test('type errors fail the compiler with the options of the project', async () => {
  await symlink(NODE_MODULES, join(folder, 'types', 'node_modules'), 'dir');
  await plant('types', { 'src/planted.ts': TYPE_ERRORS.map(([, line]) => line) });
  const { ok, output } = await run('tsc', 'types', '--pretty', 'false');
  expect(ok).toBe(false);
  for (const [index, [title, , code]] of TYPE_ERRORS.entries())
    expect(output, title).toMatch(
      new RegExp(`^src/planted\\.ts\\(${index + 1},\\d+\\): error ${code}:`, 'm'),
    );
});
