import { type Issued, makeAuthority } from './certificates.ts';

/** How clients of the tests connect. */
export type Security = 'plain' | 'explicit' | 'implicit';

/** What holds where a test does not say it: the whole suite can be run three times. */
export const TEST_SECURITY: Security = securityOf(process.env.FERRY_TEST_TLS);

function securityOf(value: string | undefined): Security {
  if (value === 'explicit' || value === 'implicit') return value;
  if (value !== undefined && value !== 'plain')
    throw new Error('FERRY_TEST_TLS is explicit, implicit or plain');
  return 'plain';
}

let made: Issued | undefined;

/** A certificate for localhost, one for all test servers of this process. */
export function testCertificate(): Issued {
  made ??= makeAuthority('Ferry test CA').issue('localhost');
  return made;
}

/** What STAT says of the connections of this run's clients. */
export const IN_FORCE =
  TEST_SECURITY === 'plain' ? 'in clear, data: in clear' : 'TLSv1.3 TLS_AES_256_GCM_SHA384, data: TLS';
