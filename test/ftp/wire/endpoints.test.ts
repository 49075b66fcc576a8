import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { PLAIN } from '../../support/test-tls.ts';

/** The port that 227 tells. */
function portOf(text: string): number {
  const [, high, low] = /\(127,0,0,1,(\d+),(\d+)\)\.$/.exec(text) ?? [];
  return Number(high) * 256 + Number(low);
}

async function dialPassive(client: RawClient): Promise<Socket> {
  const data = connect({ port: portOf((await client.command('PASV')).text), host: '127.0.0.1' });
  await once(data, 'connect');
  return client.asAgreed(data);
}

/** A port of the client's own, and what comes in there. */
async function listen(): Promise<{ port: number; connection: Promise<Socket> } & Disposable> {
  const server = createServer();
  const connection = once(server, 'connection').then(([socket]) => socket as Socket);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { port, connection, [Symbol.dispose]: () => void server.close() };
}

async function ferryWithFile(): Promise<Ferry & { client: RawClient }> {
  const ferry = await startFerry();
  const client = await ferry.login();
  await client.upload('STOR a.txt', 'hello');
  return Object.assign(ferry, { client });
}

describe('PASV and EPSV', () => {
  test('tell a port in the classic texts', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const [passive] = await dialogue(client, 'C: PASV\nS: 227 Entering Passive Mode (127,0,0,1,…,…).');
    expect(ferry.passivePorts.ports).toContain(portOf(passive ?? ''));
    const [extended] = await dialogue(client, 'C: EPSV\nS: 229 Entering Extended Passive Mode (|||…|)');
    expect(ferry.passivePorts.ports).toContain(Number(/\|(\d+)\|/.exec(extended ?? '')?.[1]));
  });

  test('PASV tells FERRY_PASSIVE_ADDRESS', async () => {
    await using ferry = await startFerry({ FERRY_PASSIVE_ADDRESS: '203.0.113.7' });
    using client = await ferry.login();
    await dialogue(client, 'C: PASV\nS: 227 Entering Passive Mode (203,0,113,7,…,…).\nC: ABOR\nS: 225 …');
  });

  test('EPSV takes the number of the control connection’s own family', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: EPSV 1
       S: 229 Entering Extended Passive Mode (|||…|)
       C: EPSV 2
       S: 522 Network protocol not supported, use (1)
       C: EPSV 3
       S: 522 Network protocol not supported, use (1)
       C: EPSV one
       S: 501 Syntax: EPSV [1|2|ALL]`,
    );
  });

  test('on IPv6 PASV is 425, EPSV takes 2, and EPRT too', async ({ skip }) => {
    const ferry = await startFerry({ FERRY_HOST: '::1' }).catch(() => undefined);
    if (!ferry) return skip('this system has no IPv6 on its loopback');
    await using _ = ferry;
    using client = await ferry.login();
    using here = await listen();
    await dialogue(
      client,
      `C: PASV
       S: 425 Use EPSV on IPv6.
       C: PORT 127,0,0,1,200,10
       S: 501 Only your own address is allowed.
       C: EPSV 1
       S: 522 Network protocol not supported, use (2)
       C: EPSV 2
       S: 229 …
       C: EPRT |1|127.0.0.1|${here.port}|
       S: 522 Network protocol not supported, use (2)
       C: EPRT |2|::1|${here.port}|
       S: 200 Will connect to your port.`,
    );
    expect((await client.upload('STOR a.txt', 'hello')).map(({ code }) => code)).toEqual([150, 226]);
  });

  test('after EPSV ALL only EPSV is taken, and EPSV ALL itself opens nothing', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: EPSV all
       S: 200 Only EPSV from now on.
       C: LIST
       S: 425 Use PASV, EPSV, PORT or EPRT first.
       C: PASV
       S: 501 Only EPSV is allowed after EPSV ALL.
       C: PORT 127,0,0,1,200,10
       S: 501 Only EPSV is allowed after EPSV ALL.
       C: EPRT |1|127.0.0.1|51210|
       S: 501 Only EPSV is allowed after EPSV ALL.`,
    );
    expect((await client.upload('STOR a.txt', 'hello')).map(({ code }) => code)).toEqual([150, 226]);
  });
});

describe('PORT and EPRT', () => {
  test('PORT is six decimals of one byte each', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const wrong = [
      '127,0,0,1,4',
      '127,0,0,1,4,5,6',
      '127,0,0,1,4,256',
      '127.0.0.1,4,5',
      'a,b,c,d,e,f',
      '127,0,0,1,,5',
    ];
    for (const numbers of wrong)
      expect((await client.command(`PORT ${numbers}`)).text).toBe('501 Syntax: PORT h1,h2,h3,h4,p1,p2');
    await dialogue(client, 'C: LIST\nS: 425 Use PASV, EPSV, PORT or EPRT first.');
  });

  test('EPRT is three fields between four delimiters of any kind', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const wrong = [
      '|1|127.0.0.1|',
      '|1|127.0.0.1|0|',
      '|1|127.0.0.1|65536|',
      '|1|::1|2000|',
      '1|127.0.0.1|2000',
      '|1|x|2000|',
    ];
    for (const given of wrong)
      expect([given, (await client.command(`EPRT ${given}`)).text]).toEqual([
        given,
        '501 Syntax: EPRT |protocol|address|port|',
      ]);
    await dialogue(
      client,
      `C: EPRT |1|127.0.0.1|51210|
       S: 200 Will connect to your port.
       C: EPRT !1!127.0.0.1!51210!
       S: 200 Will connect to your port.
       C: EPRT |2|::1|51210|
       S: 522 Network protocol not supported, use (1)
       C: EPRT |3|x|51210|
       S: 522 Network protocol not supported, use (1)`,
    );
  });

  test('lead to the client’s own address only, and to no privileged port', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: PORT 127,0,0,2,200,10
       S: 501 Only your own address is allowed.
       C: EPRT |1|192.0.2.1|51210|
       S: 501 Only your own address is allowed.
       C: PORT 127,0,0,1,3,255
       S: 504 Ports below 1024 are not allowed.
       C: EPRT |1|127.0.0.1|22|
       S: 504 Ports below 1024 are not allowed.
       C: LIST
       S: 425 Use PASV, EPSV, PORT or EPRT first.`,
    );
  });

  test('are 502 where FERRY_ACTIVE is off', async () => {
    await using ferry = await startFerry({ FERRY_ACTIVE: 'off' });
    using client = await ferry.login();
    await dialogue(
      client,
      `C: PORT 127,0,0,1,200,10
       S: 502 Active mode is switched off, use PASV or EPSV.
       C: EPRT |1|127.0.0.1|51210|
       S: 502 Active mode is switched off, use PASV or EPSV.`,
    );
  });

  test('make the server connect when the transfer comes, each time anew', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    using first = await listen();
    await dialogue(
      client,
      `C: PORT 127,0,0,1,${first.port >> 8},${first.port & 255}
       S: 200 Will connect to your port.
       C: RETR a.txt
       S: 150 Sending a.txt (5 bytes).`,
    );
    expect((await buffer(client.asAgreed(await first.connection))).toString()).toBe('hello');
    await dialogue(client, 'S: 226 Transfer complete.\nC: RETR a.txt\nS: 425 …');
    using second = await listen();
    await dialogue(client, `C: EPRT |1|127.0.0.1|${second.port}|\nS: 200 …\nC: RETR a.txt\nS: 150 …`);
    expect((await buffer(client.asAgreed(await second.connection))).toString()).toBe('hello');
    await dialogue(client, 'S: 226 Transfer complete.');
  });

  test('give 150 and then 425 where nobody listens', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    const { port, ...gone } = await listen();
    gone[Symbol.dispose]();
    await dialogue(
      client,
      `C: EPRT |1|127.0.0.1|${port}|
       S: 200 Will connect to your port.
       C: RETR a.txt
       S: 150 Sending a.txt (5 bytes).
       S: 425 Cannot open data connection: the client refused it.`,
    );
  });
});

describe('the endpoint', () => {
  test('that nobody agreed on gives 425, with no 150', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    for (const line of ['LIST', 'NLST', 'MLSD', 'RETR a.txt', 'STOR b.txt', 'STOU', 'APPE b.txt'])
      expect((await client.command(line)).text).toBe('425 Use PASV, EPSV, PORT or EPRT first.');
  });

  test('is used up by one transfer', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    await client.download('LIST');
    await dialogue(client, 'C: LIST\nS: 425 Use PASV, EPSV, PORT or EPRT first.');
  });

  test('to which nobody connects gives 150 and then 425 in bounded time', async () => {
    await using ferry = await startFerry({ FERRY_CONNECT_TIMEOUT: '30ms' });
    using client = await ferry.login();
    await dialogue(
      client,
      `C: PASV
       S: 227 …
       C: LIST
       S: 150 Here comes the listing.
       S: 425 Cannot open data connection: nobody connected in time.`,
    );
  });

  test('stays usable where a verb is refused before 150, as ftpcopy needs', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    const data = await dialPassive(client);
    await dialogue(
      client,
      `C: MLSD a.txt
       S: 501 Not a directory.
       C: RETR missing
       S: 550 No such file or directory.
       C: LIST -R
       S: 504 Recursive listings are not supported.
       C: STOR
       S: 501 Syntax: STOR <file>
       C: XYZZY
       S: 500 Unknown command.
       C: NLST
       S: 150 Here comes the listing.`,
    );
    expect((await buffer(data)).toString()).toBe('a.txt\r\n');
    await dialogue(client, 'S: 226 Listing sent.');
  });

  test('is replaced by the next, of whatever kind', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    await dialogue(client, 'C: PASV\nS: 227 …\nC: EPSV\nS: 229 …');
    expect(ferry.passivePorts.pending).toBe(1);
    using active = await listen();
    await dialogue(client, `C: EPRT |1|127.0.0.1|${active.port}|\nS: 200 …`);
    expect(ferry.passivePorts.pending).toBe(0);
    const data = await dialPassive(client);
    await dialogue(client, 'C: RETR a.txt\nS: 150 Sending a.txt (5 bytes).');
    expect((await buffer(data)).toString()).toBe('hello');
    await dialogue(client, 'S: 226 Transfer complete.');
  });

  test('is dropped by ABOR, REIN and the end of the session', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login(PLAIN);
    await dialogue(client, 'C: PASV\nS: 227 …\nC: ABOR\nS: 225 Nothing to abort.\nC: LIST\nS: 425 …');
    await dialogue(client, 'C: PASV\nS: 227 …\nC: REIN\nS: 220 …');
    expect(ferry.passivePorts.pending).toBe(0);
    await client.login('demo', 'secret');
    await dialogue(client, 'C: EPSV\nS: 229 …\nC: QUIT\nS: 221 Goodbye.');
    await client.closed();
    await expect.poll(() => ferry.passivePorts.pending).toBe(0);
  });

  test('may have its connection before or after the 150', async () => {
    await using ferry = await ferryWithFile();
    using client = ferry.client;
    const port = portOf((await client.command('PASV')).text);
    await dialogue(client, 'C: RETR a.txt\nS: 150 Sending a.txt (5 bytes).');
    expect((await buffer(client.asAgreed(connect({ port, host: '127.0.0.1' })))).toString()).toBe('hello');
    await dialogue(client, 'S: 226 Transfer complete.');
    await expectInStep(client);
  });
});
