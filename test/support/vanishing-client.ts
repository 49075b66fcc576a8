import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { rawClient } from './raw-client.ts';

// A client in a thread of its own: uploads a few bytes, ends its data connection, and closes the control
// connection without QUIT at the moment that the test sets the shared flag, whatever the test's thread does then.

const { port, user, password, flag } = workerData as {
  port: number;
  user: string;
  password: string;
  flag: Int32Array<SharedArrayBuffer>;
};
const client = await rawClient({ host: '127.0.0.1', port });
await client.reply();
await client.login(user, password);
const told = await client.command('EPSV');
const data = connect({ host: '127.0.0.1', port: Number(/\|(\d+)\|/.exec(told.text)?.[1]) });
data.on('error', () => {});
await client.command('STOR vanished');
data.end('ten bytes!');
await Atomics.waitAsync(flag, 0, 0).value;
client.socket.destroy();
client.socket.once('close', () => {
  Atomics.store(flag, 1, 1);
  Atomics.notify(flag, 1);
  parentPort?.postMessage('gone');
});
