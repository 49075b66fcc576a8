import type { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { parseCertificate, partsOf, subjectOf } from './certificate-pair.ts';
import { type DerValue, derTime, derValues, derWithin } from './der.ts';
import { SettingError } from './setting-error.ts';

/** What client certificates are verified by. */
export interface ClientTrust {
  /** CA certificates in PEM. */
  readonly ca: string;
  /** CRLs in PEM, one a string: Node reads only the first of each. */
  readonly crl: string[] | undefined;
  /** When the first of the CRLs ends; undefined: none does. */
  readonly crlEnds: Date | undefined;
  /** Subjects of CAs that have no CRL although others do. */
  readonly unlisted: readonly string[];
}

const CA = 'FERRY_TLS_CLIENT_CA';
const CRL = 'FERRY_TLS_CRL';

/**
 * @param ca what FERRY_TLS_CLIENT_CA leads to
 * @param crl what FERRY_TLS_CRL leads to; undefined: nothing is revoked
 * @throws SettingError
 */
export function clientTrust(ca: string, crl: string | undefined): ClientTrust {
  const blocks = partsOf(CA, ca).certificates;
  if (blocks.length === 0) throw new SettingError(CA, 'holds no certificate in PEM');
  const authorities = blocks.map((pem, index) => parseCertificate(pem, CA, index));
  const lists = crl === undefined ? undefined : partsOf(CRL, crl).crls;
  if (lists?.length === 0) throw new SettingError(CRL, 'holds no CRL in PEM (X509 CRL)');
  const heads = lists?.map(headOf);
  const trust = { ca: authorities.map(String).join(''), crl: lists && [...lists] };
  tryOut(trust);
  const unlisted = authorities.filter(
    (authority) => heads && !heads.some(({ issuer }) => issuer.equals(nameOf(authority))),
  );
  const ends = (heads ?? []).flatMap(({ nextUpdate }) => (nextUpdate ? [nextUpdate.getTime()] : []));
  return {
    ...trust,
    crlEnds: ends.length > 0 ? new Date(Math.min(...ends)) : undefined,
    unlisted: unlisted.map(subjectOf),
  };
}

interface CrlHead {
  /** The issuer's name in DER. */
  readonly issuer: Buffer;
  readonly nextUpdate: Date | undefined;
}

const SEQUENCE = 0x30;

/** Reads the front of a CRL (RFC 5280 section 5.1): [version], signature, issuer, thisUpdate, [nextUpdate]. */
function headOf(pem: string, index: number): CrlHead {
  const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
  try {
    const fields = signedFields(der, 5);
    if (fields[0]?.tag !== SEQUENCE) fields.shift();
    const [, issuer, thisUpdate, next] = fields;
    if (issuer?.tag !== SEQUENCE || !thisUpdate || !derTime(der, thisUpdate)) throw new RangeError('no CRL');
    return { issuer: der.subarray(issuer.from, issuer.end), nextUpdate: next && derTime(der, next) };
  } catch {
    throw new SettingError(CRL, `holds a CRL (number ${index + 1}) that cannot be read`);
  }
}

/** The subject's name in DER (RFC 5280 section 4.1): [version], serial, signature, issuer, validity, subject. */
function nameOf(certificate: X509Certificate): Buffer {
  const fields = signedFields(certificate.raw, 6);
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  return certificate.raw.subarray(subject?.from, subject?.end);
}

/** The first fields of what is signed, in a certificate or CRL: SEQUENCE { SEQUENCE { fields }, ... }. */
function signedFields(der: Buffer, count: number): DerValue[] {
  const outer = derValues(der).next().value;
  const signed = outer && derWithin(der, outer, 1)[0];
  return signed ? derWithin(der, signed, count) : [];
}

function tryOut(trust: { ca: string; crl: string[] | undefined }): void {
  try {
    createSecureContext(trust);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(trust.crl ? CRL : CA, `cannot be used, says OpenSSL: ${reason}`);
  }
}
