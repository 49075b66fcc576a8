import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { TransferRequest } from './transfer-family.ts';
import type { TransferProvider } from './transfer-provider.ts';

/** Bytes that an answer may have. */
const LARGEST = 64 * 1024;

/** What a header carries unchanged: printable ASCII without blanks at its ends (RFC 9110 section 5.5). */
const CARRIED = /^[!-~](?:[ -~]{0,4094}[!-~])?$/;

/**
 * Asks an https server by the form that Transfer Family uses with API Gateway: `GET {url}/servers/{id}/users/
 * {name}/config?protocol=FTP&sourceIp=...`, the password in a header. Redirects are not followed.
 * @param url without a slash at its end
 * @param options.ca PEM of the only CA that is trusted; the system's unless given
 */
export function openHttps(url: string, { ca }: { ca?: string | undefined } = {}): TransferProvider {
  // A connection that is kept may end just as it is used again, and a login must not fail by that.
  const agent = new Agent({ keepAlive: false, maxSockets: 50 });
  return {
    async ask(request, signal) {
      // A server that finds no password in the header would take it for a login by key.
      if (!CARRIED.test(request.password)) return undefined;
      const sent = httpsRequest(pathOf(url, request), { agent, ca, signal, headers: headersOf(request) });
      // What fails behind the answer's head, its body tells.
      sent.on('error', () => {});
      sent.end();
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      const { statusCode = 0 } = answer;
      if (statusCode !== 200) answer.destroy();
      if (statusCode === 403 || statusCode === 404) return undefined;
      if (statusCode !== 200) throw new Error(`the identity provider answered HTTP ${statusCode}`);
      return parse(await textOf(answer));
    },
    close: () => agent.destroy(),
  };
}

function pathOf(url: string, { serverId, username, protocol, sourceIp }: TransferRequest): URL {
  const path = `servers/${encodeURIComponent(serverId)}/users/${encodeURIComponent(username)}/config`;
  return new URL(`${url}/${path}?${new URLSearchParams({ protocol, sourceIp })}`);
}

/** Transfer Family sends the password in both ways; its newer templates read the second one. */
function headersOf({ password }: TransferRequest): Record<string, string> {
  const PasswordBase64 = Buffer.from(password).toString('base64');
  return { Accept: 'application/json', Password: password, PasswordBase64 };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the answer.
    if (size > LARGEST) throw new Error('the identity provider answered more than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : JSON.parse(text);
  } catch {
    throw new Error('the identity provider answered what is not JSON');
  }
}
