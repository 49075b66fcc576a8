import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type PemParts, pemParts } from './pem.ts';
import { SettingError } from './setting-error.ts';

/** A certificate with its chain and key that TLS can use. */
export interface CertificatePair {
  /** PEM, the server's own certificate first, each following one the issuer of the one before. */
  readonly cert: string;
  /** PEM (PKCS #8), not encrypted. */
  readonly key: string;
  /** The server's own certificate. */
  readonly leaf: X509Certificate;
  /** Subjects of certificates that were given and belong to no place in the chain. */
  readonly strangers: readonly string[];
}

const CERT = 'FERRY_TLS_CERT';
const KEY = 'FERRY_TLS_KEY';

/**
 * Puts certificate, chain and key together, and tries them.
 * @param certificate what FERRY_TLS_CERT leads to: PEM, or JSON with PEM in it
 * @param key what FERRY_TLS_KEY leads to; undefined: the key stands with the certificate
 * @throws SettingError
 */
export function certificatePair(certificate: string, key: string | undefined): CertificatePair {
  const given = partsOf(CERT, certificate);
  const certificates = given.certificates.map((pem, index) => parseCertificate(pem, CERT, index));
  if (certificates.length === 0) throw new SettingError(CERT, 'holds no certificate in PEM');
  const keySetting = key === undefined ? CERT : KEY;
  const keys = privateKeys(keySetting, key === undefined ? given : partsOf(KEY, key));
  const found = keys.flatMap((candidate) => {
    const leaf = certificates.find((each) => each.checkPrivateKey(candidate));
    return leaf ? [{ leaf, key: candidate }] : [];
  })[0];
  if (!found) throw new SettingError(keySetting, 'holds a private key that does not match the certificate');
  const chain = chainOf(found.leaf, certificates);
  const pair = {
    cert: chain.map(String).join(''),
    key: String(found.key.export({ type: 'pkcs8', format: 'pem' })),
  };
  tryOut(pair);
  const strangers = certificates.filter((each) => !chain.some((kept) => same(kept, each)));
  return { ...pair, leaf: found.leaf, strangers: strangers.map(subjectOf) };
}

/** The parts of what a setting leads to. @throws SettingError if it is neither PEM nor JSON */
export function partsOf(setting: string, text: string): PemParts {
  const parts = pemParts(text);
  if (!parts) throw new SettingError(setting, 'looks like JSON and cannot be read as such');
  return parts;
}

/** @throws SettingError */
export function parseCertificate(pem: string, setting: string, index: number): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new SettingError(setting, `holds a certificate (number ${index + 1}) that cannot be read`);
  }
}

/** A certificate's subject on one line. */
export function subjectOf(certificate: X509Certificate): string {
  return (certificate.subject ?? '').replaceAll('\n', ', ');
}

function privateKeys(setting: string, { keys, passphrase }: PemParts): KeyObject[] {
  if (keys.length === 0) throw new SettingError(setting, 'holds no private key in PEM');
  return keys.map((pem) => {
    const encrypted = pem.includes('ENCRYPTED');
    if (encrypted && passphrase === undefined)
      throw new SettingError(setting, 'holds an encrypted private key, and no passphrase');
    try {
      return createPrivateKey({ key: pem, ...(encrypted && { passphrase }) });
    } catch {
      const why = encrypted ? 'that its passphrase does not open' : 'that cannot be read';
      throw new SettingError(setting, `holds a private key ${why}`);
    }
  });
}

/** From the leaf up, each one the issuer of the one before (RFC 5246 section 7.4.2). */
function chainOf(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  for (let last = leaf; ; ) {
    const issuer = certificates.find(
      (each) => last.checkIssued(each) && !chain.some((kept) => same(kept, each)),
    );
    if (!issuer) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function same(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

/** OpenSSL has a say of its own: keys too short, signatures too weak. */
function tryOut(pair: { cert: string; key: string }): void {
  try {
    createSecureContext(pair);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(CERT, `cannot be used, says OpenSSL: ${reason}`);
  }
}
