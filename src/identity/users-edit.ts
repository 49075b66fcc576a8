import { isMap, parseDocument, type YAMLMap } from 'yaml';
import type { RawUser } from './imported-user.ts';
import { keyOf, readUsers, UsersError } from './users-text.ts';

const NEW = '# Users of Ferry; `npm run user` and docs/USERS.md tell what may stand here.\nusers:\n';

/** Without anchors and aliases, which people would have to know. */
const PLAIN = { aliasDuplicateObjects: false } as const;

/** What is to be changed: users by name; undefined removes one, a text is a new hash of one who is there. */
export type Edits = ReadonlyMap<string, RawUser | string | undefined>;

/**
 * Changes a users document, and keeps all else as it was, comments too. JSON stays JSON.
 * @param text empty for a new document
 * @throws UsersError where the document is broken, before or after
 */
export function editUsers(text: string, edits: Edits): string {
  const old = text.trim() === '' ? NEW : text;
  readUsers(old);
  const edited = isJson(old) ? editJson(old, edits) : editYaml(old, edits);
  readUsers(edited);
  return edited;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function editJson(text: string, edits: Edits): string {
  const { users } = JSON.parse(text) as { users: Record<string, RawUser> | null };
  const all = new Map<string, RawUser>(Object.entries(users ?? {}));
  for (const [name, edit] of edits) {
    if (edit === undefined) all.delete(name);
    else all.set(name, typeof edit === 'string' ? { ...all.get(name), hash: edit } : edit);
  }
  return `${JSON.stringify({ users: Object.fromEntries(all) }, undefined, 2)}\n`;
}

function editYaml(text: string, edits: Edits): string {
  const document = parseDocument(text, { version: '1.2' });
  if (!isMap(document.contents)) throw new UsersError(['not a mapping']);
  let users = document.contents.get('users', true) as YAMLMap | undefined;
  if (!isMap(users)) {
    users = document.createNode({}) as YAMLMap;
    document.set('users', users);
  }
  if (users.items.length === 0) users.flow = false;
  for (const [name, edit] of edits) {
    const index = users.items.findIndex(({ key }) => keyOf(key) === name);
    const pair = users.items[index];
    if (edit === undefined) users.items.splice(index, index < 0 ? 0 : 1);
    else if (typeof edit === 'string') isMap(pair?.value) && pair.value.set('hash', edit);
    else if (pair) pair.value = document.createNode(edit, PLAIN);
    else users.items.push(document.createPair(name, edit, PLAIN));
  }
  // A hash stays on its line.
  return document.toString({ lineWidth: 0 });
}
