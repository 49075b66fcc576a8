import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config.ts';
import { Filesystem } from '../../fs/filesystem.ts';
import { treeFault } from '../../fs/tree.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Attempt } from '../../identity/throttle.ts';
import { mayComeFrom } from '../admission.ts';
import type { Rows } from '../command.ts';
import { type Reply, ReplyError, reply, textLines } from '../reply.ts';
import type { Session } from '../session.ts';
import { stricterPolicy } from '../tls/policy.ts';

/** Characters no user name has; people type passwords and worse here. */
const BAD_USER = /^$|[\p{Cc}/\\]|^.{129,}$/u;

/** The name is never judged here: who may exist is told by nothing before PASS (RFC 2577 section 7). */
async function user(session: Session, name: string): Promise<Reply> {
  const { state, config, security } = session;
  if (state.login) return reply(503, 'Already logged in; QUIT or REIN first.');
  if (needsTls(config.tls.policy) && !security.controlProtected) {
    session.context.strangers.write('refused', 'tls-required', { address: session.address });
    return reply(530, 'TLS is required: send AUTH TLS first.');
  }
  state.userName = name;
  session.trace();
  const identity = security.certificate && (await ofCertificate(session, name));
  if (!identity) return reply(331, 'Password required.');
  state.userName = undefined;
  return letIn(session, identity) ?? { code: 232, lines: textLines(config.welcome) };
}

function needsTls(policy: Config['tls']['policy']): boolean {
  return policy === 'login' || policy === 'data';
}

/** Who logs in by a certificate instead of a password (RFC 4217 section 12.2); whoever does not is asked for one. */
async function ofCertificate(session: Session, name: string): Promise<Identity | undefined> {
  if (!session.context.storageAvailable()) return undefined;
  const attempt = await session.context.admission.throttle.begin(name, session.address);
  try {
    const judged = await judge(session, attempt, name, undefined);
    return typeof judged === 'string' || judged.anonymous ? undefined : judged;
  } finally {
    attempt.undecided();
  }
}

async function pass(session: Session, password: string): Promise<Reply> {
  const { state, context, address, config } = session;
  if (state.login) return reply(503, 'Already logged in.');
  const name = state.userName;
  if (name === undefined) return reply(503, 'Send USER first.');
  state.userName = undefined;
  const failureDue = wholeDelays(config.times.loginDelay);
  if (!context.storageAvailable()) return reply(421, 'Service not available, try again later.');
  const attempt = await context.admission.throttle.begin(name, address);
  const judged = await judge(session, attempt, name, password).catch(async (error) => {
    attempt.undecided();
    await failureDue();
    throw error;
  });
  if (typeof judged === 'string') {
    attempt.failed();
    await failureDue();
    const last = ++state.failedLogins >= config.limits.loginAttempts;
    session.log.info({ event: 'login', outcome: 'refused', reason: judged, ...whose(name, attempt.known) });
    return last ? reply(421, 'Too many failed logins.') : reply(530, 'Login incorrect.');
  }
  attempt.succeeded();
  const refused = letIn(session, judged);
  if (refused) return refused;
  // By old custom a dash before the password asks for a short answer.
  const lines = password.startsWith('-') ? ['Logged in.'] : textLines(config.welcome);
  return { code: 230, lines };
}

/** Who logs in; or why nobody does, for the log: the client is told the same at the same time, whatever it was. */
async function judge(
  session: Session,
  { ban, delay }: Attempt,
  name: string,
  password: string | undefined,
): Promise<Identity | string> {
  if (ban) return `banned-${ban}`;
  if (BAD_USER.test(name)) return 'bad-name';
  if (delay > 0) await sleep(delay);
  const identity = await authenticate(session, name, password);
  if (!identity) return 'wrong';
  if (!mayComeFrom(identity, session.address)) return 'network';
  // Of such a rule only those hear who know the password, and only in the log.
  const policy = stricterPolicy(session.config.tls.policy, identity.tls);
  return needsTls(policy) && !session.security.controlProtected ? 'tls-required' : identity;
}

/**
 * Lets a user in who has shown who they are.
 * @returns the refusal where their mounts cannot be served, or they have too many sessions
 */
export function letIn(session: Session, identity: Identity): Reply | undefined {
  const { context, address, log } = session;
  const storage = context.storageOf(identity);
  const fault = treeFault(identity, storage.hidden);
  if (fault) {
    log.error({ event: 'fault', user: identity.user, reason: fault }, 'mounts that cannot be served');
    return reply(421, 'Service not available, try again later.');
  }
  const seat = context.admission.seat(identity);
  if (!seat) {
    log.info({ event: 'login', outcome: 'refused', reason: 'sessions-per-user', user: identity.user });
    return reply(421, 'Too many sessions of this user, try again later.');
  }
  const filesystem = new Filesystem(storage, identity, address);
  session.loggedIn({ identity, filesystem, seat });
  log.info({ event: 'login', outcome: 'accepted', user: identity.user });
  return undefined;
}

/** Key of this process, so that nobody finds a name by trying names. */
const NAMES_KEY = randomBytes(32);

/** A name that is no user's may be a password that was typed at the wrong place: a digest tells repeats apart. */
function whose(name: string, known: boolean): { user: string } | { unknown: string } {
  if (known) return { user: name };
  return { unknown: createHmac('sha256', NAMES_KEY).update(name).digest('hex').slice(0, 12) };
}

/**
 * Starts a clock for failures: what it returns waits until one delay has passed, or where that is over already the
 * next whole number of delays, so that the time of an answer tells neither its cause nor the kind of hash.
 * @param delay milliseconds
 */
function wholeDelays(delay: number): () => Promise<void> {
  const started = performance.now();
  return async () => {
    if (delay === 0) return;
    const passed = performance.now() - started;
    await sleep(Math.ceil(Math.max(1, Math.ceil(passed / delay)) * delay - passed));
  };
}

/** A provider that cannot tell must never look like a refusal: 421, not 530. */
async function authenticate(session: Session, name: string, password: string | undefined) {
  const { context, address, log, security } = session;
  const protocol = security.controlProtected ? 'FTPS' : 'FTP';
  try {
    const peer = { address, protocol, certificate: security.certificate } as const;
    return await context.authenticate({ user: name, password }, peer);
  } catch (error) {
    log.error({ event: 'fault', outcome: 'undecided', err: error }, 'cannot tell who may log in');
    throw new ReplyError(421, 'Service not available, try again later.', { cause: error });
  }
}

/** In TLS it would have to end TLS, too (RFC 4217 section 13); nobody sends it there. */
function rein(session: Session): Reply {
  if (session.security.begun) return reply(502, 'Not with TLS; reconnect instead.');
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
