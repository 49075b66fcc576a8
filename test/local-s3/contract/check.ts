import { test } from 'vitest';
import type { KnownDifference } from '../known-differences.ts';
import type { Mode, Subject } from './subject.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** For a check that is listed as a known difference: whether the server still differs. */
    knownDifference?: 'differs' | 'passes';
  }
}

/** Gives the subject once it is open; to be called in a check, not where checks are registered. */
export type Open = () => Subject;

/** Registers one check of the contract. Its title is its name in the table of known differences. */
export interface Check {
  (title: string, run: () => Promise<void>): void;
  /** A check that has to start and kill the server: for the embedded one only. */
  withProcess(title: string, run: () => Promise<void>): void;
}

/** How checks are registered for a server and mode. */
export function registerWith(options: {
  mode: Mode;
  known: readonly KnownDifference[];
  embedded: boolean;
}): Check {
  const isKnown = (title: string): KnownDifference | undefined =>
    options.known.find((row) => row.check === title && (row.mode === undefined || row.mode === options.mode));
  const check = (title: string, run: () => Promise<void>): void => {
    const known = isKnown(title);
    test(title, async ({ task, skip }) => {
      if (!known) return run();
      const failed = await run().then(
        () => undefined,
        (error: unknown) => error,
      );
      task.meta.knownDifference = failed === undefined ? 'passes' : 'differs';
      if (failed !== undefined) skip(`known difference: ${known.does}`);
      return undefined;
    });
  };
  return Object.assign(check, {
    withProcess: (title: string, run: () => Promise<void>): void => {
      if (options.embedded) check(title, run);
      else test(title, ({ skip }) => skip('it has to start and kill the server: embedded server only'));
    },
  });
}
