import { isIPv4 } from 'node:net';
import { largestUpload } from '../../fs/part-size.ts';
import { parseEprt, parsePort } from '../active.ts';
import { sameAddress } from '../address.ts';
import type { Rows } from '../command.ts';
import { dropEndpoint } from '../endpoint.ts';
import { type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';

/** RFC 2577 section 3: a port below is a service's, and may be the target of a bounce. */
const FIRST_UNPRIVILEGED = 1024;

async function reserve(session: Session): Promise<number> {
  dropEndpoint(session.state.endpoint);
  session.state.endpoint = undefined;
  const { user } = session.login.identity;
  const reservation = await session.context.passivePorts.reserve({
    address: session.address,
    user,
    // Only in TLS can the right one of several connections be told.
    several: () => session.state.protection === 'P',
  });
  session.state.endpoint = { mode: 'passive', reservation };
  return reservation.port;
}

/** Undefined where the configured name has never been resolved. */
function passiveAddress({ context, address, localAddress }: Session): string | undefined {
  try {
    return context.passiveAddresses.for(address) ?? localAddress;
  } catch {
    return undefined;
  }
}

async function pasv(session: Session): Promise<Reply> {
  if (session.state.epsvOnly) return reply(501, 'Only EPSV is allowed after EPSV ALL.');
  const address = passiveAddress(session);
  if (address === undefined) return reply(425, 'No address for passive mode now, try again.');
  if (!isIPv4(address)) return reply(425, 'Use EPSV on IPv6.');
  const port = await reserve(session);
  const numbers = [...address.split('.'), port >> 8, port & 255].join(',');
  // No dot, no blanks between the numbers: some NATs and clients match the text.
  return reply(227, `Entering Passive Mode (${numbers}).`);
}

async function epsv(session: Session, argument: string): Promise<Reply> {
  const wanted = argument.toUpperCase();
  const family = isIPv4(session.localAddress) ? '1' : '2';
  if (wanted === 'ALL') {
    session.state.epsvOnly = true;
    return reply(200, 'Only EPSV from now on.');
  }
  if (wanted !== '' && !/^\d+$/.test(wanted)) return reply(501, 'Syntax: EPSV [1|2|ALL]');
  if (wanted !== '' && wanted !== family)
    return reply(522, `Network protocol not supported, use (${family})`);
  return reply(229, `Entering Extended Passive Mode (|||${await reserve(session)}|)`);
}

function port(session: Session, argument: string): Reply {
  const target = parsePort(argument);
  if (!target) return reply(501, 'Syntax: PORT h1,h2,h3,h4,p1,p2');
  return activate(session, target);
}

function eprt(session: Session, argument: string): Reply {
  const target = parseEprt(argument);
  const family = isIPv4(session.localAddress) ? 1 : 2;
  if (target === undefined) return reply(501, 'Syntax: EPRT |protocol|address|port|');
  if (target === 'unknown-protocol' || target.protocol !== family)
    return reply(522, `Network protocol not supported, use (${family})`);
  return activate(session, target);
}

/** Only to the client's own address and an unprivileged port, or the server could be sent anywhere. */
function activate(session: Session, { host, port }: { host: string; port: number }): Reply {
  if (!session.config.active) return reply(502, 'Active mode is switched off, use PASV or EPSV.');
  if (session.state.epsvOnly) return reply(501, 'Only EPSV is allowed after EPSV ALL.');
  const foreign = !sameAddress(host, session.address);
  if (foreign || port < FIRST_UNPRIVILEGED) {
    const { user } = session.login.identity;
    const reason = foreign ? 'port-of-another-address' : 'port-below-1024';
    session.log.info({ event: 'refused', user, host, port, reason });
    return foreign
      ? reply(501, 'Only your own address is allowed.')
      : reply(504, 'Ports below 1024 are not allowed.');
  }
  dropEndpoint(session.state.endpoint);
  session.state.endpoint = { mode: 'active', host, port, localAddress: session.boundAddress };
  return reply(200, 'Will connect to your port.');
}

function type({ state }: Session, argument: string): Reply {
  const wanted = argument.toUpperCase();
  if (/^A( [NT])?$/.test(wanted)) state.type = 'A';
  else if (/^(I|L ?8)$/.test(wanted)) state.type = 'I';
  else if (/^[AEIL]\b/.test(wanted) || /^L\d+$/.test(wanted)) return reply(504, 'Type not supported.');
  else return reply(501, 'Syntax: TYPE A|I|L 8');
  return reply(200, `Type set to ${state.type}.`);
}

/** A parameter of which one value is served, and the other values of the standard are not. */
function only(name: string, value: string, others: RegExp) {
  return (_: Session, argument: string): Reply => {
    const wanted = argument.toUpperCase();
    if (wanted === value) return reply(200, `${name} set to ${value}.`);
    return others.test(wanted)
      ? reply(504, `${name} ${wanted} is not supported.`)
      : reply(501, `Syntax: ${name} ${value}`);
  };
}

function allo({ state, config }: Session, argument: string): Reply {
  const [, digits] = /^(\d{1,19})( R \d{1,19})?$/i.exec(argument) ?? [];
  if (digits === undefined) return reply(501, 'Syntax: ALLO <bytes> [R <record size>]');
  const most = largestUpload(config.memory);
  if (Number(digits) > most) return reply(552, `Files have at most ${most} bytes here.`);
  state.announced = Number(digits);
  return reply(200, 'Noted.');
}

function rest({ state, config }: Session, argument: string): Reply {
  const digits = argument;
  if (!/^\d{1,19}$/.test(digits) || BigInt(digits) >= 2n ** 63n) return reply(501, 'Syntax: REST <bytes>');
  const offset = Number(digits);
  // Offsets count bytes as stored, and a converted file has no such thing (RFC 3659 section 5).
  if (offset > 0 && state.type === 'A' && config.ascii === 'convert')
    throw new ReplyError(504, 'REST needs TYPE I.');
  state.restart = offset;
  state.range = undefined;
  return reply(350, `Restarting at ${BigInt(digits)}; send the transfer command.`);
}

export const PARAMETERS: Rows = {
  PORT: { argument: 'required', help: 'PORT <h1,h2,h3,h4,p1,p2>', run: port },
  EPRT: {
    argument: 'required',
    help: 'EPRT <|protocol|address|port|>',
    feat: ({ config }) => (config.active ? ['EPRT'] : []),
    run: eprt,
  },
  PASV: { argument: 'ignored', help: 'PASV', run: pasv },
  EPSV: { argument: 'optional', help: 'EPSV [1|2|ALL]', feat: () => ['EPSV'], run: epsv },
  TYPE: { argument: 'required', beforeLogin: true, help: 'TYPE A|I|L 8', run: type },
  STRU: { argument: 'required', beforeLogin: true, help: 'STRU F', run: only('STRU', 'F', /^[RP]$/) },
  MODE: { argument: 'required', beforeLogin: true, help: 'MODE S', run: only('MODE', 'S', /^[BCZ]$/) },
  ALLO: { argument: 'required', help: 'ALLO <bytes> [R <record size>]', run: allo },
  REST: { argument: 'required', help: 'REST <bytes>', feat: () => ['REST STREAM'], run: rest },
};
