import { X509Certificate } from 'node:crypto';
import type { Config } from '../config.ts';
import { type CertificatePair, certificatePair, subjectOf } from './certificate-pair.ts';
import { type ClientTrust, clientTrust } from './client-trust.ts';
import type { Log } from './log.ts';
import { RENEWED_AFTER, type SelfSigned, selfSigned } from './self-signed.ts';
import { type ReadSource, WatchedSettings } from './watched-settings.ts';

/** How often files are looked at. Milliseconds. */
const WATCH = 2000;

/** When another certificate is tried to be made where none could be. Milliseconds. */
const MAKE_AGAIN = 60_000;

const DAY = 86_400_000;

/** How long before its end a certificate is spoken of, once a day. Milliseconds. */
const NOTICE = 14 * DAY;

/** Listen addresses that no client connects to. */
const ANY_ADDRESS = new Set(['0.0.0.0', '::']);

/** What a new TLS connection is served with. Another object whenever any of it has changed. */
export interface TlsMaterial {
  /** Certificate and chain, PEM. */
  readonly cert: string;
  /** Private key, PEM, not encrypted. */
  readonly key: string;
  /** CAs of client certificates, PEM; undefined: clients are not asked for any. */
  readonly ca?: string | undefined;
  /** CRLs, each a PEM of its own: of several in one string Node reads the first only. */
  readonly crl?: string[] | undefined;
}

/** What the server's certificate, and the client certificates that it trusts, are at the moment. */
export interface Certificates {
  /** Undefined: TLS cannot be offered now (AUTH answers 431), or is off. */
  readonly current: TlsMaterial | undefined;
  /** Where the certificate comes from; `off`: TLS is. */
  readonly origin: 'off' | 'self-signed' | 'configured';
  /** Days until the certificate ends; undefined without one of the configuration. */
  daysLeft(): number | undefined;
  /** Reads all, and from then on again and again. Never rejects: what is wrong is logged and looked at again. */
  start(): Promise<void>;
  close(): void;
}

/** What `openCertificates` needs besides the settings. */
export interface CertificatesOptions {
  readonly read: ReadSource;
  readonly log: Log;
  /** Milliseconds between two readings of a secret. */
  readonly refresh: number;
  /** Listen address, for the certificate that is made where none is configured. */
  readonly host: string;
  /** Milliseconds between two looks at files; 2 seconds unless given. */
  readonly watch?: number | undefined;
}

/** Certificate, key, client CAs and CRLs as configured, kept up to date from `start` to `close`. */
export function openCertificates(tls: Config['tls'], options: CertificatesOptions): Certificates {
  return new WatchedCertificates(tls, options);
}

class WatchedCertificates implements Certificates {
  readonly origin: Certificates['origin'];
  readonly #options: CertificatesOptions;
  readonly #closed = new AbortController();
  readonly #pair: WatchedSettings<CertificatePair> | undefined;
  readonly #trust: WatchedSettings<ClientTrust> | undefined;
  #made: SelfSigned | undefined;
  /** When the next one is to be made for the day. Milliseconds. */
  #makeAt = 0;
  #current: TlsMaterial | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the certificate's end was last told, and the CRL's. Milliseconds. */
  #told = { certificate: Number.NEGATIVE_INFINITY, crl: Number.NEGATIVE_INFINITY };

  constructor(tls: Config['tls'], options: CertificatesOptions) {
    this.#options = options;
    const { certificate, key, clients, clientCa, crl } = tls;
    this.origin = tls.policy === 'off' ? 'off' : certificate ? 'configured' : 'self-signed';
    if (this.origin === 'off') return;
    const { read, log, refresh } = options;
    const common = { read, log, refresh, closed: this.#closed.signal };
    if (certificate)
      this.#pair = new WatchedSettings({
        ...common,
        sources: { FERRY_TLS_CERT: certificate, FERRY_TLS_KEY: key },
        check: (texts) => certificatePair(texts.FERRY_TLS_CERT ?? '', texts.FERRY_TLS_KEY),
        onTaken: (pair) => this.#pairTaken(pair),
      });
    if (clients !== 'off')
      this.#trust = new WatchedSettings({
        ...common,
        sources: { FERRY_TLS_CLIENT_CA: clientCa, FERRY_TLS_CRL: crl },
        check: (texts) => clientTrust(texts.FERRY_TLS_CLIENT_CA ?? '', texts.FERRY_TLS_CRL),
        onTaken: (trust) => this.#trustTaken(trust),
      });
  }

  get current(): TlsMaterial | undefined {
    return this.#current;
  }

  daysLeft(): number | undefined {
    if (this.origin !== 'configured' || !this.#current) return undefined;
    const ends = new X509Certificate(this.#current.cert).validToDate;
    return Math.floor((ends.getTime() - Date.now()) / DAY);
  }

  async start(): Promise<void> {
    if (this.origin === 'off') return;
    if (this.origin === 'self-signed' && Date.now() >= this.#makeAt) await this.#makeForTheDay();
    await this.#pair?.look();
    await this.#trust?.look();
    if (this.#closed.signal.aborted) return;
    this.#renew();
    this.#remind();
    this.#timer = setTimeout(() => void this.start(), this.#options.watch ?? WATCH).unref();
  }

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  /** Nobody is served by half of it: without the CAs that are asked for there is no certificate either. */
  #renew(): void {
    const pair = this.#pair ? this.#pair.value : this.#made;
    const trust = this.#trust?.value;
    if (!pair || (this.#trust && !trust)) return;
    const { cert, key } = pair;
    const next: TlsMaterial = { cert, key, ca: trust?.ca, crl: trust?.crl };
    const fields = ['cert', 'key', 'ca', 'crl'] as const;
    if (fields.some((field) => next[field] !== this.#current?.[field])) this.#current = next;
  }

  async #makeForTheDay(): Promise<void> {
    const now = Date.now();
    const { host, log } = this.#options;
    const [address = ''] = host.split('%');
    const names = ['localhost', '127.0.0.1', '::1', address].filter((each) => !ANY_ADDRESS.has(each));
    try {
      this.#made = await selfSigned([...new Set(names)], now);
      this.#makeAt = now + RENEWED_AFTER;
    } catch (err) {
      this.#makeAt = now + MAKE_AGAIN;
      return log.error({ event: 'fault', err }, 'no certificate could be made for the day');
    }
    const { leaf } = this.#made;
    log.info(
      { event: 'certificate', fingerprint: leaf.fingerprint256, ends: leaf.validToDate.toISOString() },
      'a self-signed certificate was made for the day; clients can only know it by its fingerprint (SHA-256)',
    );
  }

  #pairTaken({ leaf, strangers }: CertificatePair): void {
    const { log } = this.#options;
    this.#told.certificate = Number.NEGATIVE_INFINITY;
    log.info(
      { event: 'certificate', ...shown(leaf), fingerprint: leaf.fingerprint256 },
      'this certificate is used for new connections',
    );
    if (leaf.validFromDate.getTime() > Date.now())
      log.warn(
        { event: 'certificate', setting: 'FERRY_TLS_CERT', begins: leaf.validFromDate.toISOString() },
        'the certificate is not valid yet: clients will refuse it',
      );
    if (strangers.length > 0)
      log.warn(
        { event: 'certificate', setting: 'FERRY_TLS_CERT', subjects: strangers },
        'certificates that do not belong to the chain are not sent',
      );
  }

  #trustTaken({ unlisted }: ClientTrust): void {
    this.#told.crl = Number.NEGATIVE_INFINITY;
    if (unlisted.length > 0)
      this.#options.log.warn(
        { event: 'certificate', setting: 'FERRY_TLS_CRL', subjects: unlisted },
        'there is no CRL of these CAs: all client certificates below them are refused',
      );
  }

  /** Speaks of what ends soon or has ended: of a certificate once a day, of a CRL once. */
  #remind(): void {
    const { log } = this.#options;
    const now = Date.now();
    const leaf = this.#pair?.value?.leaf;
    const left = leaf ? leaf.validToDate.getTime() - now : Number.POSITIVE_INFINITY;
    if (leaf && left < NOTICE && now >= this.#told.certificate + DAY) {
      this.#told.certificate = now;
      const fields = { event: 'certificate', setting: 'FERRY_TLS_CERT', ...shown(leaf) };
      if (left <= 0) log.error(fields, 'the certificate has ended: clients will refuse it');
      else log.warn({ ...fields, days: Math.floor(left / DAY) }, 'the certificate ends soon');
    }
    const ends = this.#trust?.value?.crlEnds;
    if (ends && ends.getTime() <= now && this.#told.crl === Number.NEGATIVE_INFINITY) {
      this.#told.crl = now;
      log.warn(
        { event: 'certificate', setting: 'FERRY_TLS_CRL', ended: ends.toISOString() },
        'a CRL has ended (nextUpdate): all client certificates that it covers are refused',
      );
    }
  }
}

function shown(leaf: X509Certificate) {
  return { subject: subjectOf(leaf), names: leaf.subjectAltName, ends: leaf.validToDate.toISOString() };
}
