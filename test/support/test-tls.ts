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

/** For what is plain by nature: REIN, which is 502 in TLS, or the first bytes of a connection. */
export const PLAIN = { security: 'plain' } as const;

let made: { readonly authority: string; readonly certificate: Issued } | undefined;

function make() {
  const authority = makeAuthority('Ferry test CA');
  const names = ['localhost', '127.0.0.1', '::1'];
  return { authority: authority.cert, certificate: authority.issue('localhost', { names }) };
}

/** A certificate for localhost, one for all test servers of this process. */
export function testCertificate(): Issued {
  made ??= make();
  return made.certificate;
}

/** The certificate, in PEM, of the authority behind it. */
export function testAuthority(): string {
  made ??= make();
  return made.authority;
}

/** What STAT says of the connections of this run's clients. */
export const IN_FORCE =
  TEST_SECURITY === 'plain' ? 'in clear, data: in clear' : 'TLSv1.3 TLS_AES_256_GCM_SHA384, data: TLS';
