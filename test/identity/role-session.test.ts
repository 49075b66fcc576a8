import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Identity } from '../../src/identity/identity.ts';
import { sessionName, sessionTags, tagValue } from '../../src/identity/role-session.ts';

// The rules are those of STS's API reference: AssumeRole (RoleSessionName, SourceIdentity) and Tag.
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const TAG_KEY = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;

const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary', maxLength: 400 }));

function identity(changes: Partial<Identity> = {}): Identity {
  return {
    user: 'anna',
    anonymous: false,
    mounts: [{ path: '/', bucket: 'files', prefix: 'home/anna/', permissions: new Set() }],
    role: { arn: 'arn:aws:iam::123456789012:role/ftp' },
    ...changes,
  };
}

describe('the name of a session', () => {
  test.each(['anna', 'anna@example.com', 'a=b,c+d.e-f_g'])('is the user name %s as it is', (user) => {
    expect(sessionName(user)).toBe(user);
  });

  test.each([
    ['a', /^a=[0-9a-f]{16}$/],
    ['anna b', /^anna=20b=[0-9a-f]{16}$/],
    ['jürgen', /^j=C3=BCrgen=[0-9a-f]{16}$/],
    ['aws:root', /^aws=3Aroot=[0-9a-f]{16}$/],
    ['x'.repeat(65), /^x{47}=[0-9a-f]{16}$/],
  ])('is %j encoded, with a hash', (user, expected) => {
    expect(sessionName(user)).toMatch(expected);
  });

  test('never is that of another user, not even of one who is named like an encoded name', () => {
    const encoded = sessionName('anna b');
    expect(sessionName(encoded)).not.toBe(encoded);
    expect(sessionName(encoded)).toMatch(SESSION_NAME);
  });

  test('is one that STS allows, and another for every user', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(sessionName(a)).toMatch(SESSION_NAME);
        expect(sessionName(a)).not.toMatch(/^aws:/i);
        if (Buffer.from(a).toString() !== Buffer.from(b).toString())
          expect(sessionName(a)).not.toBe(sessionName(b));
      }),
    );
  });
});

describe('session tags', () => {
  test('name user, bucket and prefix, and number further mounts, the root first', () => {
    const mounts = [
      { path: '/in', bucket: 'b2', prefix: 'in/', permissions: new Set<never>() },
      { path: '/', bucket: 'b1', prefix: '', permissions: new Set<never>() },
    ];
    expect(sessionTags(identity({ mounts }))).toEqual([
      { Key: 'user', Value: 'anna' },
      { Key: 'bucket', Value: 'b1' },
      { Key: 'prefix', Value: '' },
      { Key: 'bucket2', Value: 'b2' },
      { Key: 'prefix2', Value: 'in/' },
    ]);
  });

  test("carry the role's own", () => {
    const role = { arn: 'arn:aws:iam::123456789012:role/ftp', tags: { Department: 'R & D' } };
    expect(sessionTags(identity({ role }))).toContainEqual({
      Key: 'Department',
      Value: expect.stringMatching(/^R =26 D=[0-9a-f]{16}$/),
    });
  });

  test.each([['User'], ['prefix'], ['aws:x'], [''], ['a*b']])('refuse a tag named %j', (name) => {
    const role = { arn: 'arn:aws:iam::123456789012:role/ftp', tags: { [name]: 'x' } };
    expect(() => sessionTags(identity({ role }))).toThrow(RangeError);
  });

  test('encode a prefix with what tags may not hold, so that a policy by tags does not match it', () => {
    expect(tagValue('home/a*b/')).toMatch(/^home\/a=2Ab\/=[0-9a-f]{16}$/);
    expect(tagValue('home/Jürgen Groß/')).toBe('home/Jürgen Groß/');
  });

  test('are what STS allows: number, keys, values', () => {
    fc.assert(
      fc.property(text, fc.array(fc.tuple(text, text), { maxLength: 60 }), (user, places) => {
        const mounts = places.map(([bucket, prefix], index) => ({
          path: `/${index}`,
          bucket,
          prefix,
          permissions: new Set<never>(),
        }));
        const tags = sessionTags(identity({ user, mounts }));
        expect(tags.length).toBeLessThanOrEqual(50);
        expect(new Set(tags.map(({ Key }) => Key.toLowerCase())).size).toBe(tags.length);
        for (const { Key, Value } of tags) {
          expect(Key).toMatch(TAG_KEY);
          expect(Value).toMatch(TAG_VALUE);
        }
      }),
    );
  });
});
