import { z } from 'zod';
import { canonicalPath } from '../fs/names.ts';
import { type Credentials, type Identity, type Mount, PERMISSIONS, type Peer } from './identity.ts';
import { literally, policyText } from './session-policy.ts';

// The contract of AWS Transfer Family's custom identity providers, as pure functions.
// https://docs.aws.amazon.com/transfer/latest/userguide/custom-lambda-idp.html

/** What a function is asked. */
export interface TransferRequest {
  readonly username: string;
  readonly password: string;
  readonly protocol: 'FTP' | 'FTPS';
  readonly serverId: string;
  readonly sourceIp: string;
}

/** A provider's answer: who it is, or why nobody. */
export type Answered = { readonly identity: Identity } | { readonly refused: string };

/** An answer that is none by the contract. The message names the field, never its value. */
export class InvalidAnswer extends Error {
  override readonly name = 'InvalidAnswer';
}

/** Whether Transfer Family would ask its provider about the name (API reference, CreateUser, UserName). */
export function isTransferUserName(user: string): boolean {
  return /^\w[\w@.-]{2,99}$/.test(user);
}

/** @returns undefined for what a provider must never be asked: see `isTransferUserName`, and empty passwords */
export function transferRequest(
  { user, password }: Credentials,
  { address, protocol = 'FTP' }: Peer,
  serverId: string,
): TransferRequest | undefined {
  // Functions answer a login without a password with the user's SSH keys, and a role.
  if (!password || !isTransferUserName(user)) return undefined;
  return { username: user, password, protocol, serverId, sourceIp: address };
}

const mapping = z.object({
  Entry: z.string().max(1024),
  Target: z.string().max(1024),
  Type: z.string().optional(),
});

const blank = z.union([z.literal(''), z.null()]).transform(() => undefined);

const answerSchema = z.object({
  Role: z.union([blank, z.string()]).optional(),
  Policy: z.union([blank, z.string()]).optional(),
  HomeDirectory: z.union([blank, z.string().max(1024)]).optional(),
  HomeDirectoryType: z.union([blank, z.enum(['PATH', 'LOGICAL'])]).optional(),
  HomeDirectoryDetails: z.union([blank, z.string(), z.array(mapping)]).optional(),
  PublicKeys: z.union([blank, z.array(z.unknown())]).optional(),
});

type Answer = z.infer<typeof answerSchema>;

/**
 * Reads an answer. Without a role nobody is authenticated; with SSH keys it is the answer to a login by key, which
 * proves nothing here.
 * @throws InvalidAnswer
 */
export function readAnswer(answer: unknown, user: string): Answered {
  if (answer === null || answer === undefined) return { refused: 'an empty answer' };
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path }) => path[0] ?? 'the answer itself');
    throw new InvalidAnswer(`not as the contract has it: ${[...new Set(fields)].map(String).join(', ')}`);
  }
  const { Role, Policy, PublicKeys } = parsed.data;
  if (Role === undefined) return { refused: 'no role in the answer' };
  if (PublicKeys && PublicKeys.length > 0) return { refused: 'an answer with keys is none to a password' };
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/.test(Role))
    throw new InvalidAnswer('Role: not the ARN of a role');
  const name = { 'transfer:UserName': user };
  const mounts =
    parsed.data.HomeDirectoryType === 'LOGICAL' ? logical(parsed.data, name) : home(parsed.data, name);
  const policy = Policy === undefined ? undefined : readPolicy(Policy, { ...name, ...homeVariables(mounts) });
  return { identity: { user, anonymous: false, mounts, role: { arn: Role, policy } } };
}

/** The home directory as the root: Ferry shows nothing above it. */
function home({ HomeDirectory }: Answer, variables: Variables): Mount[] {
  if (HomeDirectory === undefined) throw new InvalidAnswer('HomeDirectory: missing');
  return [mount('/', HomeDirectory, variables, 'HomeDirectory')];
}

function logical({ HomeDirectoryDetails }: Answer, variables: Variables): Mount[] {
  const entries = mappings(HomeDirectoryDetails);
  if (entries.length === 0) throw new InvalidAnswer('HomeDirectoryDetails: missing');
  const mounts = entries.map(({ Entry, Target, Type }) => {
    if (Type === 'FILE') throw new InvalidAnswer('HomeDirectoryDetails: a mapping of a single file');
    const [, ...names] = segments(replaced(Entry, variables), 'HomeDirectoryDetails');
    return mount(canonicalPath(`/${names.join('/')}`), Target, variables, 'HomeDirectoryDetails');
  });
  if (new Set(mounts.map(({ path }) => path)).size < mounts.length)
    throw new InvalidAnswer('HomeDirectoryDetails: two mappings of one Entry');
  return mounts;
}

/** Documented as JSON in a string; many functions, and its own toolkit, answer the list itself. */
function mappings(details: Answer['HomeDirectoryDetails']): z.infer<typeof mapping>[] {
  if (typeof details !== 'string') return details ?? [];
  const parsed = z.array(mapping).safeParse(parseJson(details, 'HomeDirectoryDetails'));
  if (!parsed.success) throw new InvalidAnswer('HomeDirectoryDetails: not a list of Entry and Target');
  return parsed.data;
}

function mount(path: string, target: string, variables: Variables, field: string): Mount {
  const [, bucket, ...names] = segments(replaced(target, variables), field);
  if (bucket === undefined) throw new InvalidAnswer(`${field}: no bucket`);
  const prefix = names.length > 0 ? `${names.join('/')}/` : '';
  return { path, bucket, prefix, permissions: new Set(PERMISSIONS) };
}

/** What stands between the slashes of an absolute path; a slash at its end is left off. */
function segments(path: string, field: string): string[] {
  const all = path.replace(/(?<=.)\/$/, '').split('/');
  if (all[0] !== '') throw new InvalidAnswer(`${field}: not an absolute path`);
  if (path === '/') return [''];
  const bad = all
    .slice(1)
    .some((name) => name === '' || name === '.' || name === '..' || /\p{Cc}/u.test(name));
  if (bad) throw new InvalidAnswer(`${field}: empty segments, dots or control characters in a path`);
  return all;
}

type Variables = Readonly<Record<string, string>>;

/**
 * What `${transfer:Home...}` stand for, without the leading slash as in Transfer Family's own example of a policy:
 * of PATH the home directory, of LOGICAL what is mapped to `/`.
 */
function homeVariables(mounts: readonly Mount[]): Variables {
  const root = mounts.find(({ path }) => path === '/');
  if (!root) return {};
  const folder = root.prefix.replace(/\/$/, '');
  return {
    'transfer:HomeBucket': root.bucket,
    'transfer:HomeFolder': folder,
    'transfer:HomeDirectory': folder === '' ? root.bucket : `${root.bucket}/${folder}`,
  };
}

/** Replaces in one pass, so that what is put in is never read again. Other variables stay: IAM has its own. */
function replaced(text: string, variables: Variables, written = (value: string) => value): string {
  return text.replace(/\$\{(transfer:\w+)\}/gi, (_whole, given: string) => {
    const name = Object.keys(variables).find((each) => each.toLowerCase() === given.toLowerCase());
    if (name === undefined)
      throw new InvalidAnswer(`a variable that has no value here: ${given.slice(0, 40)}`);
    return written(variables[name] ?? '');
  });
}

/** The session policy with its variables replaced: in strings once they are parsed, so that none adds a statement. */
function readPolicy(text: string, variables: Variables): string {
  const put = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? replaced(value, variables, literally) : value;
  const policy = policyText(JSON.parse(JSON.stringify(parseJson(text, 'Policy'), put)));
  if (!policy.startsWith('{')) throw new InvalidAnswer('Policy: not a policy');
  if (policy.length > 2048) throw new InvalidAnswer('Policy: more than 2,048 characters');
  return policy;
}

function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The cause would quote the text.
    throw new InvalidAnswer(`${field}: not JSON`);
  }
}
