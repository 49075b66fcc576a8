/** What every client of an AWS service is given: bounded in time, few attempts, nothing on the console. */
export const AWS_CLIENT = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2000, requestTimeout: 10_000, throwOnRequestTimeout: true },
  logger: { debug() {}, info() {}, warn() {}, error() {} },
} as const;

/** Where a service is reached instead of at AWS; for tests. Credentials come by the SDK's own chain. */
export interface AwsOptions {
  readonly endpoint?: string | undefined;
  /** Unless an ARN names one, that of the SDK's own chain. */
  readonly region?: string | undefined;
}

/** The region that an ARN names; undefined for a name that is none. */
export function regionOf(arn: string): string | undefined {
  return arn.startsWith('arn:') ? arn.split(':')[3] || undefined : undefined;
}

/** An error's name as the services' references have it: `AccessDenied`, whatever the SDK made of it. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? error.name.replace(/(?<=.)Exception$/, '') : '';
}
