import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import type { Fleet } from '../../../cluster/fleet.ts';
import { CONTAINER_PORTS } from '../../../lib/shard-plan.ts';
import { USER } from '../../support/ferry.ts';
import { type RawClient, type RawReply, rawClient } from '../../support/raw-client.ts';

/** Milliseconds until a client that was turned away tries again. */
const BACK_OFF = 50;

/** The server has said 421, or the connection has gone. */
export class TurnedAway extends Error {
  override readonly name = 'TurnedAway';
}

/** A logged-in session of a visitor. */
export interface Session extends Disposable {
  readonly client: RawClient;
  /** Index of the shard that serves it. */
  readonly shard: number;
  /** PASV alone: the port that it tells. */
  port(): Promise<number>;
  /** PASV, and the data connection to what it tells. @throws Error if that is another address than the control connection's */
  passive(): Promise<Socket>;
  /** The same, and a command that uses it; settles when 150 has come. */
  begin(line: string): Promise<Socket>;
  /** STOR or the like, to its 226. @throws Error with any other reply */
  store(line: string, bytes: Buffer): Promise<void>;
  /** RETR, to its 226. @throws Error with any other reply */
  retrieve(name: string): Promise<Buffer>;
  /** The next reply. @throws Error unless it has the code */
  expect(code: number): Promise<RawReply>;
}

/** Told of what an upload that is resumed meets. */
export interface Watch {
  /** The byte from which it goes on. */
  onResumed?(offset: number): void;
  /** The shard that serves it. */
  onEntered?(shard: number): void;
}

/** Somebody with an address of their own, who knows the fleet by its name alone. */
export interface Visitor {
  readonly address: string;
  /** Connects and logs in; once. @throws TurnedAway */
  enter(zone?: number): Promise<Session>;
  /** The same, until it succeeds. */
  insist(): Promise<Session>;
  /** Uploads as a careful client does: from where the server says that it stands, until it says 226. */
  storeResuming(name: string, bytes: Buffer, watch?: Watch): Promise<void>;
}

export function visitor(fleet: Fleet, index: number): Visitor {
  const address = fleet.loopback.client(index);

  async function enter(zone?: number): Promise<Session> {
    const { balancer } = fleet;
    const known = balancer.resolve();
    const host =
      (zone === undefined ? known[Math.floor(Math.random() * known.length)] : balancer.addresses[zone]) ?? '';
    const client = await dial(host, address);
    try {
      const greeting = await client.reply();
      if (greeting.code !== 220) throw new TurnedAway(greeting.text);
      await client.login(USER.name, USER.password);
      return await open(client, host);
    } catch (error) {
      client[Symbol.dispose]();
      throw error instanceof TurnedAway ? error : new TurnedAway('gone', { cause: error });
    }
  }

  async function open(client: RawClient, host: string): Promise<Session> {
    const expectCode = async (code: number) => {
      const reply = await client.reply();
      if (reply.code === 421) throw new TurnedAway(reply.text);
      if (reply.code !== code) throw new Error(`expected ${code}, got: ${reply.text}`);
      return reply;
    };
    const passivePort = async () => {
      client.write('PASV\r\n');
      const { text } = await expectCode(227);
      const numbers = /\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)/.exec(text);
      const told = numbers?.[1]?.replaceAll(',', '.');
      if (told !== host) throw new Error(`PASV told ${told} to a client of ${host}`);
      return Number(numbers?.[2]) * 256 + Number(numbers?.[3]);
    };
    const connectTo = async (port: number) => {
      const data = connect({ host, port, localAddress: address, noDelay: true });
      // What the server refuses it may reset; the reply tells it.
      data.on('error', () => {});
      await once(data, 'connect');
      return data;
    };
    const passive = async () => connectTo(await passivePort());
    const begin = async (line: string) => {
      const data = await passive();
      client.write(`${line}\r\n`);
      await expectCode(150).catch((error) => {
        data.destroy();
        throw error;
      });
      return data;
    };
    const port = await passivePort();
    // Used, so that it does not rest in quarantine.
    const data = await connectTo(port);
    client.write('NLST nothing-here*\r\n');
    await Promise.all([buffer(data), expectCode(150).then(() => expectCode(226))]);
    return {
      client,
      shard: fleet.plan.shards.findIndex(({ ports }) => ports.includes(port)),
      port: passivePort,
      passive,
      begin,
      async store(line, bytes) {
        const data = await begin(line);
        data.end(bytes);
        await expectCode(226);
      },
      async retrieve(name) {
        const data = await begin(`RETR ${name}`);
        const [bytes] = await Promise.all([buffer(data), expectCode(226)]);
        return bytes;
      },
      expect: expectCode,
      [Symbol.dispose]: () => client[Symbol.dispose](),
    };
  }

  async function insist(): Promise<Session> {
    for (;;) {
      try {
        return await enter();
      } catch (error) {
        if (!(error instanceof TurnedAway)) throw error;
        await wait(BACK_OFF);
      }
    }
  }

  return {
    address,
    enter,
    insist,
    async storeResuming(name, bytes, watch = {}) {
      for (;;) {
        using session = await insist();
        try {
          watch.onEntered?.(session.shard);
          const size = await session.client.command(`SIZE ${name}`);
          const offset = size.code === 213 ? Number(size.text.slice(4)) : 0;
          if (offset === bytes.length) return;
          if (offset > 0) {
            watch.onResumed?.(offset);
            await session.client.command(`REST ${offset}`);
          }
          await session.store(`STOR ${name}`, bytes.subarray(offset));
          return;
        } catch {
          await wait(BACK_OFF);
        }
      }
    },
  };
}

async function dial(host: string, localAddress: string): Promise<RawClient> {
  try {
    return await rawClient({ host, port: CONTAINER_PORTS.control, localAddress });
  } catch (error) {
    throw new TurnedAway('no connection', { cause: error });
  }
}

/** A session of a shard of one's choice. @throws TurnedAway */
export async function enterShard(guest: Visitor, shard: number): Promise<Session> {
  for (;;) {
    const session = await guest.insist();
    if (session.shard === shard) return session;
    session[Symbol.dispose]();
  }
}
