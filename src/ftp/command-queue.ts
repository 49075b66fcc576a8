import { type Command, parseCommand } from './command.ts';
import { COMMANDS } from './commands/table.ts';
import type { ControlChannel, Pulled } from './control.ts';
import type { Transfer } from './transfer.ts';
import type { Evidence } from './verdict.ts';

/** Lines and bytes read ahead during a transfer; beyond, the client is not read any more. */
const MOST_AHEAD = { lines: 32, bytes: 65_536 };

/** A command; a line that was too long to be one; or why there will be no more commands. */
export type Next = Command | 'too-long' | 'flood' | 'foreign' | 'end';

/**
 * The commands of a session in the order in which they are to be acted on. During a transfer the client is read
 * ahead, so that ABOR is seen behind queued lines; what must wait is acted on in its turn, also when the client
 * has said QUIT and gone.
 */
export class CommandQueue {
  readonly #control: ControlChannel;
  readonly #onLine: () => void;
  readonly #waiting: { next: Next; bytes: number }[] = [];
  #pulling: Promise<Pulled> | undefined;
  /** The pull that is under way has something. */
  #pulled = false;
  /** Why nothing more will come. */
  #last: 'flood' | 'foreign' | 'end' | undefined;
  #state: Evidence['control'] = 'open';

  /** @param onLine called for every line that comes */
  constructor(control: ControlChannel, onLine: () => void) {
    this.#control = control;
    this.#onLine = onLine;
  }

  /** What the control connection says about an upload that ends now. */
  get state(): Evidence['control'] {
    return this.#state;
  }

  /** Whether nothing is known to have come behind the command that is acted on now. */
  get quiet(): boolean {
    return this.#waiting.length === 0 && !this.#pulled && !this.#last && this.#control.quiet;
  }

  /** The session gives up the client; what it has not said by now counts as lost. */
  lost(): void {
    if (this.#state === 'open') this.#state = 'lost';
  }

  /** Waits for the next command to act on. @param running tells the transfer that runs, whenever it is asked */
  async next(running: () => Transfer | undefined): Promise<Next> {
    for (;;) {
      const transfer = running();
      const queued = transfer ? undefined : this.#waiting.shift();
      if (queued) return queued.next;
      if (this.#last) {
        if (!transfer || this.#state !== 'quit') return this.#last;
        await transfer.finished;
        continue;
      }
      this.#pulling ??= this.#pull();
      const pulled = await (transfer ? Promise.race([this.#pulling, transfer.finished]) : this.#pulling);
      if (!pulled) continue;
      this.#pulling = undefined;
      this.#pulled = false;
      const next = this.#read(pulled);
      if (next === undefined) continue;
      if (running() ? actsDuringTransfer(next, this.#waiting.length) : this.#waiting.length === 0)
        return next;
      await this.#enqueue(next, pulled, running);
    }
  }

  async #pull(): Promise<Pulled> {
    this.#pulled = false;
    const pulled = await this.#control.pull();
    this.#pulled = true;
    return pulled;
  }

  /** What a pull means; undefined where there is nothing to act on. */
  #read(pulled: Pulled): Next | undefined {
    if (pulled.kind === 'too-long') return 'too-long';
    if (pulled.kind !== 'line') {
      this.#last = pulled.kind;
      return undefined;
    }
    this.#onLine();
    const command = parseCommand(pulled.bytes);
    if (command?.verb === 'QUIT' && this.#state === 'open') this.#state = 'quit';
    return command;
  }

  async #enqueue(next: Next, pulled: Pulled, running: () => Transfer | undefined): Promise<void> {
    this.#waiting.push({ next, bytes: pulled.kind === 'line' ? pulled.bytes.length : 0 });
    const bytes = this.#waiting.reduce((sum, item) => sum + item.bytes, 0);
    if (this.#waiting.length < MOST_AHEAD.lines && bytes < MOST_AHEAD.bytes) return;
    const before = this.#state;
    this.#state = 'overrun';
    await running()?.finished;
    this.#state = before;
  }
}

/** ABOR, NOOP and STAT without argument; QUIT unless other commands wait before it. */
function actsDuringTransfer(next: Next, waiting: number): boolean {
  if (typeof next !== 'object') return false;
  const acts = COMMANDS.get(next.verb)?.duringTransfer;
  if (acts === 'in-turn') return waiting === 0;
  return acts === 'always' || (acts === 'bare' && /^\s*$/.test(next.argument.toString('latin1')));
}
