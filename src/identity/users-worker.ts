import { parentPort, workerData } from 'node:worker_threads';
import { parseUsers, type UserEntry, type UsersRules } from './users-document.ts';
import { UsersError } from './users-text.ts';

/** What the worker is given. */
export interface UsersTask {
  readonly text: string;
  readonly rules: UsersRules;
}

/** What it answers. */
export type UsersAnswer =
  | { readonly users: ReadonlyMap<string, UserEntry> }
  | { readonly problems: readonly string[] };

function answer({ text, rules }: UsersTask): UsersAnswer {
  try {
    return { users: parseUsers(text, rules) };
  } catch (error) {
    if (error instanceof UsersError) return { problems: error.problems };
    throw error;
  }
}

parentPort?.postMessage(answer(workerData as UsersTask));
