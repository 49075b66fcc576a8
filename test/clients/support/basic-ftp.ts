import { readFile, stat } from 'node:fs/promises';
import { Client as FtpClient } from 'basic-ftp';
import type { Client, Place } from './client.ts';

/** One call of the library; text that it returns is what it printed. */
export type BasicFtpCall = (client: FtpClient) => Promise<unknown>;

/** The library, one session for all steps. */
export const basicFtp: Client<BasicFtpCall> = {
  name: 'basic-ftp',
  programs: [],
  modes: ['passive'],
  // It asks a socket that is to resume a session for its cipher, and takes the session's for its own.
  losesEmptyInTls: true,
  steps: {
    mkdir: (name) => (client) => client.send(`MKD ${name}`),
    put: (file, name) => (client) => client.uploadFrom(file, name),
    get: (name, file) => (client) => client.downloadTo(file, name),
    resume: (name, file) => async (client) => client.downloadTo(file, name, (await stat(file)).size),
    list: () => (client) => listBy(client, 'LIST -a'),
    machine: () => (client) => listBy(client, 'MLSD'),
    rename: (from, to) => (client) => client.rename(from, to),
    remove: (name) => (client) => client.remove(name),
    rmdir: (name) => (client) => client.removeEmptyDir(name),
    putTree: (folder, name) => (client) => client.uploadFromDir(folder, name),
    getTree: (name, folder) => (client) => client.downloadToDir(folder, name),
  },
  async run(at, lines) {
    const client = new FtpClient(20_000);
    let written = '';
    client.ftp.log = (line) => {
      // The lines of a listing are left out: what the client made of them is what it is asked for.
      if (/^[<>]/.test(line)) written += `${line}\n`;
    };
    client.ftp.verbose = true;
    try {
      await client.access({
        host: at.host,
        port: at.port,
        user: at.user,
        password: at.password,
        ...(await securely(at)),
      });
      for (const line of lines) {
        const answer = await line(client);
        if (typeof answer === 'string') written += answer;
      }
      await client.send('QUIT');
    } catch (error) {
      throw new Error(`basic-ftp failed; it wrote:\n${written}`, { cause: error });
    } finally {
      client.close();
    }
    return written;
  },
};

async function securely({ security, authority }: Place) {
  if (security === 'plain') return {};
  return {
    secure: security === 'implicit' ? ('implicit' as const) : true,
    secureOptions: { ca: await readFile(authority) },
  };
}

/** Lists by one command, whatever FEAT says, and prints what the client understood. */
async function listBy(client: FtpClient, command: string): Promise<string> {
  client.availableListCommands = [command];
  const entries = await client.list();
  return entries.map(({ name, size }) => `${size} ${name}\n`).join('');
}
