import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  carriedOver,
  mergeAttributes,
  type ObjectRules,
  objectAttributes,
  parseTemplates,
} from '../../src/fs/attributes.ts';
import { StorageError } from '../../src/fs/errors.ts';
import type { ObjectStore } from '../../src/fs/s3.ts';
import type { Attributes } from '../../src/fs/s3-attributes.ts';

const NONE: ObjectRules = {
  contentType: 'none',
  metadata: {},
  tags: {},
  storageClass: undefined,
  encryption: undefined,
  carryOver: false,
};

const UPLOAD = {
  path: '/in/a.csv',
  user: 'anna',
  address: '203.0.113.7',
  time: new Date('2026-11-24T18:02:31.456Z'),
};

const attributes = (rules: Partial<ObjectRules>, upload: Partial<typeof UPLOAD> = {}) =>
  objectAttributes({ ...NONE, ...rules }, { ...UPLOAD, ...upload });

const bytesOf = (metadata: Attributes['metadata']) =>
  Object.entries(metadata ?? {})
    .flat()
    .join('').length;

test('without rules an object has no attributes', () => {
  expect(attributes({})).toEqual({});
});

test.each([
  ['/in/a.csv', 'text/csv'],
  ['/in/A.PDF', 'application/pdf'],
  ['/a.tar.gz', 'application/gzip'],
  ['/in.csv/a', undefined],
  ['/csv', undefined],
  ['/.csv', undefined],
  ['/a.nobody-knows', undefined],
])('the content type of %s is %s', (path, contentType) => {
  expect(attributes({ contentType: 'extension' }, { path })).toEqual(contentType ? { contentType } : {});
});

test('storage class and encryption are those of the rules', () => {
  const rules = { storageClass: 'GLACIER_IR', encryption: { algorithm: 'aws:kms', key: 'k' } } as const;
  expect(attributes(rules)).toEqual(rules);
});

test('placeholders say who uploaded what, whence and when', () => {
  const all = '{user} {ip} {date} {time} {path} {name}';
  const filled = 'anna 203.0.113.7 2026-11-24 18:02:31 /in/a.csv a.csv';
  expect(attributes({ metadata: { a: all, b: 'fixed' }, tags: { t: all } })).toEqual({
    metadata: { a: filled, b: 'fixed' },
    tags: { t: filled },
  });
});

describe('metadata', () => {
  const render = (user: string, template = '{user}') =>
    attributes({ metadata: { a: template } }, { user }).metadata?.a ?? '';

  test('is printable ASCII, whatever the names, and decodes to them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (user) => {
        const value = render(user, 'x{user}x');
        expect(value).toMatch(/^[ -~]*$/);
        expect(decodeURIComponent(value)).toBe(`x${user}x`);
      }),
    );
  });

  test('is cut at a whole character, so that all fits into what S3 takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 3000 }), fc.nat(20), (user, shift) => {
        const metadata = { first: `${'y'.repeat(shift)}{user}`, second: '{user}{user}', third: '{ip}' };
        const made = attributes({ metadata }, { user }).metadata;
        expect(bytesOf(made)).toBeLessThanOrEqual(1920);
        for (const value of Object.values(made ?? {})) expect(() => decodeURIComponent(value)).not.toThrow();
      }),
    );
    const [long, short] = [render('é'.repeat(2000)), render('é'.repeat(100))];
    expect(decodeURIComponent(long)).toMatch(/^é{319}$/);
    expect(decodeURIComponent(short)).toBe('é'.repeat(100));
  });
});

test('tags have the characters that S3 allows, and at most 256', () => {
  expect(attributes({ tags: { t: '{user}' } }, { user: 'Ünal & Söhne?;é' }).tags).toEqual({
    t: 'Ünal _ Söhne__é',
  });
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (user) => {
      const { t = '' } = attributes({ tags: { t: '{user}' } }, { user }).tags ?? {};
      expect(t).toMatch(/^[\p{L}\p{N} +\-=._:/@]{0,256}$/u);
      expect(t.length).toBeLessThanOrEqual(256);
      expect(t.isWellFormed()).toBe(true);
    }),
  );
});

test('what templates hold comes out of them as S3 takes it, or they are refused', () => {
  const text = fc.string({ unit: fc.constantFrom(...'a1=;{}%é& :-', '{user}', '{nobody}'), maxLength: 30 });
  fc.assert(
    fc.property(text, fc.constantFrom('metadata', 'tags'), (given, kind) => {
      const templates = parseTemplates(given, kind);
      if (templates === undefined) return;
      const values = Object.values(attributes({ [kind]: templates })[kind] ?? {});
      for (const value of values)
        expect(value).toMatch(kind === 'tags' ? /^[\p{L}\p{N} +\-=._:/@]*$/u : /^[ -~]*$/);
      expect(values.join('')).not.toMatch(/[{}]/);
    }),
  );
});

describe('what an object hands on', () => {
  const OLD: Attributes = {
    contentType: 'text/plain',
    cacheControl: 'no-store',
    contentEncoding: 'gzip',
    metadata: { owner: 'bert', mtime: '1', 'ferry-upload': 'x' },
    storageClass: 'GLACIER',
  };

  function storeOf(attributes: Attributes, tags: Record<string, string>) {
    const asked: string[] = [];
    const store: Pick<ObjectStore, 'head' | 'tags'> = {
      head: async () => {
        asked.push('head');
        const info = { size: 0, etag: '', modified: new Date(0), crc32: undefined, nonce: undefined };
        return {
          ...info,
          attributes: { metadata: {}, ...attributes },
          tagCount: Object.keys(tags).length,
        };
      },
      tags: async () => {
        asked.push('tags');
        return tags;
      },
    };
    return { store, asked };
  }
  const place = { bucket: 'b', key: 'k' };

  test('is its metadata, its tags and its headers, but nothing that speaks of its bytes', async () => {
    const { store, asked } = storeOf(OLD, { a: '1' });
    const carried = await carriedOver(store, place);
    expect(asked).toEqual(['head', 'tags']);
    expect(mergeAttributes({ contentType: undefined }, carried)).toEqual({
      contentType: 'text/plain',
      cacheControl: 'no-store',
      contentDisposition: undefined,
      contentLanguage: undefined,
      metadata: { owner: 'bert' },
      tags: { a: '1' },
    });
  });

  test('is asked for by one request where it has no tags', async () => {
    const { store, asked } = storeOf(OLD, {});
    await carriedOver(store, place);
    expect(asked).toEqual(['head']);
  });

  test('is nothing where no object stands, and a failure where that cannot be told', async () => {
    const failing = (failure: 'not-found' | 'denied') => ({
      head: () => Promise.reject(new StorageError(failure, '')),
      tags: () => Promise.reject(new Error('not asked')),
    });
    expect(await carriedOver(failing('not-found'), place)).toEqual({});
    await expect(carriedOver(failing('denied'), place)).rejects.toMatchObject({ failure: 'denied' });
  });

  test('gives way to what the upload sets itself', () => {
    const own = { contentType: 'text/csv', metadata: { owner: 'anna' }, tags: { a: '2' } };
    const carried = {
      contentType: 'text/plain',
      metadata: { owner: 'bert', b: '1' },
      tags: { a: '1', c: '3' },
    };
    expect(mergeAttributes(own, carried)).toEqual({
      contentType: 'text/csv',
      metadata: { owner: 'anna', b: '1' },
      tags: { a: '2', c: '3' },
    });
  });

  test('is left behind where it would not fit, so that S3 takes the object', () => {
    const metadata = { big: 'x'.repeat(1900), small: 'y', odd: 'é' };
    const tags = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`t${index}`, 'v']));
    const merged = mergeAttributes(
      { metadata: { own: 'z'.repeat(40) }, tags: { mine: '1' } },
      { metadata, tags },
    );
    expect(merged.metadata).toEqual({ own: 'z'.repeat(40), small: 'y' });
    expect(Object.keys(merged.tags ?? {})).toEqual(['mine', ...Object.keys(tags).slice(0, 9)]);
  });
});
