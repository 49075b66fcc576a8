import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry, USER } from '../../support/ferry.ts';
import { PLAIN } from '../../support/test-tls.ts';

describe('ACCT, REIN and QUIT', () => {
  test('ACCT is 503 before and superfluous after login', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: ACCT tax
       S: 503 Send USER first.
       C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 230 Logged in.
       C: ACCT tax
       S: 202 No account is needed.
       C: ACCT
       S: 501 Syntax: ACCT <account>`,
    );
  });

  test('REIN and a new login may follow each other for ever', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login(PLAIN);
    for (let round = 0; round < 40; round++) {
      expect(await client.command('REIN')).toMatchObject({ code: 220 });
      await client.login(USER.name, USER.password);
    }
  });

  test('REIN resets everything', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login(PLAIN);
    await client.upload('STOR a.txt', 'hello');
    await dialogue(
      client,
      `C: MKD sub
       S: 257 "/sub" created.
       C: CWD sub
       S: 250 Directory changed.
       C: OPTS MLST size;
       S: 200 MLST OPTS size;
       C: RNFR /a.txt
       S: 350 Send RNTO with the new name.
       C: REST 3
       S: 350 Restarting at 3; send the transfer command.
       C: EPSV
       S: 229 …
       C: EPSV ALL
       S: 200 Only EPSV from now on.
       C: REIN
       S: 220 Ready for a new user.
       C: PWD
       S: 530 Please log in with USER and PASS.
       C: PASS secret
       S: 503 Send USER first.
       C: USER demo
       S: 331 Password required.
       C: PASS secret
       S: 230 Logged in.
       C: PWD
       S: 257 "/" is the current directory.
       C: RNTO b.txt
       S: 503 Send RNFR first.
       C: LIST
       S: 425 Use PASV, EPSV, PORT or EPRT first.
       C: PASV
       S: 227 …`,
    );
    expect((await client.command('FEAT')).text).toContain(
      ' MLST type*;size*;modify*;perm*;unique*;UNIX.mode;',
    );
    expect((await client.command('STAT')).text).toContain('TYPE: A');
    expect((await client.download('RETR a.txt')).bytes.toString()).toBe('hello');
  });

  test('QUIT is 221, and then the end', async () => {
    await using ferry = await startFerry();
    using stranger = await ferry.connect();
    await dialogue(stranger, 'C: QUIT\nS: 221 Goodbye.');
    expect(await stranger.closed()).toBe('');
    using client = await ferry.login();
    client.write('QUIT now\r\nNOOP\r\n');
    await dialogue(client, 'S: 221 Goodbye.');
    expect(await client.closed()).toBe('');
  });
});
