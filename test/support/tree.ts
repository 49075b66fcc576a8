import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { inject, onTestFinished } from 'vitest';
import {
  type Grant,
  type Identity,
  type Mount,
  PERMISSIONS,
  type Permission,
} from '../../src/identity/identity.ts';
import { type FaultProxy, faultProxyForTest } from './fault-proxy.ts';
import { type Ferry, startFerry, USER } from './ferry.ts';
import { putObject } from './objects.ts';

/** A mount with all permissions, unless others are given. */
export function mount(
  path: string,
  bucket: string,
  prefix: string,
  more: Partial<Omit<Mount, 'permissions'>> & { permissions?: readonly Permission[] } = {},
): Mount {
  return { path, bucket, prefix, ...more, permissions: new Set(more.permissions ?? PERMISSIONS) };
}

export function grant(path: string, ...permissions: Permission[]): Grant {
  return { path, permissions: new Set(permissions) };
}

/** The user of every test server with a tree of their own. */
export function identity(mounts: readonly Mount[], more: Partial<Identity> = {}): Identity {
  return { user: USER.name, anonymous: false, mounts, ...more };
}

/** A server whose users have these trees, with a second bucket, over objects whose text is their key. */
export async function startTree(
  users: (bucket: string, other: string) => readonly Identity[],
  keys: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<{ ferry: Ferry; proxy: FaultProxy; other: Ferry }> {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const nameOther = (bucket: string) => `${bucket}-other`;
  const ferry = await startFerry(settings, proxy.endpoint, (bucket) => users(bucket, nameOther(bucket)));
  onTestFinished(() => ferry[Symbol.asyncDispose]());
  const other = { ...ferry, bucket: nameOther(ferry.bucket) };
  await ferry.s3.send(new CreateBucketCommand({ Bucket: other.bucket }));
  await Promise.all(keys.map((key) => putObject(ferry, key, key.endsWith('/') ? '' : key)));
  return { ferry, proxy, other };
}
