import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { describe, expect, inject, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { Filesystem } from '../../src/fs/filesystem.ts';
import { renameDirectory } from '../../src/fs/rename.ts';
import { openObjectStore } from '../../src/fs/s3.ts';
import { openStorage } from '../../src/fs/storage.ts';
import { openUserStorage } from '../../src/fs/user-storage.ts';
import { type Identity, PERMISSIONS } from '../../src/identity/identity.ts';
import { openRoles } from '../../src/identity/role.ts';
import { openLog } from '../../src/ops/log.ts';
import { startFakeAws } from '../support/fake-aws.ts';
import { outsideS3 } from '../support/ferry.ts';
import { type S3Tap, startS3Tap } from '../support/s3-tap.ts';

/** Session tokens of the requests so far. */
function tokens({ headers }: S3Tap) {
  return headers.map((each) => each['x-amz-security-token']);
}

/** The storage of a server whose users have roles, before an S3 that notes who asks for what. */
async function setup({ most = 1000, mtime = 'upload' } = {}) {
  const { accessKeyId, secretAccessKey, region } = inject('s3');
  Object.assign(process.env, {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const outside = outsideS3();
  await outside.send(new CreateBucketCommand({ Bucket: bucket }));
  outside.destroy();
  const [aws, tap] = [await startFakeAws(), await startS3Tap()];
  aws.keys = { accessKeyId, secretAccessKey };
  const log = openLog('json', () => {});
  const config = parseEnvironment({
    FERRY_BUCKET: bucket,
    FERRY_S3_ENDPOINT: tap.endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_MTIME: mtime,
  });
  const roles = openRoles({ config, log, endpoint: aws.endpoint });
  const options = { ...config.s3, requests: 8, downloads: 8 };
  const store = openObjectStore(options);
  const storage = openStorage(config, store, () => {});
  const storageOf = openUserStorage(storage, {
    open: (identity) =>
      openObjectStore({
        ...options,
        credentials: roles.credentialsOf(identity),
        connections: store.connections,
      }),
    keyOf: roles.keyOf,
    digest: config.limits.digest,
    most,
  });
  const user = (name: string, role = true): Identity => ({
    user: name,
    anonymous: false,
    mounts: [{ path: '/', bucket, prefix: `${name}/`, permissions: new Set(PERMISSIONS) }],
    role: role ? { arn: 'arn:aws:iam::123456789012:role/ftp' } : undefined,
  });
  return {
    aws,
    tap,
    storage,
    storageOf,
    user,
    filesystem: (identity: Identity) => new Filesystem(storageOf(identity), identity, '127.0.0.1'),
    async [Symbol.asyncDispose]() {
      store.close();
      roles.close();
      await Promise.all([aws[Symbol.asyncDispose](), tap[Symbol.asyncDispose]()]);
    },
  };
}

describe("a user's storage", () => {
  test("is the process's own for a user without a role", async () => {
    await using there = await setup();
    expect(there.storageOf(there.user('anna', false))).toBe(there.storage);
  });

  test("has the user's own credentials in every request for files", async () => {
    await using there = await setup();
    const { tap, user, filesystem } = there;
    await filesystem(user('anna')).makeDirectory('/in');
    await filesystem(user('anna')).list('/', '');
    expect(new Set(tokens(tap))).toEqual(new Set(['token-1']));
    await filesystem(user('berta')).list('/', '');
    expect(tokens(tap).at(-1)).toBe('token-2');
    await filesystem(user('carla', false)).list('/', '');
    expect(tokens(tap).at(-1)).toBeUndefined();
  });

  test("keeps the server's own for what Ferry keeps for itself: a directory rename and its announcement", async () => {
    await using there = await setup();
    const { tap, user, storageOf, filesystem } = there;
    const anna = filesystem(user('anna'));
    await anna.makeDirectory('/old');
    const [from, to] = [anna.locate('/old'), anna.locate('/new')];
    tap.requests.length = tap.headers.length = 0;
    await renameDirectory(storageOf(user('anna')), from, to, { ontoDirectory: false });
    const own = tap.requests.map((line, index) => [
      line.includes('.ferry/'),
      tokens(tap)[index] === undefined,
    ]);
    expect(own).toContainEqual([true, true]);
    expect(own.filter(([hidden, server]) => hidden !== server)).toEqual([]);
  });

  test('shares memory, ledger and connections, and not what was learned with the rights of others', async () => {
    await using there = await setup({ mtime: 'stored' });
    const { storage, storageOf, user } = there;
    const [anna, berta] = [storageOf(user('anna')), storageOf(user('berta'))];
    for (const one of [anna, berta]) {
      expect(one.pool).toBe(storage.pool);
      expect(one.ledger).toBe(storage.ledger);
      expect(one.own).toBe(storage.store);
      expect(one.store.connections).toBe(storage.store.connections);
      expect(one.times).not.toBe(storage.times);
    }
    expect(anna.times).not.toBe(berta.times);
  });

  test('does not end the connections of the process', async () => {
    await using there = await setup();
    const { storage, storageOf, user } = there;
    const at = { bucket: storage.hidden.bucket, key: 'large' };
    const bytes = randomBytes(48 * 2 ** 20);
    await storage.store.put(at, bytes, { crc32: crc32(bytes) });
    const { body } = await storage.store.get(at);
    storageOf(user('anna')).store.close();
    expect((await buffer(body)).equals(bytes)).toBe(true);
  });

  test('is one for all sessions of a user, and forgotten for the least lately seen beyond a bound', async () => {
    await using there = await setup({ most: 2 });
    const { storageOf, user } = there;
    const [anna, berta] = [storageOf(user('anna')), storageOf(user('berta'))];
    expect(storageOf(user('anna'))).toBe(anna);
    storageOf(user('carla'));
    expect(storageOf(user('anna'))).toBe(anna);
    expect(storageOf(user('berta'))).not.toBe(berta);
  });
});
