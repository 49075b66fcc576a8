import type { Socket } from 'node:net';
import type { ResumePolicy } from '../../config.ts';
import { verifiedCertificate } from './client-certificate.ts';
import { readClientHello } from './client-hello.ts';
import { DataTls } from './data-tls.ts';
import { HandshakeError, type HandshakeFailure, handshake } from './handshake.ts';
import type { SessionTls } from './session-tls.ts';

/**
 * Why a data connection is not secured.
 *
 * - `closed`: by the client, before its handshake; `failed`: no TLS, or none that both sides speak; `timeout`: none in
 *   time; `aborted`: the transfer was cut
 * - `not-resumed`: it does not resume this session, as it must
 * - `ambiguous`: several connections came, and none proves whose it is
 * - `certificate`: it lacks the control connection's client certificate
 */
export type DataTlsFailure = HandshakeFailure | 'not-resumed' | 'ambiguous' | 'certificate';

/** A data connection could not be secured, or not proven to be the session's own. */
export class DataTlsError extends Error {
  override readonly name = 'DataTlsError';
  readonly failure: DataTlsFailure;
  constructor(failure: DataTlsFailure, options?: ErrorOptions) {
    super(`the data connection is not secured: ${failure}`, options);
    this.failure = failure;
  }
}

/** How the data connections of a transfer are secured. */
export interface DataTlsOptions {
  readonly session: SessionTls;
  readonly resume: ResumePolicy;
  /** The client sends: see UploadTransport. */
  readonly receives: boolean;
  /** Milliseconds for each handshake. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/**
 * Makes TLS on the connections that came for one transfer, and finds the one that is the session's own: whoever
 * resumes has been in this session. A client that cannot always resume is served all the same (`accept`), but not
 * where somebody else connected, too. All but the one that is returned are reset.
 * @param others calls back for each connection that comes besides the first, until this settles
 * @throws DataTlsError
 */
export async function secureData(
  first: Socket,
  others: (take: (socket: Socket) => void) => void,
  options: DataTlsOptions,
): Promise<DataTls> {
  const { promise, resolve, reject } = Promise.withResolvers<DataTls>();
  const raws: Socket[] = [];
  const secured: Secured[] = [];
  let pending = 0;
  let failure: unknown;
  const decide = () => {
    const resumed = secured.find(({ tls }) => tls.isSessionReused());
    if (resumed) {
      options.session.resumed(resumed.tls.getProtocol(), resumed.ticket);
      return resolve(resumed.tls);
    }
    if (pending > 0) return;
    const [only, other] = secured;
    if (!only) reject(failure);
    else if (options.session.resumes || options.resume === 'require') reject(new DataTlsError('not-resumed'));
    else if (other) reject(new DataTlsError('ambiguous'));
    else resolve(only.tls);
  };
  const take = (raw: Socket) => {
    raws.push(raw);
    pending++;
    secureOne(raw, options)
      .then(
        (one) => secured.push(one),
        (error) => {
          failure = error;
        },
      )
      .then(() => {
        pending--;
        decide();
      }, reject);
  };
  take(first);
  others(take);
  let chosen: DataTls | undefined;
  try {
    chosen = await promise;
    return chosen;
  } finally {
    for (const raw of raws) if (!chosen?.isOver(raw)) raw.resetAndDestroy();
  }
}

interface Secured {
  readonly tls: DataTls;
  /** What it offered to resume; empty where it offered nothing. */
  readonly ticket: Buffer;
}

/** @throws DataTlsError; the connection is then destroyed */
async function secureOne(raw: Socket, options: DataTlsOptions): Promise<Secured> {
  const { session, resume, receives, timeout, signal } = options;
  const started = performance.now();
  try {
    const { ticket = Buffer.alloc(0) } = await helloOf(raw, options);
    const secureContext = session.dataContext(resume);
    const tls = new DataTls(raw, {
      secureContext,
      requestCert: session.certificate !== undefined,
      rejectUnauthorized: session.certificate !== undefined,
      receives,
    });
    const left = Math.max(1, timeout - (performance.now() - started));
    await handshake(tls, { timeout: left, signal }).finally(() => session.settled(secureContext));
    if (session.certificate && !isSame(tls, session)) throw new DataTlsError('certificate');
    return { tls, ticket };
  } catch (error) {
    raw.on('error', () => {});
    raw.destroy();
    if (error instanceof HandshakeError) throw new DataTlsError(error.reason, { cause: error });
    throw error;
  }
}

function isSame(tls: DataTls, { certificate }: SessionTls): boolean {
  return verifiedCertificate(tls, () => {})?.fingerprint === certificate?.fingerprint;
}

/** @throws DataTlsError */
async function helloOf(raw: Socket, { timeout, signal }: DataTlsOptions) {
  const { promise: given, resolve } = Promise.withResolvers<DataTlsFailure>();
  const timer = setTimeout(resolve, timeout, 'timeout');
  const onAbort = () => resolve('aborted');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const hello = await Promise.race([readClientHello(raw), given]);
    if (typeof hello !== 'object') throw new DataTlsError(hello === 'foreign' ? 'failed' : hello);
    return hello;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
