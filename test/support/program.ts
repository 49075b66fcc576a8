import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A program of this repository, run as a process. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it wrote so far, standard output and standard error together. */
  output(): string;
  /** Waits until the output matches; rejects with the output when the program ends first. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** Waits for its end; the status, or the signal's name. */
  ended(): Promise<number | string>;
}

/**
 * Runs `node` with these arguments from the repository's root.
 * @param env added to an environment without any of Ferry's or AWS's settings
 */
export function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const clean = Object.entries(process.env).filter(([name]) => !/^(FERRY|AWS)_/.test(name));
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...Object.fromEntries(clean), ...env } });
  const exited = once(child, 'close').then(([status, signal]): number | string => status ?? signal);
  let output = '';
  let wake = () => {};
  const take = (chunk: Buffer) => {
    output += chunk.toString();
    wake();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  let over = false;
  void exited.then(() => {
    over = true;
    wake();
  });
  return {
    child,
    output: () => output,
    async until(pattern) {
      for (;;) {
        const found = pattern.exec(output);
        if (found) return found;
        if (over) throw new Error(`the program ended; it wrote: ${output}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    ended: () => exited,
    async [Symbol.asyncDispose]() {
      if (!over) child.kill('SIGKILL');
      await exited;
    },
  };
}
