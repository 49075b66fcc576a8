import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../../identity/identity.ts';

/** A client's verified certificate, and what tells it from all others. */
export interface PresentedCertificate extends ClientCertificate {
  /** SHA-256 of the certificate, in hex with colons. */
  readonly fingerprint: string;
}

/** What Node's TLS sockets have beyond their documented surface, as far as it is needed here. */
interface WithVerdict {
  readonly _handle: { verifyError(): Error | null | undefined } | null;
}

/**
 * The client's certificate, if it leads to one of the configured CAs and is not revoked. Node tells this of the
 * sockets of its own tls.Server only; this is the one place that asks for it as tls.Server does.
 * @param tls after the handshake, with `requestCert`
 * @param onRefused told why a certificate that was presented does not count
 */
export function verifiedCertificate(
  tls: TLSSocket,
  onRefused: (reason: string) => void,
): PresentedCertificate | undefined {
  const certificate = tls.getPeerX509Certificate();
  const { _handle } = tls as unknown as WithVerdict;
  if (!certificate || !_handle) return undefined;
  const error = _handle.verifyError();
  if (error) {
    onRefused('code' in error ? String(error.code) : error.message);
    return undefined;
  }
  const { CN } = tls.getPeerCertificate().subject;
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return {
    commonName: (Array.isArray(CN) ? CN[0] : CN) ?? '',
    publicKey: createHash('sha256').update(key).digest('base64'),
    fingerprint: certificate.fingerprint256,
  };
}
