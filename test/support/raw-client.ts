import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** One reply as it came, without the last CRLF. */
export interface RawReply {
  readonly code: number;
  readonly text: string;
}

/** How a client speaks TLS; it trusts every server. */
export interface ClientTls extends ConnectionOptions {
  /** Whether data connections resume the control connection's session; they do unless told otherwise. */
  readonly resume?: boolean;
}

/** A control connection in the hands of a test: exact bytes out, exact replies in. */
export interface RawClient extends Disposable {
  readonly socket: Socket;
  /** AUTH, and the handshake. */
  secure(tls?: ClientTls, mechanism?: string): Promise<void>;
  /** PBSZ 0 and PROT P: from now on data connections are in TLS. */
  protect(): Promise<void>;
  /** The session that data connections would resume. */
  readonly session: Buffer | undefined;
  /** Writes bytes as they are. */
  write(bytes: string | Buffer): void;
  /** Waits for the next whole reply; rejects when the connection ends first. */
  reply(): Promise<RawReply>;
  /** Sends a line and waits for one reply. */
  command(line: string): Promise<RawReply>;
  /** Logs in and sets TYPE I. */
  login(user: string, password: string): Promise<void>;
  /**
   * EPSV, and the data connection to the port that it tells. In TLS its handshake is made when the server is ready
   * for it; what is written before waits.
   */
  passive(options?: { allowHalfOpen?: boolean }): Promise<Socket>;
  /** EPSV, and a connection in clear, whatever was agreed on. */
  passiveInClear(options?: { allowHalfOpen?: boolean }): Promise<Socket>;
  /** Puts TLS on a data connection, whoever opened it, if that was agreed on. */
  asAgreed(data: Socket): Socket;
  /** Puts TLS on a data connection. */
  secureData(data: Socket, tls?: ClientTls): TLSSocket;
  /** Uploads bytes by STOR (or another verb) and returns both replies. */
  upload(line: string, bytes: Buffer | string): Promise<readonly [RawReply, RawReply]>;
  /** Downloads by RETR, LIST or the like: the replies, and what came. */
  download(line: string): Promise<{ replies: readonly RawReply[]; bytes: Buffer }>;
  /** Resolves with what came beyond whole replies when the server has closed the connection. */
  closed(): Promise<string>;
}

/**
 * Connects and reads replies as RFC 959 4.2 frames them; the greeting is the first.
 * @param to.implicit TLS from the first byte on
 */
export async function rawClient(to: {
  host: string;
  port: number;
  localAddress?: string | undefined;
  implicit?: ClientTls | undefined;
}): Promise<RawClient> {
  const { host, port, localAddress } = to;
  const plain = connect({ host, port, localAddress, noDelay: true });
  await once(plain, 'connect');
  let socket: Socket = plain;
  let security: ClientTls = {};
  let session: Buffer | undefined;
  let isProtected = false;
  let received = '';
  let ended = false;
  let wake = () => {};
  const take = (chunk: Buffer) => {
    received += chunk.toString('utf8');
    wake();
  };
  const end = () => {
    ended = true;
    wake();
  };
  const listen = () => socket.on('data', take).on('end', end).on('close', end).on('error', end);

  async function upgrade(tls: ClientTls): Promise<void> {
    security = tls;
    plain.off('data', take).off('end', end).off('close', end).pause();
    const secured = connectTls({ rejectUnauthorized: false, ...tls, socket: plain });
    secured.on('session', (given: Buffer) => {
      session = given;
    });
    socket = withReset(secured, plain);
    secured.once('error', end);
    await once(secured, 'secureConnect');
    session ??= secured.getSession();
    listen();
  }

  if (to.implicit) await upgrade(to.implicit);
  else listen();
  const more = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });

  async function reply(): Promise<RawReply> {
    for (;;) {
      const whole = /^(?:(\d{3}) [^\r\n]*|(\d{3})-[\s\S]*?\r\n\2 [^\r\n]*)\r\n/.exec(received);
      if (whole) {
        received = received.slice(whole[0].length);
        return { code: Number(whole[1] ?? whole[2]), text: whole[0].slice(0, -2) };
      }
      if (ended) throw new Error(`the connection ended; what came last: ${JSON.stringify(received)}`);
      await more();
    }
  }

  async function command(line: string): Promise<RawReply> {
    socket.write(`${line}\r\n`);
    return reply();
  }

  async function passiveInClear(options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
    const { text } = await command('EPSV');
    const port = Number(/\|\|\|(\d+)\|/.exec(text)?.[1]);
    const data = connect({ port, host, localAddress, noDelay: true, ...options });
    await once(data, 'connect');
    // What the server refuses it may reset; the reply tells it.
    data.on('error', () => {});
    return data;
  }

  function secureData(data: Socket, tls: ClientTls = {}): TLSSocket {
    const { resume = true, ...options } = { ...security, ...tls };
    const secured = connectTls({
      rejectUnauthorized: false,
      ...(resume && session && { session }),
      ...options,
      socket: data,
    });
    secured.on('error', () => {});
    return endingAfterHandshake(withReset(secured, data));
  }

  const asAgreed = (data: Socket) => (isProtected ? secureData(data) : data);

  async function passive(options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
    return asAgreed(await passiveInClear(options));
  }

  return {
    get socket() {
      return socket;
    },
    get session() {
      return session;
    },
    async secure(tls = {}, mechanism = 'TLS') {
      const { code, text } = await command(`AUTH ${mechanism}`);
      if (code !== 234) throw new Error(text);
      await upgrade(tls);
    },
    async protect() {
      for (const line of ['PBSZ 0', 'PROT P']) {
        const { code, text } = await command(line);
        if (code !== 200) throw new Error(text);
      }
      isProtected = true;
    },
    passiveInClear,
    secureData,
    asAgreed,
    write: (bytes) => void socket.write(bytes),
    reply,
    command,
    async login(user, password) {
      for (const [line, code] of [
        [`USER ${user}`, 331],
        [`PASS ${password}`, 230],
        ['TYPE I', 200],
      ] as const) {
        const answer = await command(line);
        if (answer.code !== code) throw new Error(`${line.slice(0, 4)}: ${answer.text}`);
      }
    },
    passive,
    async upload(line, bytes) {
      const data = await passive();
      // A reset is told by the reply.
      data.on('error', () => {});
      const mark = await command(line);
      if (mark.code !== 150) throw new Error(mark.text);
      data.end(bytes);
      return [mark, await reply()];
    },
    async download(line) {
      const data = await passive();
      const mark = await command(line);
      if (mark.code !== 150) {
        data.destroy();
        return { replies: [mark], bytes: Buffer.alloc(0) };
      }
      const bytes = await buffer(data);
      return { replies: [mark, await reply()], bytes };
    },
    async closed() {
      while (!ended) await more();
      return received;
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** A TLS socket that can be reset like any other: by what lies below it. */
function withReset(secured: TLSSocket, plain: Socket): TLSSocket {
  secured.resetAndDestroy = () => {
    plain.resetAndDestroy();
    return secured.destroy();
  };
  return secured;
}

/** Node's client would end a connection before its handshake, if asked to. */
function endingAfterHandshake(secured: TLSSocket): TLSSocket {
  const end = secured.end.bind(secured) as (...args: unknown[]) => void;
  let isSecure = false;
  secured.once('secureConnect', () => {
    isSecure = true;
  });
  secured.end = (...args: unknown[]) => {
    if (isSecure) end(...args);
    else secured.once('secureConnect', () => end(...args));
    return secured;
  };
  return secured;
}
