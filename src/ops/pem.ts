/** What a file or secret holds for TLS, each part as one block of PEM (RFC 7468). */
export interface PemParts {
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
  /** Certificate revocation lists. */
  readonly crls: readonly string[];
  /** Of an encrypted key. Only JSON can carry it. */
  readonly passphrase: string | undefined;
}

/**
 * Takes PEM blocks, in any order and with any text around them, out of a text; or out of the strings of a JSON
 * object, under whatever names: ACM's ExportCertificate answers `Certificate`, `CertificateChain` and `PrivateKey`,
 * and those who keep it in a secret choose their own. A field with `pass` in its name is the key's passphrase.
 * @returns undefined if the text begins as JSON but is none
 */
export function pemParts(text: string): PemParts | undefined {
  const texts: string[] = [];
  let passphrase: string | undefined;
  if (/^\s*[{[]/.test(text)) {
    try {
      JSON.parse(text, (name, value: unknown) => {
        if (typeof value !== 'string') return value;
        if (/pass/i.test(name)) passphrase = value;
        else texts.push(value);
        return value;
      });
    } catch {
      // The error's own words would quote the text, and with it a key.
      return undefined;
    }
  } else texts.push(text);
  const blocks = texts.flatMap(blocksOf);
  const labelled = (label: RegExp) => blocks.filter((block) => label.test(block.label)).map(({ pem }) => pem);
  return {
    certificates: labelled(/^(X509 |TRUSTED )?CERTIFICATE$/),
    keys: labelled(/PRIVATE KEY$/),
    crls: labelled(/^X509 CRL$/),
    passphrase,
  };
}

interface Block {
  readonly label: string;
  readonly pem: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----/gs;

/**
 * Line ends are put right: the console of Secrets Manager turns those of a pasted key into blanks, and JSON made by
 * hand writes them as `\n` twice escaped.
 */
function blocksOf(text: string): Block[] {
  return [...text.replaceAll(/\\r|\\n/g, '\n').matchAll(BLOCK)].map(([, label = '', body = '']) => {
    // A legacy encrypted key has headers, which need their lines (RFC 1421).
    const lines = body.includes(':')
      ? body.trim()
      : (body.replaceAll(/\s+/g, '').match(/.{1,64}/g) ?? []).join('\n');
    return { label, pem: `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n` };
  });
}
