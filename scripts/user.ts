import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { RawUser } from '../src/identity/imported-user.ts';
import { hashPassword, LONGEST_PASSWORD } from '../src/identity/password-hash.ts';
import { editUsers } from '../src/identity/users-edit.ts';
import { IMPORT_FORMATS, importUsers } from '../src/identity/users-import.ts';
import { readUsers, UsersError } from '../src/identity/users-text.ts';
import { type UsersPlace, usersInFile, usersInSecret } from './users-place.ts';

const USAGE = `npm run user -- COMMAND [options]

  add NAME [--mount PATH=PREFIX]... [--permissions SET]   asks for a password
  passwd NAME                                             asks for a new password
  list
  remove NAME
  import FILE --format ${IMPORT_FORMATS.join('|')} [--home DIR] [--permissions SET] [--replace]

  --file PATH         the users file; that of FERRY_USERS=file:PATH, or users.yaml
  --secret ID         instead, the document in a secret of Secrets Manager, by name or ARN; FERRY_USERS=secret:ID
  --mount             /=NAME unless given; PREFIX is a key prefix below FERRY_PREFIX
  --permissions       full (unless given), read-only, write-only, add-only, none, or names with commas between
  --home DIR          each home directory below DIR becomes the prefix; else the user's name does
  --replace           users who are there already are replaced, too

A password is asked for without being shown, or read from standard input, one line.
`;

/** What was typed makes no sense, or cannot be done; said in one line. */
class Refused extends Error {}

const COMMANDS: readonly string[] = ['add', 'passwd', 'list', 'remove', 'import'];

const OPTIONS = {
  file: { type: 'string' },
  secret: { type: 'string' },
  mount: { type: 'string', multiple: true },
  permissions: { type: 'string', default: 'full' },
  format: { type: 'string' },
  home: { type: 'string' },
  replace: { type: 'boolean', default: false },
} as const;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [command = '', name = '', ...more] = positionals;
  const place = placeOf(values);
  const wantsName = command !== 'list';
  if (!COMMANDS.includes(command) || more.length > 0 || (name !== '') !== wantsName) throw new Refused(USAGE);
  const old = (await place.read()) ?? '';
  const there = new Set(old.trim() === '' ? [] : readUsers(old).map((user) => user.name));
  const permissions = values.permissions.includes(',') ? values.permissions.split(',') : values.permissions;
  if (['passwd', 'remove'].includes(command) && !there.has(name))
    throw new Refused(`${name}: not in ${place.name}`);
  switch (command) {
    case 'add': {
      if (there.has(name))
        throw new Refused(`${name}: in ${place.name} already; passwd gives a new password`);
      const mounts = (values.mount ?? [`/=${name}`]).map((mount) => toMount(mount, permissions));
      const user = (hash: string): RawUser => ({ hash, mounts });
      // Before a password is asked for in vain.
      editUsers(old, new Map([[name, user(PLACEHOLDER)]]));
      await place.write(editUsers(old, new Map([[name, user(await hashPassword(await newPassword()))]])));
      return 0;
    }
    case 'passwd':
      await place.write(editUsers(old, new Map([[name, await hashPassword(await newPassword())]])));
      return 0;
    case 'remove':
      await place.write(editUsers(old, new Map([[name, undefined]])));
      return 0;
    case 'list':
      for (const line of old.trim() === '' ? [] : listed(old)) console.log(line);
      return 0;
    case 'import':
      return importFrom(name, { ...values, permissions, place, old, there });
    default:
      throw new Refused(USAGE);
  }
}

/** Where the document is, by the options or as the server would be told. */
function placeOf({ file, secret }: { file?: string | undefined; secret?: string | undefined }): UsersPlace {
  if (file !== undefined && secret !== undefined) throw new Refused('--file or --secret, not both');
  if (secret !== undefined) return usersInSecret(secret);
  if (file !== undefined) return usersInFile(file);
  const [, kind, where] = /^(file|secret):(.+)$/s.exec(process.env.FERRY_USERS ?? '') ?? [];
  if (where === undefined) return usersInFile('users.yaml');
  return kind === 'secret' ? usersInSecret(where) : usersInFile(where);
}

/** A hash that is never written. */
const PLACEHOLDER = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

function toMount(given: string, permissions: unknown) {
  const [, path, prefix] = /^([^=]*)=(.*)$/s.exec(given) ?? [];
  if (path === undefined) throw new Refused(`--mount ${given}: PATH=PREFIX is wanted, as /=partners/anna`);
  return { path, prefix, permissions };
}

function listed(old: string): readonly string[] {
  return readUsers(old).map(({ name, user }) => {
    const proof = user.hash === undefined ? 'certificate' : (user.login ?? 'password');
    const mounts = user.mounts.map(
      ({ path, bucket, prefix, permissions }) =>
        `${path} = ${bucket === undefined ? '' : `${bucket}:`}${prefix || '(all)'} (${[...permissions].join(' ') || 'none'})`,
    );
    return [name, proof, ...mounts].join('\t');
  });
}

async function importFrom(
  source: string,
  options: {
    readonly format?: string | undefined;
    readonly home?: string | undefined;
    readonly replace: boolean;
    readonly permissions: unknown;
    readonly place: UsersPlace;
    readonly old: string;
    readonly there: ReadonlySet<string>;
  },
): Promise<number> {
  const { place, old, there, replace, home, permissions } = options;
  const format = IMPORT_FORMATS.find((each) => each === options.format);
  if (!format) throw new Refused(`--format: allowed: ${IMPORT_FORMATS.join(', ')}`);
  const found = importUsers(await readFile(source, 'utf8'), format, { home, permissions });
  const users = new Map<string, RawUser>();
  const refused = [...found.refused];
  for (const [name, user] of found.users) {
    if (there.has(name) && !replace) refused.push(`${name}: in ${place.name} already; --replace replaces it`);
    else users.set(name, user);
  }
  if (users.size > 0) await place.write(editUsers(old, users));
  const told = [...found.notes.map((line) => `note: ${line}`), ...refused.map((line) => `refused: ${line}`)];
  // A terminal must not obey what somebody put into the file.
  for (const line of told) console.error(line.replaceAll(/\p{Cc}/gu, '?'));
  console.log(`${users.size} imported into ${place.name}, ${refused.length} refused`);
  return refused.length > 0 ? 1 : 0;
}

async function newPassword(): Promise<string> {
  const password = process.stdin.isTTY
    ? await ask('New password: ')
    : (await text(process.stdin)).split(/\r?\n/)[0];
  if (!password) throw new Refused('an empty password is not allowed');
  if (Buffer.byteLength(password) > LONGEST_PASSWORD)
    throw new Refused(`a password has at most ${LONGEST_PASSWORD} bytes`);
  if (process.stdin.isTTY && (await ask('Again: ')) !== password)
    throw new Refused('the two are not the same');
  return password;
}

/** Asks at the terminal without showing what is typed. */
async function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true, historySize: 0 });
  terminal.once('SIGINT', () => process.exit(130));
  const answer = await terminal.question('');
  terminal.close();
  process.stderr.write('\n');
  return answer;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const told = error instanceof UsersError ? error.problems.join('\n') : (error as Error).message;
  console.error(told);
  process.exitCode = 2;
}
