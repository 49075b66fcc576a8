import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { Config, ResumePolicy } from '../../config.ts';
import type { PresentedCertificate } from './client-certificate.ts';
import { sessionContext, type TlsCredentials } from './credentials.ts';

/** Tickets that are remembered: a handshake gives two. */
const MOST_USED = 64;

/** TLS of one session: its context, and what its client has shown so far. */
export class SessionTls {
  /** The client's certificate on the control connection, verified. */
  certificate: PresentedCertificate | undefined;
  /** The client has shown that all its data connections can resume. */
  resumes = false;
  /** The client has sent a close_notify on a data connection: where it is missing, something broke. */
  notifies = false;
  /** Digests of the tickets of TLS 1.3 that were resumed. */
  readonly #used = new Set<string>();
  readonly #context: SecureContext;
  readonly #credentials: TlsCredentials;
  readonly #config: Config;
  #closed = false;

  /** @throws what OpenSSL says of credentials that are wrong */
  constructor(credentials: TlsCredentials, config: Config) {
    this.#credentials = credentials;
    this.#config = config;
    this.#context = this.#newContext();
  }

  /** Of the control connection. */
  get context(): SecureContext {
    // With a released one Node would not throw, but end the process.
    if (this.#closed) throw new Error('the session is over');
    return this.#context;
  }

  /**
   * A data connection has resumed. OpenSSL's clients use a ticket of TLS 1.3 once (RFC 8446 C.4), and then have none
   * left: only who uses one again can always resume.
   */
  resumed(version: string | null, ticket: Buffer): void {
    const digest = createHash('sha256').update(ticket).digest('base64');
    if (version !== 'TLSv1.3' || this.#used.has(digest)) this.resumes = true;
    if (this.#used.size < MOST_USED) this.#used.add(digest);
  }

  /** The context of a data connection: the session's, unless nothing is to be resumed. */
  dataContext(resume: ResumePolicy): SecureContext {
    return resume === 'off' ? this.#newContext() : this.context;
  }

  /** The handshake with a context of `dataContext` is over. */
  settled(context: SecureContext): void {
    if (context !== this.#context) release(context);
  }

  /** The session is over. */
  close(): void {
    this.#closed = true;
    release(this.#context);
  }

  #newContext(): SecureContext {
    return sessionContext(this.#credentials, this.#config.tls, this.#config.times.session);
  }
}

/**
 * Lets go of OpenSSL's part of a context, 31 KiB of which V8 knows one: left to the garbage collector, hundreds of MiB
 * wait for it while strangers come and go. Connections made with it hold what they need.
 */
function release(context: SecureContext): void {
  // Beyond Node's documented surface; without it the garbage collector has to do.
  (context.context as { close?(): void }).close?.();
}
