import { setImmediate as ioSeen } from 'node:timers/promises';
import type { Row, Rows } from '../command.ts';
import { type Reply, reply } from '../reply.ts';
import type { Session } from '../session.ts';

/** All mean explicit TLS (RFC 4217 section 4.1 and its drafts); curl sends SSL first. */
const MECHANISMS = /^(TLS|TLS-C|TLS-P|SSL)$/i;

/** RFC 2228 section 3: 2^32 - 1. */
const MOST_PBSZ = 4_294_967_295;

/**
 * What was sent in clear behind the command is refused, not carried over: somebody on the way may have put it there.
 * @returns undefined where nothing was
 */
async function refuseWhatFollows(session: Session, verb: string): Promise<Reply | undefined> {
  // What is with the kernel is seen, too.
  await ioSeen();
  await ioSeen();
  if (session.quiet) return undefined;
  session.context.strangers.write('refused', 'pipelined', { address: session.address, verb });
  return reply(421, `Nothing may follow ${verb} before its reply.`);
}

async function auth(session: Session, mechanism: string): Promise<Reply> {
  const { security, config } = session;
  if (config.tls.policy === 'off') return reply(502, 'TLS is not available.');
  if (security.begun) return reply(503, 'TLS has been negotiated already.');
  if (!MECHANISMS.test(mechanism)) return reply(504, 'Only AUTH TLS is supported.');
  const refused = await refuseWhatFollows(session, 'AUTH');
  if (refused) return refused;
  if (!security.prepare()) return reply(431, 'There is no certificate now, try again later.');
  // RFC 4217 section 4.2: as if the client had just connected, so also logged out.
  session.reset();
  return { ...reply(234, 'Start TLS.'), next: () => session.secure() };
}

/** TLS has no such buffer: RFC 4217 section 9. */
function pbsz({ security }: Session, size: string): Reply {
  if (!security.controlProtected) return reply(503, 'AUTH comes first.');
  return /^\d{1,10}$/.test(size) && Number(size) <= MOST_PBSZ
    ? reply(200, 'PBSZ=0')
    : reply(501, 'Syntax: PBSZ <decimal number>');
}

/** Also without PBSZ, which some clients leave out. */
function prot(session: Session, argument: string): Reply {
  if (!session.security.controlProtected) return reply(503, 'AUTH comes first.');
  const level = argument.toUpperCase();
  if (/^[SE]$/.test(level)) return reply(536, 'TLS has only PROT C and PROT P.');
  if (level !== 'C' && level !== 'P') return reply(504, 'Only PROT C and PROT P exist.');
  if (level === 'C' && session.tlsPolicy === 'data') return reply(534, 'Data connections must be protected.');
  session.state.protection = level;
  return reply(200, level === 'P' ? 'Data connections are protected.' : 'Data connections are in clear.');
}

async function ccc(session: Session): Promise<Reply> {
  const { security, config } = session;
  if (!security.controlProtected) return reply(533, 'The control connection is not protected.');
  if (!config.tls.ccc) return reply(534, 'The control connection stays protected.');
  if (!session.state.login) return reply(530, 'Please log in with USER and PASS.');
  const refused = await refuseWhatFollows(session, 'CCC');
  return (
    refused ?? { ...reply(200, 'TLS ends on the control connection.'), next: () => security.clearControl() }
  );
}

function only(verb: 'AUTH TLS' | 'PBSZ' | 'PROT'): Row['feat'] {
  return ({ security }) => (security.available ? [verb] : []);
}

export const SECURITY: Rows = {
  AUTH: { argument: 'required', beforeLogin: true, help: 'AUTH TLS', feat: only('AUTH TLS'), run: auth },
  PBSZ: { argument: 'required', beforeLogin: true, help: 'PBSZ 0', feat: only('PBSZ'), run: pbsz },
  PROT: { argument: 'required', beforeLogin: true, help: 'PROT C|P', feat: only('PROT'), run: prot },
  CCC: {
    argument: 'ignored',
    beforeLogin: true,
    help: 'CCC',
    feat: ({ security, config }) => (security.available && config.tls.ccc ? ['CCC'] : []),
    run: ccc,
  },
};
