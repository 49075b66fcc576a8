import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../identity/identity.ts';
import type { Log } from '../ops/log.ts';
import type { SessionContext } from './context.ts';
import type { ControlChannel } from './control.ts';
import { connectEndpoint, type Endpoint } from './endpoint.ts';
import type { Login } from './state.ts';
import { verifiedCertificate } from './tls/client-certificate.ts';
import { secureData } from './tls/data-choice.ts';
import type { DataEnding, DataTls } from './tls/data-tls.ts';
import { DetachableTls, DetachableTransport } from './tls/detachable-transport.ts';
import { handshake } from './tls/handshake.ts';
import { stricterResume } from './tls/policy.ts';
import { SessionTls } from './tls/session-tls.ts';
import type { Transfer } from './transfer.ts';

/** The client may not go on: it had to show a certificate, and showed none that counts. */
export class NoCertificateError extends Error {
  override readonly name = 'NoCertificateError';
}

/** TLS of one session, on its control connection and on its data connections (RFC 4217). */
export class Security {
  readonly #context: SessionContext;
  readonly #control: ControlChannel;
  readonly #log: Log;
  /** From AUTH on, also after CCC. */
  #tls: SessionTls | undefined;
  #socket: TLSSocket | undefined;
  /** Below TLS of the control connection. */
  #transport: DetachableTransport | undefined;

  constructor(control: ControlChannel, context: SessionContext, log: Log) {
    this.#control = control;
    this.#context = context;
    this.#log = log;
  }

  /** Whether AUTH would be served now, or has been. */
  get available(): boolean {
    const { config, tls } = this.#context;
    return this.begun || (config.tls.policy !== 'off' && tls?.current !== undefined);
  }

  /** Whether AUTH came, or TLS was implicit; CCC does not change that. */
  get begun(): boolean {
    return this.#tls !== undefined;
  }

  /** Whether the control connection is in TLS now. */
  get controlProtected(): boolean {
    return this.#socket !== undefined;
  }

  /** Of the control connection now, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  get description(): string | undefined {
    return this.#socket && `${this.#socket.getProtocol()} ${this.#socket.getCipher().name}`;
  }

  /** The client's certificate, verified. */
  get certificate(): ClientCertificate | undefined {
    const certificate = this.#tls?.certificate;
    return certificate && { commonName: certificate.commonName, publicKey: certificate.publicKey };
  }

  /** Makes what the session needs for TLS. @returns false where there is no certificate now */
  prepare(): boolean {
    const { config, tls } = this.#context;
    const { current } = tls ?? {};
    if (!current) return false;
    try {
      this.#tls = new SessionTls(current, config);
    } catch (error) {
      this.#log.error({ event: 'fault', err: error }, 'the certificate cannot be used');
    }
    return this.#tls !== undefined;
  }

  /** The session is over. */
  close(): void {
    this.#tls?.close();
  }

  /**
   * Puts TLS on the control connection, as prepared.
   * @throws HandshakeError; the connection is then gone
   * @throws NoCertificateError when the client can still be told
   */
  async secureControl(): Promise<void> {
    const { config } = this.#context;
    const tls = this.#tls;
    if (!tls) throw new Error('prepare() comes first');
    const { clients } = config.tls;
    await this.#control.rewire((plain) => {
      this.#transport = new DetachableTransport(plain);
      this.#socket = new DetachableTls(this.#transport, {
        isServer: true,
        secureContext: tls.context,
        requestCert: clients !== 'off',
        rejectUnauthorized: clients === 'required',
      });
      return this.#socket;
    });
    if (!this.#socket) return;
    await handshake(this.#socket, { timeout: config.times.handshake });
    if (clients !== 'off')
      tls.certificate = verifiedCertificate(this.#socket, (reason) =>
        this.#log.info({ event: 'refused', what: 'client certificate', reason }),
      );
    if (clients === 'required' && !tls.certificate) throw new NoCertificateError();
  }

  /** Ends TLS on the control connection, and goes on in clear (CCC, RFC 4217 section 12.3). */
  async clearControl(): Promise<void> {
    const transport = this.#transport;
    if (!transport) return;
    await this.#control.rewire(() => transport.detach(this.#context.config.times.handshake));
    this.#socket = undefined;
    this.#transport = undefined;
  }

  /**
   * Makes a data connection in TLS: the session's own, as far as that can be told.
   * @throws DataConnectionError, DataTlsError
   */
  async openData(endpoint: Endpoint, transfer: Transfer, receives: boolean, login: Login): Promise<DataTls> {
    const { tls: settings, times } = this.#context.config;
    const session = this.#tls;
    if (!session) throw new Error('AUTH comes first');
    const { signal } = transfer;
    const first = await connectEndpoint(endpoint, times.connect, signal);
    const reservation = endpoint.mode === 'passive' ? endpoint.reservation : undefined;
    try {
      return await secureData(first, (take) => reservation?.others(take), {
        session,
        resume: stricterResume(settings.resume, login.identity.resume),
        receives,
        timeout: times.handshake,
        signal,
      });
    } finally {
      reservation?.settle();
    }
  }

  /**
   * What an upload's end says, and whether a FIN without close_notify means that it broke.
   * @param ending undefined for a data connection in clear
   */
  evidence(ending: DataEnding | undefined): { data: 'fin' | DataEnding; notifies: boolean } {
    const notifies = this.#tls?.notifies === true || this.#context.config.tls.closeNotify === 'require';
    if (this.#tls && ending === 'close-notify') this.#tls.notifies = true;
    return { data: ending ?? 'fin', notifies };
  }
}
