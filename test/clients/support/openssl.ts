import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client, Place } from './client.ts';

/** A command, and for a transfer the local file: `from` it, or `into` it; into nothing means to print. */
export interface OpensslLine {
  readonly command: string;
  readonly from?: string;
  readonly into?: string | undefined;
  readonly transfers?: boolean;
}

/** Milliseconds for a whole run. */
const LIMIT = 60_000;

const command = (line: string): OpensslLine => ({ command: line });

/**
 * OpenSSL's s_client as an FTP client: one for the control connection, and one for each data connection, which
 * resumes the session of the control connection.
 */
export const openssl: Client<readonly OpensslLine[]> = {
  name: 'OpenSSL s_client',
  programs: ['openssl'],
  modes: ['passive'],
  steps: {
    mkdir: (name) => [command(`MKD ${name}`)],
    put: (file, name) => [{ command: `STOR ${name}`, transfers: true, from: file }],
    get: (name, file) => [{ command: `RETR ${name}`, transfers: true, into: file }],
    names: () => [{ command: 'NLST', transfers: true }],
    list: () => [{ command: 'LIST', transfers: true }],
    machine: () => [{ command: 'MLSD', transfers: true }],
    rename: (from, to) => [command(`RNFR ${from}`), command(`RNTO ${to}`)],
    remove: (name) => [command(`DELE ${name}`)],
    rmdir: (name) => [command(`RMD ${name}`)],
  },
  async run(at, lines) {
    const control = connectControl(at);
    let written = '';
    try {
      // With -starttls the program reads the greeting itself.
      if (at.security === 'implicit') await control.reply();
      for (const line of [`USER ${at.user}`, `PASS ${at.password}`, 'PBSZ 0', 'PROT P', 'TYPE I'])
        await control.ask(line);
      for (const line of lines.flat())
        written += line.transfers ? await transfer(at, control, line) : await control.ask(line.command);
      await control.ask('QUIT');
      return written;
    } finally {
      control.child.kill('SIGKILL');
    }
  },
};

interface Control {
  readonly child: ChildProcess;
  /** @throws Error with what came, where that is not a whole reply in time, or one that refuses */
  reply(): Promise<string>;
  ask(line: string): Promise<string>;
}

/** What every connection is told: to check the server's certificate, and to write what comes and nothing else. */
const start = (at: Place, port: number | string) => [
  's_client',
  '-quiet',
  '-connect',
  `${at.host}:${port}`,
  '-CAfile',
  at.authority,
  '-verify_return_error',
  '-verify_ip',
  at.host,
];

const sessionFile = (at: Place) => join(at.home, 'session.pem');

function connectControl(at: Place): Control {
  const args = [...start(at, at.port), '-crlf', '-nocommands', '-sess_out', sessionFile(at)];
  if (at.security === 'explicit') args.push('-starttls', 'ftp');
  const child = spawn('openssl', args, { timeout: LIMIT, killSignal: 'SIGKILL' });
  let came = '';
  let errors = '';
  let over = false;
  let wake = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    came += text;
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', () => {});
  child.on('close', () => {
    over = true;
    wake();
  });
  const reply = async () => {
    for (;;) {
      const [whole, code] = /^(\d{3})(?: |-[\s\S]*?\r\n\1 )[^\r\n]*\r\n/.exec(came) ?? [];
      if (whole !== undefined && code !== undefined) {
        came = came.slice(whole.length);
        if (code >= '400') throw new Error(whole);
        return whole;
      }
      if (over) throw new Error(`s_client ended; it wrote: ${came}${errors}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const ask = (line: string) => {
    child.stdin.write(`${line}\n`);
    return reply();
  };
  return { child, reply, ask };
}

/** @returns what came, unless it went into a file */
async function transfer(at: Place, control: Control, line: OpensslLine): Promise<string> {
  const [, port = ''] = /\|\|\|(\d+)\|/.exec(await control.ask('EPSV')) ?? [];
  const from = line.from === undefined ? undefined : await open(line.from);
  const into = line.into === undefined ? undefined : await open(line.into, 'w');
  try {
    const data = connectData(at, port, from, into);
    await control.ask(line.command);
    const came = await data;
    await control.reply();
    return came;
  } finally {
    await from?.close();
    await into?.close();
  }
}

async function connectData(
  at: Place,
  port: string,
  from: FileHandle | undefined,
  into: FileHandle | undefined,
): Promise<string> {
  // An upload ends with its file, a download when the server ends it. Without -nocommands a Q in a file would end it.
  const args = [
    ...start(at, port),
    '-sess_in',
    sessionFile(at),
    ...(from ? ['-no_ign_eof', '-nocommands'] : []),
  ];
  const child = spawn('openssl', args, {
    stdio: [from?.fd ?? 'pipe', into?.fd ?? 'pipe', 'pipe'],
    timeout: LIMIT,
    killSignal: 'SIGKILL',
  });
  let came = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    came += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (status !== 0)
    throw new Error(`s_client ended with ${signal ?? `status ${status}`}; it wrote: ${errors}`);
  return came;
}
