import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { another, breakUpload, FILE } from '../../support/broken.ts';
import type { Ferry } from '../../support/ferry.ts';

/**
 * Leaves a broken upload under the name.
 * @returns the whole file that it is of
 */
export async function breakOff(ferry: Ferry, local: string, name: string): Promise<string> {
  const file = join(local, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, FILE);
  // Another process, so that nothing of it stands in the record of the dialogue.
  await using other = await another(ferry);
  using client = await other.login();
  await breakUpload(client, `STOR ${name}`);
  // It would find out by itself two seconds later.
  await ferry.ledger.refresh();
  return file;
}
