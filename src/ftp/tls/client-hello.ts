import type { Socket } from 'node:net';

/** What is of interest in a client's first message. */
export interface ClientHello {
  /** The session ticket that it would resume: of TLS 1.3 (the first one), or of TLS 1.2. */
  readonly ticket: Buffer | undefined;
}

/** Types of records, messages and extensions (RFC 8446 5.1, 4, 4.2; RFC 5077). */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SESSION_TICKET = 35;
const PRE_SHARED_KEY = 41;

/** Bytes of a record's header, and of its content at the most (RFC 8446 5.1). */
const HEADER = 5;
const LARGEST = 16_384;

/**
 * Reads the ClientHello of a connection. All that was read is put back: whoever takes the socket next gets it.
 * Settles with `foreign` when what comes is no TLS, with `closed` when the client ends first.
 * @param socket paused, with nothing read from it
 */
export function readClientHello(socket: Socket): Promise<ClientHello | 'foreign' | 'closed'> {
  const { promise, resolve } = Promise.withResolvers<ClientHello | 'foreign' | 'closed'>();
  let bytes: Buffer = Buffer.alloc(0);
  const settle = (hello: ClientHello | 'foreign' | 'closed') => {
    socket.off('readable', read).off('end', ended).off('error', ended).off('close', ended);
    // Nobody can be given what came before an end that has been told.
    if (bytes.length > 0 && !socket.readableEnded) socket.unshift(bytes);
    resolve(hello);
  };
  const read = () => {
    for (let chunk: Buffer | null = socket.read(); chunk; chunk = socket.read())
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return settle('foreign');
    if (bytes.length < HEADER) return;
    const length = bytes.readUInt16BE(3);
    if (length > LARGEST) return settle('foreign');
    if (bytes.length >= HEADER + length)
      settle(parseClientHello(bytes.subarray(HEADER, HEADER + length)) ?? 'foreign');
  };
  const ended = () => settle('closed');
  socket.on('readable', read).on('end', ended).on('error', ended).on('close', ended);
  return promise;
}

/** Walks through the fields of a message; reads beyond its end give nothing. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(size: number): number {
    const field = this.take(size);
    return field.length === size && size > 0 ? field.readUIntBE(0, size) : 0;
  }

  /** A field that has its length before it. */
  vector(size: number): Buffer {
    return this.take(this.number(size));
  }
}

/**
 * Parses a ClientHello (RFC 8446 4.1.2) as far as its tickets.
 * @param message a handshake message with its header; one that goes on in another record offers nothing here
 * @returns undefined for another message
 */
export function parseClientHello(message: Buffer): ClientHello | undefined {
  const header = new Fields(message);
  if (header.number(1) !== CLIENT_HELLO) return undefined;
  const hello = new Fields(header.vector(3));
  // Version and random, session id, cipher suites, compression methods.
  hello.take(34);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  const extensions = new Fields(hello.vector(2));
  let ticket: Buffer | undefined;
  while (extensions.left >= 4) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === SESSION_TICKET && content.length > 0) ticket ??= content;
    // Identities, each with an age behind it; the list's length comes first (RFC 8446 4.2.11).
    if (type === PRE_SHARED_KEY) ticket = new Fields(content.subarray(2)).vector(2);
  }
  return { ticket };
}
