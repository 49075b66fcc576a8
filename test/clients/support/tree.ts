import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { expect } from 'vitest';
import type { Ferry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';

/** A tree as a client mirrors it: the paths of its files and their contents. */
export const TREE: Readonly<Record<string, string>> = {
  'a.txt': 'one\n',
  'empty.dat': '',
  'other/d': 'four',
  'sub folder/b c.txt': 'two\r\nlines\r\n',
  'sub folder/deep/grün.bin': 'three\0',
};

/** Makes the tree of local files below the folder. */
export async function makeTree(folder: string): Promise<void> {
  for (const [path, content] of Object.entries(TREE)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** Makes objects of the tree below the directory `name`, past Ferry: its directories are only implied by its files. */
export async function putTreeObjects(ferry: Ferry, name: string): Promise<void> {
  for (const [path, content] of Object.entries(TREE)) await putObject(ferry, `${name}/${path}`, content);
}

/** That the folder has the tree, by its bytes, and no other file. */
export async function expectTree(folder: string): Promise<void> {
  const came: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    came[relative(folder, file)] = await readFile(file, 'utf8');
  }
  expect(came).toEqual(TREE);
}

/** That the bucket has the tree below the directory `name`, by its bytes, and no other file. */
export async function expectTreeObjects(ferry: Ferry, name: string): Promise<void> {
  const came: Record<string, string> = {};
  for (const key of await keysOf(ferry))
    if (!key.endsWith('/')) came[key.slice(name.length + 1)] = await getObject(ferry, key);
  expect(came).toEqual(TREE);
}
