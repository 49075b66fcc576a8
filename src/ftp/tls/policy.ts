import type { ResumePolicy, TlsPolicy } from '../../config.ts';

/** The least strict first. */
const POLICIES: readonly TlsPolicy[] = ['off', 'optional', 'login', 'data'];
const RESUME_POLICIES: readonly ResumePolicy[] = ['off', 'accept', 'require'];

/** The stricter one of the process's policy and a user's. */
export function stricterPolicy(one: TlsPolicy, other: TlsPolicy | undefined): TlsPolicy {
  return stricter(POLICIES, one, other);
}

/** The stricter one of the process's policy and a user's. */
export function stricterResume(one: ResumePolicy, other: ResumePolicy | undefined): ResumePolicy {
  return stricter(RESUME_POLICIES, one, other);
}

function stricter<T>(order: readonly T[], one: T, other: T | undefined): T {
  return other !== undefined && order.indexOf(other) > order.indexOf(one) ? other : one;
}
