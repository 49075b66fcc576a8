import { createHash } from 'node:crypto';
import type { Identity } from './identity.ts';

// What AssumeRole is told about a user, within the rules of STS's API reference (AssumeRole, Tag).

/** A session tag. */
export interface SessionTag {
  readonly Key: string;
  readonly Value: string;
}

/** Mounts that are tagged: STS packs tags into a space of its own, and policies by tags speak of one or two. */
const TAGGED_MOUNTS = 8;

/** Session tags that one request may have. */
const MOST_TAGS = 50;

/** The end of an encoded name; names that happen to end so are encoded, too, so that no two become one. */
const ENCODED = /=[0-9a-f]{16}$/;

/** A user's RoleSessionName and SourceIdentity: 2 to 64 of `[\w+=,.@-]`. */
export function sessionName(user: string): string {
  return encoded(user, /^[\w+=,.@-]{2,64}$/, /[\w+,.@-]/, 64);
}

/** A tag's value: at most 256 of `[\p{L}\p{Z}\p{N}_.:/=+\-@]`. */
export function tagValue(value: string): string {
  return encoded(value, /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u, /[\p{L}\p{Z}\p{N}_.:/+\-@]/u, 256);
}

/**
 * Session tags: `user`, and `bucket` and `prefix` of the mounts, numbered from the second one on (`bucket2`), the one
 * at `/` first; besides them the role's own.
 * @throws RangeError where the role's own are not what STS allows, or take these names
 */
export function sessionTags({ user, mounts, role }: Identity): SessionTag[] {
  const tags: SessionTag[] = [{ Key: 'user', Value: tagValue(user) }];
  const ordered = [...mounts].sort((a, b) => Number(b.path === '/') - Number(a.path === '/'));
  for (const [index, { bucket, prefix }] of ordered.slice(0, TAGGED_MOUNTS).entries()) {
    const number = index === 0 ? '' : index + 1;
    tags.push({ Key: `bucket${number}`, Value: tagValue(bucket) });
    tags.push({ Key: `prefix${number}`, Value: tagValue(prefix) });
  }
  for (const [Key, Value] of Object.entries(role?.tags ?? {})) {
    if (!/^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu.test(Key))
      throw new RangeError('a tag of that name');
    // STS takes keys that differ in case only as one.
    if (tags.some((tag) => tag.Key.toLowerCase() === Key.toLowerCase()))
      throw new RangeError(`a tag named ${Key}, as Ferry's own`);
    tags.push({ Key, Value: tagValue(Value) });
  }
  if (tags.length > MOST_TAGS) throw new RangeError(`more than ${MOST_TAGS} tags`);
  return tags;
}

/**
 * Text as it is where it may stand, else with `=XX` for the UTF-8 bytes of what may not, cut off, and the beginning of
 * its SHA-256 behind it.
 */
function encoded(text: string, allowed: RegExp, character: RegExp, longest: number): string {
  if (allowed.test(text) && !ENCODED.test(text)) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  let result = '';
  for (const each of text) {
    const written = character.test(each)
      ? each
      : [...Buffer.from(each)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
    if (result.length + written.length > longest - hash.length - 1) break;
    result += written;
  }
  return `${result}=${hash}`;
}
