import { createPrivateKey, X509Certificate } from 'node:crypto';
import { vi } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { openCertificates } from '../../src/ops/certificates.ts';
import type { Versioned } from '../../src/ops/file-source.ts';
import { openLog } from '../../src/ops/log.ts';
import type { Source } from '../../src/setting-values.ts';
import type { Issued } from './certificates.ts';

/** Milliseconds between two readings of a secret. */
export const REFRESH = 60_000;

/**
 * Certificates whose sources are the texts of `store`, by path or ARN; an Error is thrown at the reader.
 * @param settings by the ends of their names: `CERT` is FERRY_TLS_CERT
 * @param watch milliseconds between two looks, where a test is about days
 */
export function opened(
  settings: Record<string, string>,
  store: Record<string, string | Error>,
  watch?: number,
) {
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const reads: string[] = [];
  const read = async (source: Source): Promise<Versioned> => {
    const name = source.kind === 'file' ? source.path : source.id;
    reads.push(name);
    const text = store[name] ?? Object.assign(new Error(`no ${name}`), { code: 'ENOENT' });
    if (text instanceof Error) throw text;
    return { text, version: text };
  };
  const named = Object.entries(settings).map(([name, value]) => [`FERRY_TLS${name && `_${name}`}`, value]);
  const { tls } = parseEnvironment({ FERRY_BUCKET: 'files', ...Object.fromEntries(named) });
  const certificates = openCertificates(tls, { read, log, refresh: REFRESH, host: '127.0.0.1', watch });
  const lines = () => records.map(({ setting, reason, message }) => [setting, reason ?? message]);
  return { certificates, store, records, reads, lines, [Symbol.dispose]: () => certificates.close() };
}

/** Lets the files be looked at so many times. */
export const looks = (times: number) => vi.advanceTimersByTimeAsync(2000 * times);

/** Settings for `pairOf` a certificate. */
export const PAIR = { CERT: 'file:cert', KEY: 'file:key' };
/** What the sources of `PAIR` hold. */
export const pairOf = ({ cert, key }: Issued) => ({ cert, key });
/** Subjects of the certificates in a PEM. */
export const commonNames = (pem = '') =>
  (pem.match(/-----BEGIN.*?END CERTIFICATE-----/gs) ?? []).map((each) => new X509Certificate(each).subject);

/** What `lines` has of a pair that was taken. */
export const TAKEN = [undefined, 'this certificate is used for new connections'];
/** The key as an object. */
export const keyOf = (pair: Issued) => createPrivateKey(pair.key);
