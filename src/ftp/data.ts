import type { Socket } from 'node:net';
import { readDirectly, redirect } from './direct-read.ts';
import type { Pace } from './pace.ts';
import { DataTls } from './tls/data-tls.ts';

/** How a data connection ended before its time. */
export type DataFailure = 'reset' | 'stalled' | 'aborted';

/** A data connection broke; a transfer answers 426. `aborted` carries the reason as its cause. */
export class DataBrokenError extends Error {
  override readonly name = 'DataBrokenError';
  readonly failure: DataFailure;
  constructor(failure: DataFailure, options?: ErrorOptions) {
    super(`the data connection was ${failure}`, options);
    this.failure = failure;
  }
}

export interface TransferOptions {
  /** Milliseconds without a byte after which the connection counts as stalled. */
  readonly stall: number;
  /** Aborted: the connection is cut at once. */
  readonly signal: AbortSignal;
  /** Told of every portion that went over the connection. */
  readonly onBytes: (bytes: number) => void;
  /** How fast bytes may come from the client; undefined: no limit. */
  readonly upload?: Pace | undefined;
  /** How fast bytes may go to the client; undefined: no limit. */
  readonly download?: Pace | undefined;
}

/** How long a finished connection may take to be closed by the client before it is let go. */
const LINGER = 10_000;

/**
 * Where bytes land that come before the next buffer is there. One for all: a read and the callback that copies
 * them out are one step.
 */
const SPILL = Buffer.allocUnsafeSlow(65_536);

/** Bytes of one read at the most. */
const READ = 262_144;

/**
 * The bytes of an upload, read from the data socket straight into the buffers that are to be filled;
 * back-pressure reaches the client by TCP. Ends at the client's FIN; a reset, a stall or an abort throws
 * DataBrokenError.
 */
export class UploadBody {
  /** The connection; it may be another object than the one that was given. */
  readonly socket: Socket;
  /** Whether bytes go straight into the buffers, or through `data` events. */
  readonly direct: boolean;
  readonly #options: TransferOptions;
  /** Bytes of one read at the most. */
  readonly #portion: number;
  #leftover: Buffer | undefined;
  #target: { into: Buffer; at: number; done: (error?: Error) => void } | undefined;
  #ended = false;
  #failure: DataBrokenError | undefined;
  /** Set while the pace lets nothing be read. */
  #hold: NodeJS.Timeout | undefined;

  /** @param accepted or connected; paused, with nothing read from it, or in TLS; no longer the caller's */
  constructor(accepted: Socket, options: TransferOptions) {
    this.#options = options;
    this.#portion = Math.min(options.upload?.portion ?? READ, READ);
    const next = () => this.#next();
    const landed = (bytes: number, buffer: Uint8Array) => this.#landed(bytes, buffer);
    const secured = accepted instanceof DataTls ? accepted : undefined;
    const direct = secured ? undefined : readDirectly(accepted, next, landed);
    this.direct = secured ? secured.readDirectly(next, landed) : direct !== undefined;
    this.socket = direct ?? accepted;
    // In TLS some may have come with the handshake.
    for (let chunk: Buffer | null = secured?.read(); chunk; chunk = secured?.read()) this.#take(chunk);
    if (!this.direct) this.socket.on('data', (chunk: Buffer) => this.#take(chunk)).pause();
    this.#listen(this.socket, options);
  }

  /** See ByteSource: the index after the last byte read, less than `into.length` at the body's end or when stopped. */
  fill(into: Buffer, from: number, stop?: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const onStop = () => this.#interrupt();
      const target = {
        into,
        at: from,
        done: (error?: Error) => {
          stop?.removeEventListener('abort', onStop);
          if (error) reject(error);
          else resolve(target.at);
        },
      };
      this.#target = target;
      stop?.addEventListener('abort', onStop);
      const leftover = this.#leftover;
      this.#leftover = undefined;
      if (leftover) this.#take(leftover);
      if (!this.#target) return;
      if (this.#failure || this.#ended || stop?.aborted) return this.#settle();
      if (!this.#hold) this.#read();
    });
  }

  /** Cuts the connection: nothing more is read into any buffer. */
  cancel(): void {
    // All has been read: the client need not see a reset where only the commit fails.
    if (!this.#ended) this.#cut(new DataBrokenError('aborted'));
  }

  /** The target gets no more: what comes next lands in the spill. */
  #interrupt(): void {
    this.socket.pause();
    if (!this.direct || redirect(this.socket, SPILL)) this.#settle();
    // This Node does not allow it: the buffer has to be filled.
    else if (!this.#hold) this.#read();
  }

  #read(): void {
    // Time spent waiting for memory, S3 or the pace was not the client's.
    this.socket.setTimeout(this.#options.stall);
    this.socket.resume();
  }

  /** Counts bytes that came. @returns whether more may be read at once */
  #moved(bytes: number): boolean {
    this.#options.onBytes(bytes);
    const wait = this.#options.upload?.take(bytes) ?? 0;
    if (wait === 0) return true;
    this.socket.setTimeout(0);
    clearTimeout(this.#hold);
    this.#hold = setTimeout(() => {
      this.#hold = undefined;
      if (this.#target && !this.#failure && !this.#ended) this.#read();
    }, wait);
    return false;
  }

  #listen(socket: Socket, { stall, signal }: TransferOptions): void {
    socket.on('end', () => {
      this.#ended = true;
      this.#settle();
    });
    socket.on('error', (cause) => this.#fail(new DataBrokenError('reset', { cause })));
    socket.on('close', () => !this.#ended && this.#fail(new DataBrokenError('reset')));
    // Not by setTimeout's own callback, which is called once: it may be in vain.
    socket.setTimeout(stall).on('timeout', () => this.#target && this.#cut(new DataBrokenError('stalled')));
    const abort = () => this.#cut(new DataBrokenError('aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      clearTimeout(this.#hold);
    });
    if (signal.aborted) abort();
    // In TLS both may have come with the handshake.
    if (socket.readableEnded) this.#ended = true;
    else if (socket.destroyed) this.#fail(new DataBrokenError('reset'));
  }

  /** The buffer for the next read: the rest of the target, or the spill while there is none. */
  #next(): Uint8Array {
    const target = this.#target;
    return target ? target.into.subarray(target.at, target.at + this.#portion) : SPILL;
  }

  /** @returns whether to go on reading */
  #landed(bytes: number, buffer: Uint8Array): boolean {
    const target = this.#target;
    if (!target || buffer === SPILL) {
      this.#take(Buffer.from(SPILL.subarray(0, bytes)));
      return this.#target !== undefined;
    }
    target.at += bytes;
    const more = this.#moved(bytes);
    if (target.at < target.into.length) return more;
    this.#settle();
    return false;
  }

  /** Takes bytes that are not in the target yet. */
  #take(chunk: Buffer): void {
    const target = this.#target;
    if (!target) {
      this.#leftover = this.#leftover ? Buffer.concat([this.#leftover, chunk]) : chunk;
      return;
    }
    const copied = chunk.copy(target.into, target.at);
    target.at += copied;
    const more = this.#moved(copied);
    if (copied < chunk.length) this.#leftover = chunk.subarray(copied);
    if (!more) this.socket.pause();
    if (target.at < target.into.length) return;
    this.socket.pause();
    this.#settle();
  }

  #settle(): void {
    const target = this.#target;
    this.#target = undefined;
    target?.done(this.#failure);
  }

  #fail(failure: DataBrokenError): void {
    this.#failure ??= failure;
    this.#settle();
  }

  #cut(failure: DataBrokenError): void {
    this.#fail(failure);
    this.socket.resetAndDestroy();
  }
}

/**
 * Closes a data connection whose bytes have all been read or sent: our FIN, without waiting for the client's.
 * @param linger milliseconds after which a client that does not close is let go
 */
export function finish(socket: Socket, linger = LINGER): void {
  socket.removeAllListeners('data');
  socket.on('error', () => {});
  // Not the socket's own timeout, which a client that sends a byte now and then renews for ever.
  socket.setTimeout(0);
  const timer = setTimeout(() => socket.destroy(), linger).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', () => socket.destroySoon());
  socket.end();
  // All is with the kernel: a process that ends need not wait for a client that does not close.
  socket.unref();
  socket.resume();
  if (socket.readableEnded) socket.destroySoon();
}

/**
 * Sends a body to the client as fast as it reads, and ends our side. A chunk is with the kernel, whole, before the
 * next is asked for: the body may reuse its memory. Settles when the last byte is with the
 * kernel, without waiting for the client's FIN: some clients close only after the reply.
 * @param onBroken called when the connection breaks, so that a body that waits for S3 can be given up; nothing is
 * sent any more then
 * @throws DataBrokenError when the client resets, takes nothing for the time of a stall, or the signal aborts;
 * what the body throws. The connection is then reset, so that the client sees the cut.
 */
export async function send(
  socket: Socket,
  body: AsyncIterable<Buffer> | Iterable<Buffer>,
  options: TransferOptions,
  onBroken: (failure: DataBrokenError) => void = () => {},
): Promise<void> {
  const watch = watchWriting(socket, options, onBroken);
  try {
    for await (const chunk of body) {
      watch.check();
      if (options.download) {
        await sendPaced(chunk, watch, options.download, options.onBytes);
        continue;
      }
      options.onBytes(chunk.length);
      await watch.write(chunk);
    }
    watch.check();
    await watch.end();
    watch.stop();
    finish(socket);
  } catch (error) {
    watch.stop();
    socket.on('error', () => {});
    socket.resetAndDestroy();
    throw watch.failure() ?? error;
  }
}

/** Writes portion by portion, and waits behind each as long as the pace asks. @throws DataBrokenError */
async function sendPaced(
  chunk: Buffer,
  watch: ReturnType<typeof watchWriting>,
  pace: Pace,
  onBytes: TransferOptions['onBytes'],
): Promise<void> {
  for (let at = 0; at < chunk.length; at += pace.portion) {
    const portion = chunk.subarray(at, at + pace.portion);
    const wait = pace.take(portion.length);
    if (wait > 0) await watch.hold(wait);
    onBytes(portion.length);
    await watch.write(portion);
  }
}

/** Watches a socket that is written to. */
function watchWriting(
  socket: Socket,
  { stall, signal }: TransferOptions,
  onBroken: (failure: DataBrokenError) => void,
) {
  let failure: DataBrokenError | undefined;
  let wake = () => {};
  const fail = (kind: DataFailure, cause?: unknown) => {
    if (failure) return;
    failure = new DataBrokenError(kind, { cause });
    // Before anybody reuses the memory that is being sent.
    socket.resetAndDestroy();
    wake();
    onBroken(failure);
  };
  const onError = (cause: Error) => fail('reset', cause);
  const onClose = () => fail('reset');
  const onAbort = () => fail('aborted', signal.reason);
  let waiting = false;
  // Time that is spent waiting for S3 is not the client's.
  const timer = setTimeout(() => waiting && fail('stalled'), stall);
  const check = () => {
    if (failure) throw failure;
  };
  /** Waits for the client until `done`; `wake` may be called in vain. */
  const until = async (done: () => boolean) => {
    timer.refresh();
    waiting = true;
    while (!done() && !failure)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    waiting = false;
    check();
  };
  const onWritten = () => wake();
  socket.on('error', onError).on('close', onClose);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  // In TLS it may have broken with the handshake.
  if (socket.destroyed) onClose();
  // What a client sends here is nothing; it must be read all the same, or its end would not be seen.
  socket.resume();

  return {
    failure: () => failure,
    /** @throws DataBrokenError */
    check,
    /** Settles when the bytes are with the kernel, mostly at once. @throws DataBrokenError */
    async write(chunk: Buffer): Promise<void> {
      socket.write(chunk, onWritten);
      if (socket.writableLength > 0) await until(() => socket.writableLength === 0);
    },
    /** Waits, unless the connection breaks first. @throws DataBrokenError */
    async hold(milliseconds: number): Promise<void> {
      let over = false;
      const end = setTimeout(() => {
        over = true;
        wake();
      }, milliseconds);
      // What was written before may wake it in vain.
      while (!over && !failure)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      clearTimeout(end);
      check();
    },
    /** Settles when our FIN is out. @throws DataBrokenError */
    async end(): Promise<void> {
      socket.end(onWritten);
      await until(() => socket.writableFinished);
    },
    stop(): void {
      clearTimeout(timer);
      socket.off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
