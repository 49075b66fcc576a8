import type { SecureContext } from 'node:tls';
import type { Config, ResumePolicy } from '../../config.ts';
import type { PresentedCertificate } from './client-certificate.ts';
import { sessionContext, type TlsCredentials } from './credentials.ts';

/** TLS of one session: its context, and what its client has shown so far. */
export class SessionTls {
  /** The client's certificate on the control connection, verified. */
  certificate: PresentedCertificate | undefined;
  /** The client has resumed on a data connection, or tried to: so all its data connections can. */
  resumes = false;
  /** The client has sent a close_notify on a data connection: where it is missing, something broke. */
  notifies = false;
  /** Of the control connection. */
  readonly context: SecureContext;
  readonly #credentials: TlsCredentials;
  readonly #config: Config;

  /** @throws what OpenSSL says of credentials that are wrong */
  constructor(credentials: TlsCredentials, config: Config) {
    this.#credentials = credentials;
    this.#config = config;
    this.context = this.#newContext();
  }

  /** The context of a data connection: the session's, unless nothing is to be resumed. */
  dataContext(resume: ResumePolicy): SecureContext {
    return resume === 'off' ? this.#newContext() : this.context;
  }

  #newContext(): SecureContext {
    return sessionContext(this.#credentials, this.#config.tls, this.#config.times.session);
  }
}
