import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { NotAllowed, userName } from '../setting-values.ts';
import { USER, type User } from './users-schema.ts';

/** Longest users document, in UTF-16 units. */
const LONGEST = 16 * 2 ** 20;

/** Problems that are told of one document. */
const MOST_PROBLEMS = 20;

/**
 * What is wrong with a users document: one line a problem, with the line in the document, the user, the field and what
 * is allowed. It holds no value of the document.
 */
export class UsersError extends Error {
  override readonly name = 'UsersError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    const told = problems.slice(0, MOST_PROBLEMS);
    if (told.length < problems.length) told.push(`and ${problems.length - told.length} more`);
    // A terminal must not obey what somebody put into the document.
    const lines = told.map((line) => line.replaceAll(/\p{Cc}/gu, '?'));
    super(lines.join('\n'));
    this.problems = lines;
  }
}

/** Keys and indexes that lead to a value of a user. */
export type Field = readonly PropertyKey[];

/** One user of a document, and how a problem of a field is told. */
export interface UserText {
  readonly name: string;
  readonly user: User;
  readonly problem: (field: Field, allowed: string) => string;
}

/**
 * Reads a users document, JSON or YAML 1.2: `users` by name. Each field is checked by itself, not against the settings.
 * @throws UsersError
 */
export function readUsers(text: string): readonly UserText[] {
  const { document, at } = openDocument(text);
  const root = document.contents;
  const users = isMap(root) ? root.get('users', true) : undefined;
  if (!isMap(root) || !(isMap(users) || (isScalar(users) && users.value === null)))
    throw new UsersError([`${at(offsetOf(root))}: allowed: the key users, a mapping of names to users`]);
  const problems = root.items
    .filter(({ key }) => keyOf(key) !== 'users')
    .map(({ key }) => `${at(offsetOf(key))}: ${JSON.stringify(keyOf(key))}: allowed: the key users`);
  const found = (isMap(users) ? users.items : []).map(({ key, value }) => {
    const read = userOf(keyOf(key), value, document, (field) => at(locate(value, field) ?? offsetOf(key)));
    problems.push(...read.problems);
    return read;
  });
  if (problems.length > 0) throw new UsersError(problems);
  return found.flatMap(({ name, user, problem }) => (user ? { name, user, problem } : []));
}

function openDocument(text: string) {
  if (text.length > LONGEST) throw new UsersError(['longer than 16 MiB']);
  const lines = new LineCounter();
  const at = (offset = 0) => `line ${lines.linePos(offset).line}`;
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) throw new UsersError(broken.map(({ pos, message }) => `${at(pos[0])}: ${message}`));
  return { document, at };
}

/** A user, or problems. */
function userOf(name: string, node: unknown, document: Document, at: (field: Field) => string) {
  const problem = (field: Field, allowed: string) =>
    `${at(field)}: user ${[JSON.stringify(name), shownField(field)].filter(Boolean).join(', ')}: allowed: ${allowed}`;
  const whyNot = whyNotName(name);
  const problems = whyNot === undefined ? [] : [problem([], whyNot)];
  const { data, error } = USER.safeParse(plainValue(node, document));
  for (const issue of error?.issues ?? []) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [key]) : [[]];
    for (const key of keys) problems.push(problem([...issue.path, ...key], issue.message));
  }
  return { name, user: problems.length === 0 ? data : undefined, problem, problems };
}

function whyNotName(name: string): string | undefined {
  try {
    userName(name);
    return undefined;
  } catch (error) {
    if (error instanceof NotAllowed) return error.message;
    throw error;
  }
}

/** Undefined, which no field allows, for a value that repeats others too often. */
function plainValue(node: unknown, document: Document): unknown {
  try {
    return isNode(node) ? node.toJS(document, { maxAliasCount: 100 }) : undefined;
  } catch {
    return undefined;
  }
}

/** A key as it is written: `0123` is not a number here. */
export function keyOf(key: unknown): string {
  return String(isScalar(key) ? (key.source ?? key.value) : key);
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** Offset of a field's key or item, or of what comes nearest to it. */
function locate(node: unknown, field: Field): number | undefined {
  const [step, ...rest] = field;
  if (step === undefined) return undefined;
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return locate(item, rest) ?? offsetOf(item);
  }
  const pair = isMap(node) ? node.items.find(({ key }) => keyOf(key) === String(step)) : undefined;
  return pair && (locate(pair.value, rest) ?? offsetOf(pair.key));
}

/** As `mounts[0].prefix`. */
export function shownField(field: Field): string {
  const text = field.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text.replace(/^\./, '');
}
