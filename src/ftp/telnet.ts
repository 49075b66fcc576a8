/** RFC 854: "interpret as command". */
const IAC = 0xff;

/**
 * Removes Telnet commands from a line (RFC 1123 4.1.2.12): `IAC IAC` is one 0xFF, options are dropped and never
 * negotiated, and of an IAC whose command went out of band (`IAC` `DM`) only the IAC is dropped. Bytes of 0x80
 * and above before the verb belong to such a command, too.
 */
export function stripTelnet(line: Buffer): Buffer {
  if (!line.includes(IAC)) return (line[0] ?? 0) < 0x80 ? line : dropHighHead(line);
  const kept: number[] = [];
  for (let index = 0; index < line.length; index++) {
    const byte = line[index] ?? 0;
    if (byte !== IAC) kept.push(byte);
    else if (line[index + 1] === IAC) kept.push(line[++index] ?? IAC);
    else index += commandLength(line[index + 1]);
  }
  return dropHighHead(Buffer.from(kept));
}

/** How many bytes behind an IAC belong to it: WILL, WONT, DO and DONT have an option, the others stand alone. */
function commandLength(command = 0): number {
  if (command >= 0xfb) return 2;
  return command >= 0xf0 ? 1 : 0;
}

/** The bytes of a reply as the control connection carries them: each 0xFF doubled (RFC 854). */
export function escapeTelnet(reply: Buffer): Buffer {
  if (!reply.includes(IAC)) return reply;
  return Buffer.from(Array.from(reply).flatMap((byte) => (byte === IAC ? [IAC, IAC] : [byte])));
}

function dropHighHead(line: Buffer): Buffer {
  const start = line.findIndex((byte) => byte < 0x80);
  return line.subarray(start < 0 ? line.length : start);
}
