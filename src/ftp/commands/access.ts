import { setTimeout as sleep } from 'node:timers/promises';
import { Filesystem } from '../../fs/filesystem.ts';
import type { Rows } from '../command.ts';
import { type Reply, ReplyError, reply, textLines } from '../reply.ts';
import type { Session } from '../session.ts';

/** Characters no user name has; people type passwords and worse here. */
const BAD_USER = /^$|[\p{Cc}/\\]|^.{129,}$/u;

/** The name is never judged here: who may exist is told by nothing before PASS (RFC 2577 section 7). */
function user(session: Session, name: string): Reply {
  if (session.state.login) return reply(503, 'Already logged in; QUIT or REIN first.');
  session.state.userName = name;
  session.trace();
  return reply(331, 'Password required.');
}

async function pass(session: Session, password: string): Promise<Reply> {
  const { state, context, address, config } = session;
  if (state.login) return reply(503, 'Already logged in.');
  const name = state.userName;
  if (name === undefined) return reply(503, 'Send USER first.');
  state.userName = undefined;
  if (!context.storageAvailable()) return reply(421, 'Service not available, try again later.');
  const identity = BAD_USER.test(name) ? undefined : await authenticate(session, name, password);
  if (!identity) {
    await sleep(config.times.loginDelay);
    const last = ++state.failedLogins >= config.limits.loginAttempts;
    session.log.info({ event: 'login', outcome: 'refused', address });
    return last ? reply(421, 'Too many failed logins.') : reply(530, 'Login incorrect.');
  }
  session.loggedIn({ identity, filesystem: new Filesystem(context.storageOf(identity), identity, address) });
  session.log.info({ event: 'login', outcome: 'accepted', user: identity.user });
  // By old custom a dash before the password asks for a short answer.
  const lines = password.startsWith('-') ? ['Logged in.'] : textLines(config.welcome);
  return { code: 230, lines };
}

/** A provider that cannot tell must never look like a refusal: 421, not 530. */
async function authenticate({ context, address, log }: Session, name: string, password: string) {
  try {
    return await context.authenticate({ user: name, password }, { address, protocol: 'FTP' });
  } catch (error) {
    log.error({ event: 'fault', err: error }, 'cannot tell who may log in');
    throw new ReplyError(421, 'Service not available, try again later.', { cause: error });
  }
}

function rein(session: Session): Reply {
  session.reset();
  return reply(220, 'Ready for a new user.');
}

/** A transfer that runs is finished first (RFC 959 4.1.1). */
async function quit(session: Session): Promise<Reply> {
  session.quit();
  await session.transfer?.finished;
  return reply(221, 'Goodbye.');
}

export const ACCESS: Rows = {
  USER: { argument: 'required', beforeLogin: true, help: 'USER <name>', run: user },
  PASS: { argument: 'verbatim', beforeLogin: true, secret: true, help: 'PASS <password>', run: pass },
  ACCT: {
    argument: 'required',
    beforeLogin: true,
    secret: true,
    help: 'ACCT <account>',
    run: ({ state }) => (state.login ? reply(202, 'No account is needed.') : reply(503, 'Send USER first.')),
  },
  REIN: { argument: 'ignored', beforeLogin: true, help: 'REIN', run: rein },
  QUIT: { argument: 'ignored', beforeLogin: true, duringTransfer: 'in-turn', help: 'QUIT', run: quit },
};
