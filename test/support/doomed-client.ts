import { setTimeout as wait } from 'node:timers/promises';
import { type RawClient, rawClient } from './raw-client.ts';

// A client process that is to be killed: node doomed-client.ts PORT USER PASSWORD NAME=BYTES...
// Begins all these uploads, tells its parent when the server has taken all their bytes, and waits for its end.

async function begin(client: RawClient, user: string, password: string, name: string, bytes: number) {
  await client.reply();
  await client.login(user, password);
  const data = await client.passive();
  const mark = await client.command(`STOR ${name}`);
  if (mark.code !== 150) throw new Error(mark.text);
  data.write(Buffer.alloc(bytes, name));
  for (;;) {
    const { text } = await client.command('STAT');
    if (text.includes(`under way: ${bytes} bytes`)) return;
    await wait(5);
  }
}

const [port, user = '', password = '', ...uploads] = process.argv.slice(2);
await Promise.all(
  uploads.map(async (upload) => {
    const [name = '', bytes] = upload.split('=');
    const client = await rawClient({ host: '127.0.0.1', port: Number(port) });
    await begin(client, user, password, name, Number(bytes));
  }),
);
process.send?.('ready');
