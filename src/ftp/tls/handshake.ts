import type { TLSSocket } from 'node:tls';

/** `closed`: the client ended or reset the connection; `failed`: both sides could not agree. */
export type HandshakeFailure = 'closed' | 'failed' | 'timeout' | 'aborted';

/** Why a handshake did not come about. `cause` holds OpenSSL's error where there was one. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
  readonly reason: HandshakeFailure;
  constructor(reason: HandshakeFailure, options?: ErrorOptions) {
    super(`no TLS handshake: ${reason}`, options);
    this.reason = reason;
  }
}

/**
 * Waits for the handshake of a server's socket, which is destroyed where it fails. No listener stays.
 * @param timeout milliseconds
 * @throws HandshakeError
 */
export async function handshake(
  tls: TLSSocket,
  { timeout, signal }: { timeout: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: HandshakeFailure, cause?: unknown) => reject(new HandshakeError(reason, { cause }));
  const onError = (error: NodeJS.ErrnoException) =>
    fail(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'closed' : 'failed', error);
  const onClose = () => fail('closed');
  const onAbort = () => fail('aborted');
  const timer = setTimeout(fail, timeout, 'timeout');
  tls.once('secure', resolve).on('error', onError).on('end', onClose).on('close', onClose);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    await promise;
    // SSL_OP_NO_RENEGOTIATION lets it fail; this ends the connection, too.
    tls.disableRenegotiation();
  } catch (error) {
    // What is destroyed may have an error to tell yet.
    tls.on('error', () => {});
    tls.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    tls.off('secure', resolve).off('error', onError).off('end', onClose).off('close', onClose);
    signal?.removeEventListener('abort', onAbort);
  }
}
