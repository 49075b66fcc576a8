import mime from 'mime';
import { isFailure } from './errors.ts';
import type { Location, ObjectStore } from './s3.ts';
import { type Attributes, type Encryption, NONCE, type StorageClass } from './s3-attributes.ts';

/** What uploads give to their objects besides bytes: the settings. */
export interface ObjectRules {
  /** `extension`: the type of a file's extension, where that is known. */
  readonly contentType: 'extension' | 'none';
  /** User metadata and tags by name; values with placeholders such as `{user}`. */
  readonly metadata: Templates;
  readonly tags: Templates;
  /** Undefined: S3's default. */
  readonly storageClass: StorageClass | undefined;
  /** Undefined: the bucket's default. */
  readonly encryption: Encryption | undefined;
  /** Whether what an upload replaces hands on its metadata and tags. */
  readonly carryOver: boolean;
}

export type Templates = Readonly<Record<string, string>>;

/** Who uploads what. */
export interface UploadFacts {
  /** Virtual path of the file. */
  readonly path: string;
  readonly user: string;
  /** IP address of the client. */
  readonly address: string;
  readonly time: Date;
}

const PLACEHOLDERS = /\{(user|ip|date|time|path|name)\}/g;

/** S3 takes 2,048 bytes of names and values; the rest is for Ferry's own: the mark of an upload, and the time. */
const MOST_METADATA = 1920;

const MOST_TAGS = 10;
const LONGEST_TAG_NAME = 128;
const LONGEST_TAG = 256;

/** Names of metadata that Ferry itself writes. They speak of one upload's bytes. */
const OWN_METADATA: readonly string[] = ['mtime', NONCE];

const PRINTABLE = /^[ -~]*$/;
const TAG_TEXT = /^[\p{L}\p{N} +\-=._:/@]*$/u;

/**
 * Reads `name=value;name=value`. A value may hold `=`, but neither `;` nor braces that are no placeholder.
 * @returns undefined where it is not that, or where S3 would refuse a name, a fixed part, their length or number
 */
export function parseTemplates(text: string, kind: 'metadata' | 'tags'): Templates | undefined {
  const entries = text.split(';').map((item): [string, string] => {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    return [name.trim(), value.trim()];
  });
  const fixed = entries.map(([name, value]): [string, string] => [name, value.replace(PLACEHOLDERS, '')]);
  const distinct = new Set(entries.map(([name]) => name)).size === entries.length;
  const good = kind === 'metadata' ? isGoodMetadata(fixed) : isGoodTags(fixed);
  return distinct && good && !fixed.some(([, value]) => /[{}]/.test(value))
    ? Object.fromEntries(entries)
    : undefined;
}

function isGoodMetadata(entries: readonly (readonly [string, string])[]): boolean {
  const isGood = ([name, value]: readonly [string, string]) =>
    /^[a-z0-9][a-z0-9._-]*$/.test(name) && !OWN_METADATA.includes(name) && PRINTABLE.test(value);
  return entries.every(isGood) && entries.flat().join('').length <= MOST_METADATA;
}

/** S3 keeps names that begin with `aws:` for itself. */
function isGoodTags(entries: readonly (readonly [string, string])[]): boolean {
  const isGood = ([name, value]: readonly [string, string]) =>
    name !== '' &&
    name.length <= LONGEST_TAG_NAME &&
    value.length <= LONGEST_TAG &&
    TAG_TEXT.test(name) &&
    !/^aws:/i.test(name) &&
    // Braces are judged by the caller.
    TAG_TEXT.test(value.replaceAll(/[{}]/g, ''));
  return entries.every(isGood) && entries.length <= MOST_TAGS;
}

/**
 * The attributes of an upload's object. What placeholders bring is made to be what S3 takes: in metadata, all but
 * printable ASCII is percent-encoded, and `%` too; in tags, what S3 does not allow becomes `_`. Values are cut
 * where they would be too long. Dates and times are UTC, as `2026-11-24` and `18:02:31`.
 */
export function objectAttributes(rules: ObjectRules, upload: UploadFacts): Attributes {
  const { metadata, tags, storageClass, encryption } = rules;
  const contentType = rules.contentType === 'extension' ? mime.getType(upload.path) : null;
  return {
    ...(contentType !== null && { contentType }),
    ...(Object.keys(metadata).length > 0 && { metadata: renderMetadata(metadata, upload) }),
    ...(Object.keys(tags).length > 0 && { tags: renderTags(tags, upload) }),
    ...(storageClass && { storageClass }),
    ...(encryption && { encryption }),
  };
}

function fill(template: string, upload: UploadFacts, safe: (value: string) => string): string {
  const [date = '', time = ''] = upload.time.toISOString().slice(0, 19).split('T');
  const { user, address: ip, path } = upload;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const values: Templates = { user, ip, date, time, path, name };
  return template.replace(PLACEHOLDERS, (_, placeholder: string) => safe(values[placeholder] ?? ''));
}

function renderMetadata(templates: Templates, upload: UploadFacts): Templates {
  let left = MOST_METADATA - Object.keys(templates).join('').length;
  const rendered = Object.entries(templates).map(([name, template]) => {
    // HTTP drops blanks at the ends of a header's value.
    const value = cut(fill(template, upload, percentEncode), left).trim();
    left -= value.length;
    return [name, value];
  });
  return Object.fromEntries(rendered);
}

function percentEncode(value: string): string {
  return value.toWellFormed().replaceAll(/[^ -$&-~]+/g, encodeURIComponent);
}

/** Cuts ASCII text, never within a percent-encoded character. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const whole = text.slice(0, length).replace(/%.?$/, '');
  // The bytes of a character of UTF-8 that lost its end: a first byte, and fewer others than it tells.
  const [tail = ''] = /%[C-F][\dA-F](?:%[89AB][\dA-F])*$/i.exec(whole) ?? [];
  return isWhole(tail) ? whole : whole.slice(0, -tail.length);
}

function isWhole(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

function renderTags(templates: Templates, upload: UploadFacts): Templates {
  const safe = (value: string) => value.replaceAll(/[^\p{L}\p{N} +\-=._:/@]/gu, '_');
  return Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [
      name,
      // S3 counts UTF-16 units, half a pair of which is no character.
      fill(template, upload, safe)
        .slice(0, LONGEST_TAG)
        .replace(/[\ud800-\udbff]$/, ''),
    ]),
  );
}

/**
 * What an object hands on to the one that replaces it: user metadata, tags, content type, disposition and language,
 * cache control. Its encoding is not handed on, since that speaks of its bytes, nor are class and encryption.
 * One HeadObject, and one GetObjectTagging where it has tags.
 * @returns nothing where no object stands there
 * @throws StorageError
 */
export async function carriedOver(
  store: Pick<ObjectStore, 'head' | 'tags'>,
  location: Location,
): Promise<Attributes> {
  try {
    const { attributes, tagCount } = await store.head(location);
    const { contentType, cacheControl, contentDisposition, contentLanguage, metadata } = attributes;
    const tags = tagCount > 0 ? await store.tags(location) : {};
    return { contentType, cacheControl, contentDisposition, contentLanguage, metadata, tags };
  } catch (error) {
    if (isFailure(error, 'not-found')) return {};
    throw error;
  }
}

/**
 * The attributes of an object that replaces another: its own, and those handed on that it does not set itself and
 * that S3's limits leave room for. Ferry's own metadata, and metadata that is not printable ASCII, stays behind.
 */
export function mergeAttributes(own: Attributes, carried: Attributes): Attributes {
  const metadata = { ...own.metadata };
  let left = MOST_METADATA - Object.entries(metadata).flat().join('').length;
  for (const [name, value] of Object.entries(carried.metadata ?? {})) {
    const size = name.length + value.length;
    const fits = size <= left && PRINTABLE.test(value) && !OWN_METADATA.includes(name);
    if (!fits || Object.hasOwn(metadata, name)) continue;
    metadata[name] = value;
    left -= size;
  }
  const others = Object.entries(carried.tags ?? {}).filter(([name]) => !Object.hasOwn(own.tags ?? {}, name));
  const tags = Object.fromEntries([...Object.entries(own.tags ?? {}), ...others].slice(0, MOST_TAGS));
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { ...carried, ...set, metadata, tags };
}
