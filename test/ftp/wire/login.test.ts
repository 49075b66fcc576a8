import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { rawClient } from '../../support/raw-client.ts';
import { PLAIN } from '../../support/test-tls.ts';

describe('the greeting', () => {
  test('is 220, in one line', async () => {
    await using ferry = await startFerry();
    using client = await rawClient(ferry);
    await dialogue(client, 'S: 220 Ferry ready.');
  });

  test('carries FERRY_BANNER in many lines, none of which can end it early', async () => {
    await using ferry = await startFerry({
      FERRY_BANNER: 'Welcome.\n220 Not the end\n\n530-nor this\nLast.',
    });
    using client = await rawClient(ferry);
    await dialogue(
      client,
      `S: 220-Welcome.
       S:  220 Not the end
       S:
       S:  530-nor this
       S: 220 Last.
       C: NOOP
       S: 200 OK.`,
    );
  });

  test('is 421 and the end instead where too many are connected', async () => {
    await using ferry = await startFerry({ FERRY_MAX_SESSIONS_PER_ADDRESS: '1' });
    using client = await ferry.login();
    using second = await rawClient(ferry);
    await dialogue(second, 'S: 421 Too many connections from your address.');
    expect(await second.closed()).toBe('');
    await dialogue(client, 'C: NOOP\nS: 200 OK.');
  });
});

describe('USER and PASS', () => {
  test('log in, and neither is wanted again', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: PASS secret
       S: 503 Send USER first.
       C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 230 Logged in.
       C: PASS secret
       S: 503 Already logged in.
       C: USER demo
       S: 503 Already logged in; QUIT or REIN first.
       C: USER other
       S: 503 Already logged in; QUIT or REIN first.
       C: PWD
       S: 257 "/" is the current directory.`,
    );
  });

  test('ask every name for a password, known or not', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER nobody
       S: 331 Password required.
       C: USER a/b
       S: 331 Password required.
       C: USER ${'x'.repeat(4000)}
       S: 331 Password required.
       C: USER
       S: 501 Syntax: USER <name>`,
    );
  });

  test('take the last of several USERs', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: USER nobody
       S: 331 Password required.
       C: PASS secret
       S: 530 Login incorrect.
       C: USER nobody
       S: 331 Password required.
       C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 230 Logged in.`,
    );
  });

  test('may have FEAT, OPTS, CLNT and NOOP between them', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(client, 'C: USER demo\nS: 331 Password required.');
    expect((await client.command('FEAT')).code).toBe(211);
    await dialogue(
      client,
      `C: OPTS UTF8 ON
       S: 200 UTF-8 is on.
       C: CLNT NcFTP 3.2.6
       S: 200 Noted.
       C: NOOP
       S: 200 OK.
       C: SYST
       S: 215 UNIX Type: L8
       C: PASS secret
       S: 230 Logged in.`,
    );
  });

  test('take a password with its blanks', async () => {
    await using ferry = await startFerry({ FERRY_PASSWORD: ' two  words ' });
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: PASS two  words
       S: 530 Login incorrect.
       C: USER demo
       S: 331 Password required.`,
    );
    client.write('PASS  two  words \r\n');
    await dialogue(client, 'S: 230 Logged in.');
  });

  test('refuse an empty password, and one that is not UTF-8', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: PASS
       S: 530 Login incorrect.`,
    );
    client.write(Buffer.from('USER demo\r\nPASS \xe9t\xe9\r\n', 'latin1'));
    await dialogue(client, 'S: 331 Password required.\nS: 501 Argument is not UTF-8.');
  });

  test('want USER again after a failure, and end with 421 at the third', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect(PLAIN);
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: PASS wrong
       S: 530 Login incorrect.
       C: PASS secret
       S: 503 Send USER first.
       C: USER demo
       S: 331 Password required.
       C: PASS wrong
       S: 530 Login incorrect.
       C: REIN
       S: 220 Ready for a new user.
       C: USER demo
       S: 331 Password required.
       C: PASS wrong
       S: 421 Too many failed logins.`,
    );
    expect(await client.closed()).toBe('');
  });

  test('end with 421 after as many failures as FERRY_LOGIN_ATTEMPTS says', async () => {
    await using ferry = await startFerry({ FERRY_LOGIN_ATTEMPTS: '1' });
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: PASS wrong
       S: 421 Too many failed logins.`,
    );
    expect(await client.closed()).toBe('');
  });

  test('make a failure wait for FERRY_LOGIN_DELAY, and only a failure', async () => {
    await using ferry = await startFerry({ FERRY_LOGIN_DELAY: '80ms' });
    using client = await ferry.connect();
    const started = performance.now();
    await dialogue(client, 'C: USER demo\nS: 331 Password required.\nC: PASS wrong\nS: 530 Login incorrect.');
    expect(performance.now() - started).toBeGreaterThanOrEqual(79);
    await client.login('demo', 'secret');
  });

  test('answer 421, never 530, while S3 cannot be reached, and log in again when it can', async () => {
    await using ferry = await startFerry();
    ferry.setStorageAvailable(false);
    using early = await ferry.connect();
    await dialogue(
      early,
      `C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 421 Service not available, try again later.`,
    );
    expect(await early.closed()).toBe('');
    ferry.setStorageAvailable(true);
    using later = await ferry.login();
    await dialogue(later, 'C: PWD\nS: 257 "/" is the current directory.');
  });

  test('carry FERRY_WELCOME in many lines, or in one for a password that begins with a dash', async () => {
    const welcome = 'Hello.\n230 Files go to S3.\nBye.';
    await using ferry = await startFerry({ FERRY_WELCOME: welcome });
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 230-Hello.
       S:  230 Files go to S3.
       S: 230 Bye.
       C: NOOP
       S: 200 OK.`,
    );
    await using dashed = await startFerry({ FERRY_WELCOME: welcome, FERRY_PASSWORD: '-secret' });
    using terse = await dashed.connect();
    await dialogue(terse, 'C: USER demo\nS: 331 Password required.\nC: PASS -secret\nS: 230 Logged in.');
  });
});

test('a first line of another protocol closes the connection at once, without a reply', async () => {
  await using ferry = await startFerry();
  for (const line of ['GET / HTTP/1.1', 'POST /x HTTP/1.0', 'EHLO mail', 'SSH-2.0-OpenSSH_9.2', 'Host: x']) {
    using client = await ferry.connect(PLAIN);
    client.write(`${line}\r\nUSER demo\r\nPASS secret\r\n`);
    expect(await client.closed()).toBe('');
  }
  const reasons = ferry.records.filter(({ event }) => event === 'refused').map(({ reason }) => reason);
  expect(reasons).toEqual(new Array(5).fill('foreign-protocol'));
});
