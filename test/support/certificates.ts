import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';

const DAY = 86_400_000;
const ALGORITHM = new x509.AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' });

/** A certificate and its key, both PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is to be. */
export interface Wanted {
  /** DNS names and IP addresses; `localhost` and `127.0.0.1` unless given. */
  readonly names?: readonly string[];
  /** Days from now at which it begins and ends; -1 and 90 unless given. */
  readonly days?: readonly [number, number];
  readonly ca?: boolean;
  /** With an RSA key of 1,024 bits, which OpenSSL takes for too short. */
  readonly weak?: boolean;
}

/** A certificate authority that signs (ECDSA, P-256). */
export interface Authority extends Issued {
  /** A certificate with a key of its own. */
  issue(commonName: string, wanted?: Wanted): Issued;
  /** An authority below this one. */
  authority(commonName: string): Authority;
  /** A CRL in PEM that revokes these, to be replaced after so many days; 30 unless given. */
  revoke(certificates: readonly Issued[], days?: number): string;
}

/** A new authority that signs itself. */
export function makeAuthority(commonName: string): Authority {
  const keys = newKeys();
  return authorityOf(
    sealed(commonName, keys.spki, { ca: true }, { subject: nameOf(commonName), key: keys.key }),
    keys.key,
  );
}

interface Signer {
  readonly subject: x509.Name;
  readonly key: string;
}

function authorityOf(cert: string, key: string): Authority {
  const { subject } = AsnConvert.parse(new X509Certificate(cert).raw, x509.Certificate).tbsCertificate;
  const signer = { subject, key };
  const issue = (commonName: string, wanted: Wanted = {}) => {
    const keys = newKeys(wanted.weak);
    return { cert: sealed(commonName, keys.spki, wanted, signer), key: keys.key };
  };
  return {
    cert,
    key,
    issue,
    authority(commonName) {
      const below = issue(commonName, { ca: true });
      return authorityOf(below.cert, below.key);
    },
    revoke: (certificates, days = 30) => crl(certificates, days, signer),
  };
}

function newKeys(weak = false) {
  const { publicKey, privateKey } = weak
    ? generateKeyPairSync('rsa', { modulusLength: 1024 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    spki: publicKey.export({ type: 'spki', format: 'der' }),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

function nameOf(commonName: string): x509.Name {
  const value = new x509.AttributeValue({ utf8String: commonName });
  return new x509.Name([
    new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type: '2.5.4.3', value })]),
  ]);
}

function sealed(commonName: string, spki: Buffer, wanted: Wanted, signer: Signer): string {
  const { names = ['localhost', '127.0.0.1'], days = [-1, 90], ca = false } = wanted;
  const [from, to] = days.map((day) => new Date(Date.now() + day * DAY)) as [Date, Date];
  const extension = (extnID: string, value: unknown, critical: boolean) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
  const alternatives = names.map(
    (name) => new x509.GeneralName(isIP(name) ? { iPAddress: name } : { dNSName: name }),
  );
  const tbs = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: serial(),
    signature: ALGORITHM,
    issuer: signer.subject,
    subject: nameOf(commonName),
    validity: new x509.Validity({ notBefore: from, notAfter: to }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions([
      extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: ca }), true),
      extension(x509.id_ce_keyUsage, new x509.KeyUsage(ca ? keyCertSign | cRLSign : digitalSignature), true),
      ...(ca
        ? []
        : [extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(alternatives), false)]),
    ]),
  });
  const certificate = new x509.Certificate({
    tbsCertificate: tbs,
    signatureAlgorithm: ALGORITHM,
    signatureValue: signature(AsnConvert.serialize(tbs), signer.key),
  });
  return String(new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))));
}

function crl(certificates: readonly Issued[], days: number, signer: Signer): string {
  const now = Date.now();
  const revoked = certificates.map(
    ({ cert }) =>
      new x509.RevokedCertificate({
        userCertificate: bytes(Buffer.from(new X509Certificate(cert).serialNumber, 'hex')),
        revocationDate: new x509.Time(new Date(now - DAY)),
      }),
  );
  const tbs = new x509.TBSCertList({
    version: x509.Version.v2,
    signature: ALGORITHM,
    issuer: signer.subject,
    thisUpdate: new x509.Time(new Date(now - 60 * DAY)),
    nextUpdate: new x509.Time(new Date(now + days * DAY)),
    // An empty SEQUENCE is not allowed (RFC 5280 section 5.1.2.6).
    ...(revoked.length > 0 && { revokedCertificates: revoked }),
  });
  const list = new x509.CertificateList({
    tbsCertList: tbs,
    signatureAlgorithm: ALGORITHM,
    signature: signature(AsnConvert.serialize(tbs), signer.key),
  });
  const base64 = Buffer.from(AsnConvert.serialize(list)).toString('base64');
  return `-----BEGIN X509 CRL-----\n${base64.replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END X509 CRL-----\n`;
}

function signature(signed: ArrayBuffer, key: string): ArrayBuffer {
  return bytes(sign('sha256', Buffer.from(signed), createPrivateKey(key)));
}

function serial(): ArrayBuffer {
  return bytes(Buffer.concat([Buffer.of(0x40), randomBytes(8)]));
}

function bytes(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}
