import { expect, test } from 'vitest';
import { startFerry, USER } from '../support/ferry.ts';

const dialogue = (records: readonly Readonly<Record<string, unknown>>[]) =>
  records.filter(({ event }) => event === 'trace').map(({ command, reply }) => command ?? reply);

test('the trace of a user has the whole dialogue from USER on, with the password masked', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: `user:${USER.name}` });
  using client = await ferry.login();
  await client.command('MKD a "b"');
  await client.command('QUIT');
  await client.closed();
  expect(dialogue(ferry.records)).toEqual([
    '331 Password required.',
    'PASS ***',
    '230 Logged in.',
    'TYPE I',
    '200 Type set to I.',
    'MKD a "b"',
    '257 "/a ""b""" created.',
    'QUIT',
    '221 Goodbye.',
  ]);
  expect(JSON.stringify(ferry.records)).not.toContain(USER.password);
});

test('the trace of an address has everything from the greeting on; what a stranger typed is masked', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: 'address:127.0.0.1' });
  using client = await ferry.connect();
  await client.command('hunter2');
  await client.command('CWD hunter2');
  await client.command('ACCT hunter2');
  await client.command('USER hunter2');
  await client.command('NOOP');
  expect(dialogue(ferry.records)).toEqual([
    '220 Ferry ready.',
    '(unknown command)',
    '500 Unknown command.',
    'CWD ***',
    '530 Please log in with USER and PASS.',
    'ACCT ***',
    '503 Send USER first.',
    'USER ***',
    '331 Password required.',
    'NOOP',
    '200 OK.',
  ]);
});

test('others are not traced', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: 'user:somebody' });
  using client = await ferry.login();
  await client.command('NOOP');
  expect(dialogue(ferry.records)).toEqual([]);
});

test('a user who names another one before the password is not traced any more', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: 'user:somebody' });
  using client = await ferry.connect();
  await client.command('USER somebody');
  await client.login(USER.name, USER.password);
  expect(dialogue(ferry.records)).toEqual(['331 Password required.', 'USER ***']);
});
