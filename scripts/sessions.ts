import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { LiveSession } from '../src/ops/admin.ts';
import { formatBytes } from '../src/ops/pretty.ts';
import { adminSocketPath, isOwn } from './admin-socket.ts';

// npm run sessions              the live sessions
// npm run sessions -- end ID    cuts the transfer of one and ends it
//
// The server is the one that `npm start` started in the same environment, or that of FERRY_ADMIN_SOCKET.

const HEAD = ['id', 'user', 'address', 'protocol', 'seconds', 'idle', 'transfer', 'bytes', 'rate'];

async function ask(method: 'GET' | 'DELETE', path: string): Promise<{ status: number; body: string }> {
  const socketPath = adminSocketPath(process.env);
  // Whoever else could put a socket there would tell what they like.
  if (!isOwn(socketPath)) throw new Error(`no server of yours listens on ${socketPath}`);
  const asked = request({ socketPath, method, path });
  asked.end();
  const [response]: IncomingMessage[] = await once(asked, 'response');
  if (!response) throw new Error('no answer');
  return { status: response.statusCode ?? 0, body: await text(response) };
}

async function list(): Promise<void> {
  const { body } = await ask('GET', '/sessions');
  const sessions: LiveSession[] = JSON.parse(body);
  const rows = [HEAD, ...sessions.map(row)].map((cells) =>
    // A name may hold anything, and this is a terminal.
    cells.map((cell) => cell.replaceAll(/\p{Cc}/gu, '?')),
  );
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  for (const cells of rows)
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

function row({ id, user, address, protocol, seconds, idle, transfer }: LiveSession): string[] {
  const moved = transfer
    ? [
        `${transfer.verb} ${transfer.path}`.trimEnd(),
        formatBytes(transfer.bytes),
        `${formatBytes(transfer.rate)}/s`,
      ]
    : ['-', '-', '-'];
  return [`${id}`, user ?? '-', address, protocol, `${seconds}`, `${idle}`, ...moved];
}

async function end(id: string): Promise<void> {
  const { status } = await ask('DELETE', `/sessions/${id}`);
  if (status !== 204) throw new Error(`there is no session ${id}`);
  console.log(`session ${id} is ended`);
}

try {
  const [verb, id = '', ...more] = process.argv.slice(2);
  if (verb === undefined) await list();
  else if (verb === 'end' && /^\d+$/.test(id) && more.length === 0) await end(id);
  else throw new Error('usage: npm run sessions [-- end ID]');
} catch (error) {
  console.error(`ferry: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
