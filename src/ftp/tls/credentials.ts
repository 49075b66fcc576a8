import { constants, randomBytes } from 'node:crypto';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls';
import type { Config } from '../../config.ts';

/** What the server proves itself by, and what it checks clients with; all in PEM. */
export interface TlsCredentials {
  /** The certificate and the chain behind it. */
  readonly cert: string;
  readonly key: string;
  /** What client certificates must lead to; without it none is verified. */
  readonly ca?: string | undefined;
  /** Lists of revoked client certificates, one a string; where there are any, each CA of a chain needs one. */
  readonly crl?: string | string[] | undefined;
}

/** Where the certificate comes from. It may change at any time; sessions keep what they began with. */
export interface TlsSource {
  /** Undefined: there is none now, and AUTH answers 431. */
  readonly current: TlsCredentials | undefined;
}

/** Left out of Node's default: CBC (Lucky 13), SHA-1, key exchange without forward secrecy, and what has no name. */
const WEAK = ['!kRSA', '!SHA1', '!SHA256', '!SHA384', '!AESCCM8', '!kDHEPSK', '!kECDHEPSK', '!ARIA'];

/** OpenSSL's limit for tickets of TLS 1.3 (RFC 8446 4.6.1: seven days). */
const LONGEST_TICKET = 604_800;

/**
 * Makes the context of one session. Its tickets can be resumed in it, and nowhere else: whoever resumes one has
 * been in this session (docs/adr/0019).
 * @param lifetime milliseconds for which its tickets are good
 * @throws what OpenSSL says of a certificate, key, CRL or cipher list that is wrong
 */
export function sessionContext(
  { cert, key, ca, crl }: TlsCredentials,
  { minVersion, maxVersion, ciphers, clients }: Config['tls'],
  lifetime: number,
): SecureContext {
  return createSecureContext({
    cert,
    key,
    ...(clients !== 'off' && { ca, crl }),
    minVersion,
    maxVersion,
    ciphers: ciphers ?? [DEFAULT_CIPHERS, ...WEAK].join(':'),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // OpenSSL refuses to resume a session that had a client certificate where this is not set.
    sessionIdContext: 'ferry',
    sessionTimeout: Math.min(Math.ceil(lifetime / 1000), LONGEST_TICKET),
    ticketKeys: randomBytes(48),
  });
}
