import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

const HOUR = 3_600_000;

/** Validity of a certificate made for the day, on both sides of its making. Milliseconds. */
const VALID = { before: HOUR, after: 48 * HOUR } as const;

/** When it is to be replaced: sessions that began before live on with it, for 12 hours by default. Milliseconds. */
export const RENEWED_AFTER = 24 * HOUR;

const COMMON_NAME = '2.5.4.3';
const ECDSA_SHA256 = '1.2.840.10045.4.3.2';

/** A certificate that signs itself, and its key, in PEM. */
export interface SelfSigned {
  readonly cert: string;
  readonly key: string;
  readonly leaf: X509Certificate;
}

/**
 * Makes a self-signed certificate for a server (RFC 5280): ECDSA on P-256, CN localhost, valid for two days.
 * @param names DNS names and IP addresses of its subjectAltName
 * @param now milliseconds
 */
export async function selfSigned(names: readonly string[], now: number): Promise<SelfSigned> {
  // Only here: it costs some 40 ms and 5 MiB, which whoever brings a certificate need not pay.
  const [x509, { AsnConvert, OctetString }] = await Promise.all([
    import('@peculiar/asn1-x509'),
    import('@peculiar/asn1-schema'),
  ]);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: ECDSA_SHA256 });
  const commonName = new x509.AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new x509.AttributeValue({ utf8String: 'localhost' }),
  });
  const name = new x509.Name([new x509.RelativeDistinguishedName([commonName])]);
  const extension = (extnID: string, value: unknown, critical = false) =>
    new x509.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  const alternatives = names.map(
    (each) => new x509.GeneralName(isIP(each) ? { iPAddress: each } : { dNSName: each }),
  );
  const signed = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer: name,
    subject: name,
    validity: new x509.Validity({
      notBefore: new Date(now - VALID.before),
      notAfter: new Date(now + VALID.after),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, x509.SubjectPublicKeyInfo),
    extensions: new x509.Extensions([
      extension(x509.id_ce_basicConstraints, new x509.BasicConstraints({ cA: false }), true),
      extension(x509.id_ce_keyUsage, new x509.KeyUsage(x509.KeyUsageFlags.digitalSignature), true),
      extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage([x509.id_kp_serverAuth])),
      extension(x509.id_ce_subjectAltName, new x509.SubjectAlternativeName(alternatives)),
      extension(
        x509.id_ce_subjectKeyIdentifier,
        new x509.SubjectKeyIdentifier(bytes(createHash('sha1').update(spki).digest())),
      ),
    ]),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(signed)), privateKey);
  const certificate = new x509.Certificate({
    tbsCertificate: signed,
    signatureAlgorithm: algorithm,
    signatureValue: bytes(signature),
  });
  const leaf = new X509Certificate(Buffer.from(AsnConvert.serialize(certificate)));
  return { cert: String(leaf), key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), leaf };
}

/** 16 random bytes, positive and without a leading zero, as DER wants an integer. */
function serialNumber(): ArrayBuffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return bytes(serial);
}

/** The very bytes of a buffer: small ones lie in a pool with others. */
function bytes(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}
