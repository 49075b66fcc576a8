import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** One reply as it came, without the last CRLF. */
export interface RawReply {
  readonly code: number;
  readonly text: string;
}

/** A control connection in the hands of a test: exact bytes out, exact replies in. */
export interface RawClient extends Disposable {
  readonly socket: Socket;
  /** Writes bytes as they are. */
  write(bytes: string | Buffer): void;
  /** Waits for the next whole reply; rejects when the connection ends first. */
  reply(): Promise<RawReply>;
  /** Sends a line and waits for one reply. */
  command(line: string): Promise<RawReply>;
  /** Logs in and sets TYPE I. */
  login(user: string, password: string): Promise<void>;
  /** EPSV, and the data connection to the port that it tells. */
  passive(options?: { allowHalfOpen?: boolean }): Promise<Socket>;
  /** Uploads bytes by STOR (or another verb) and returns both replies. */
  upload(line: string, bytes: Buffer | string): Promise<readonly [RawReply, RawReply]>;
  /** Downloads by RETR, LIST or the like: the replies, and what came. */
  download(line: string): Promise<{ replies: readonly RawReply[]; bytes: Buffer }>;
  /** Resolves with what came beyond whole replies when the server has closed the connection. */
  closed(): Promise<string>;
}

/** Connects and reads replies as RFC 959 4.2 frames them; the greeting is the first. */
export async function rawClient(to: {
  host: string;
  port: number;
  localAddress?: string;
}): Promise<RawClient> {
  const socket = connect({ ...to, noDelay: true });
  await once(socket, 'connect');
  let received = '';
  let ended = false;
  let wake = () => {};
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('utf8');
    wake();
  });
  const end = () => {
    ended = true;
    wake();
  };
  socket.on('end', end).on('close', end).on('error', end);
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

  async function passive(options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
    const { text } = await command('EPSV');
    const port = Number(/\|\|\|(\d+)\|/.exec(text)?.[1]);
    const data = connect({ port, host: to.host, localAddress: to.localAddress, noDelay: true, ...options });
    await once(data, 'connect');
    // What the server refuses it may reset; the reply tells it.
    data.on('error', () => {});
    return data;
  }

  return {
    socket,
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
