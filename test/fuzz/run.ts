import { once } from 'node:events';
import { connect } from 'node:net';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { type Answer, Control, type Ends, Violation } from './control.ts';
import { act, agree, turns } from './data.ts';
import { type Script, type Step, script, type TransferStep } from './grammar.ts';

/** A server that is fuzzed. */
export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Of implicit TLS. */
  readonly tlsPort?: number | undefined;
  readonly user: string;
  readonly password: string;
  /** Whether clients can come from any address of 127.0.0.0/8. */
  readonly manyAddresses: boolean;
  /** What the server logged as a fault of its own in sessions from this address; undefined: it cannot be asked. */
  readonly faults?: (address: string) => readonly unknown[];
}

export interface FuzzOptions {
  readonly targets: readonly Target[];
  /** For how long new scripts are begun; 0: one script, that of the seed. */
  readonly seconds: number;
  /** Of the first script; each next one has the next seed. */
  readonly seed: number;
  /** Clients at once. */
  readonly sessions: number;
  /** Milliseconds that any answer may take. */
  readonly bound: number;
  /** Told now and then; clean-up between scripts may be done here. */
  readonly onScript?: (scripts: number) => Promise<void>;
}

export interface FuzzReport {
  readonly scripts: number;
  readonly commands: number;
  /** One text each: the seed, what is wrong, the shortest script found, and its transcript. */
  readonly failures: readonly string[];
}

/** Milliseconds that are spent on a shorter script. */
const SHRINKING = 60_000;

let clients = 0;
let commands = 0;

/** Runs scripts, seed by seed, until the time is over or three have failed. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const until = Date.now() + options.seconds * 1000;
  const failures: string[] = [];
  let scripts = 0;
  const before = commands;
  const running = new Set<number>();
  const crashed = (error: Error) =>
    failures.push(
      `a server in this process crashed while seeds ${[...running].join(', ')} ran: ${error.stack}`,
    );
  const work = async () => {
    while (failures.length < 3 && (scripts === 0 || Date.now() < until)) {
      const seed = options.seed + scripts++;
      running.add(seed);
      const failure = await tryScript(options, seed);
      running.delete(seed);
      if (failure !== undefined) failures.push(failure);
      await options.onScript?.(scripts);
    }
  };
  process.on('uncaughtExceptionMonitor', crashed);
  await Promise.all(Array.from({ length: options.seconds === 0 ? 1 : options.sessions }, work));
  process.off('uncaughtExceptionMonitor', crashed);
  return { scripts, commands: commands - before, failures };
}

/** The seed tells the script and, of several servers, which one. */
async function tryScript({ targets, bound }: FuzzOptions, seed: number): Promise<string | undefined> {
  const target = targets[seed % targets.length];
  if (target === undefined) throw new Error('no server to fuzz');
  let transcript: readonly string[] = [];
  let shrinkUntil = Number.POSITIVE_INFINITY;
  const property = fc.asyncProperty(script, async (each) => {
    // A failure that was found is the result then.
    if (Date.now() > shrinkUntil) return;
    try {
      const played = play(target, each, bound, (lines) => {
        transcript = lines;
      });
      const stuck = once(AbortSignal.timeout(8 * bound), 'abort').then(() => {
        throw new Violation('the script came to no end');
      });
      await Promise.race([played, stuck]);
    } catch (error) {
      if (shrinkUntil === Number.POSITIVE_INFINITY) shrinkUntil = Date.now() + SHRINKING;
      if (error instanceof Error) error.message += `\n${transcript.slice(-60).join('\n')}`;
      throw error;
    }
  });
  const found = await fc.check(property, { seed, numRuns: 1 });
  if (!found.failed) return undefined;
  const error = found.errorInstance;
  const shown = inspect(found.counterexample?.[0], { depth: null, maxStringLength: 300, breakLength: 110 });
  return `--seed ${seed} (${target.name}): ${error instanceof Error ? (error.stack ?? error.message) : error}\nscript: ${shown}`;
}

/** @throws Violation, and what else goes wrong */
async function play(
  target: Target,
  { door, login, steps, end }: Script,
  bound: number,
  show: (transcript: readonly string[]) => void,
): Promise<void> {
  clients++;
  const address = `127.${1 + ((clients >> 16) % 200)}.${(clients >> 8) & 255}.${1 + (clients % 250)}`;
  const localAddress = target.manyAddresses ? address : undefined;
  const { host, port, tlsPort } = target;
  if (door === 'garbage' && tlsPort !== undefined)
    return garbage({ host, port: tlsPort, localAddress }, steps);
  const implicit = door === 'implicit' && tlsPort !== undefined;
  const ends: Ends = { host, port: implicit ? tlsPort : port, localAddress, implicit };
  const control = await Control.open(ends, bound);
  show(control.transcript);
  try {
    if (login) await logIn(control, target);
    for (const step of steps) {
      if (control.ended) break;
      await take(control, step, target);
      await control.probe();
      control.check();
    }
    if (!control.ended) await control.leave(end);
    control.check();
    const faults = target.faults?.(address) ?? [];
    if (faults.length > 0) throw new Violation(`the server logged a fault: ${JSON.stringify(faults)}`);
  } finally {
    commands += control.answers.length;
    control.destroy();
  }
}

/** What is no TLS, to a port that speaks nothing else; the server must let go. */
async function garbage(
  to: { host: string; port: number; localAddress: string | undefined },
  steps: readonly Step[],
) {
  const socket = connect(to);
  const closed = once(socket, 'close');
  socket.on('error', () => {}).resume();
  for (const step of steps) if (step.kind === 'lines') socket.write(Buffer.from(step.bytes, 'latin1'));
  await closed.catch(() => {});
}

async function logIn(control: Control, { user, password }: Target): Promise<void> {
  for (const line of [`USER ${user}`, `PASS ${password}`, 'TYPE I']) {
    await control.send(`${line}\r\n`);
    if (!(await control.settle())) return;
  }
}

async function take(control: Control, step: Step, target: Target): Promise<void> {
  switch (step.kind) {
    case 'login':
      return logIn(control, target);
    case 'lines':
      await control.send(step.bytes, step.cuts);
      await control.settle();
      return;
    case 'auth': {
      const known = control.answers.length;
      await control.send(`AUTH ${step.mechanism}\r\n`);
      const answer = await control.answer(known);
      if (answer?.code !== 234) {
        await control.settle();
        return;
      }
      if (!(await control.secure(step.next))) return;
      await logIn(control, target);
      await control.send('PROT P\r\n');
      await control.settle();
      return;
    }
    case 'transfer':
      return transfer(control, step);
  }
}

async function transfer(control: Control, step: TransferStep): Promise<void> {
  const { endpoint, before, line, time, size, meanwhile } = step;
  using end = await agree(control, endpoint, time !== 'never');
  for (const text of before) {
    await control.send(`${text}\r\n`);
    await control.settle();
  }
  const isPassive = endpoint.endsWith('PASV') || endpoint.endsWith('EPSV');
  let socket = isPassive && ['early', 'twice', 'vanish'].includes(time) ? await end?.dial() : undefined;
  if (time === 'twice') await end?.dial();
  if (time === 'vanish') socket?.resetAndDestroy();
  const uploads = /^(STOR|APPE|STOU)/i.test(line);
  const known = control.answers.length;
  await control.send(`${line}\r\n`);
  const mark = await control.answer(known);
  if (mark !== undefined && mark.code < 200) {
    if (time === 'late') await turns(5);
    if (time !== 'never') socket ??= await end?.dial();
    const acting =
      socket && time !== 'vanish'
        ? act(socket, step.act, {
            uploads,
            size,
            wrapped: control.protects ? step.wrapped : undefined,
            isWanted: () => !control.ended && control.answers.length === known + 1,
          })
        : undefined;
    if (meanwhile !== '') await control.send(meanwhile);
    await acting;
  }
  const alive = await control.settle();
  if (!alive || meanwhile !== '' || !uploads) return;
  judgeUpload(control.answers.slice(known), step, socket !== undefined);
}

/** 226 is for an upload that its client has ended, never for one that broke or did not come. */
function judgeUpload(answers: readonly Answer[], { act: how, time }: TransferStep, connected: boolean): void {
  const final = answers.find(({ code }) => code >= 200);
  const ended = connected && time !== 'vanish' && how !== 'reset' && how !== 'stall';
  if (final?.code === 226 && !ended)
    throw new Violation(`an upload that was never ended (${time}, ${how}) is answered with ${final.text}`);
}
