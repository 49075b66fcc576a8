import type { Config } from '../config.ts';
import type { Mount } from './identity.ts';

/** Whether a role's ARN is one of those that are allowed, each with at most one `*`, at its end. */
export function isAllowedRole(allowed: readonly string[], arn: string): boolean {
  return allowed.some((each) => (each.endsWith('*') ? arn.startsWith(each.slice(0, -1)) : arn === each));
}

/**
 * Whether a mount holds anything that the anonymous login sees, or lies in it: strangers would read or write the files
 * of a user.
 */
export function overlapsAnonymous(
  { anonymous, bucket, prefix }: Pick<Config, 'anonymous' | 'bucket' | 'prefix'>,
  mount: Pick<Mount, 'bucket' | 'prefix'>,
): boolean {
  if (anonymous === undefined || mount.bucket !== bucket) return false;
  const root = prefix + anonymous.root;
  return root.startsWith(mount.prefix) || mount.prefix.startsWith(root);
}
