// Parts are written straight to where they will lie in the whole, wherever the sizes of all parts before are known
// in time. Completing such an upload copies nothing. What cannot be placed goes to a file of its own.

interface Slot {
  readonly offset: number;
  readonly size: number;
  state: 'free' | 'writing' | 'written';
}

interface Plan {
  readonly slots: Map<number, Slot>;
  /** Sizes of parts by number, also of those whose place is not known yet. */
  readonly sizes: Map<number, number>;
  /** The number of the first part without a slot, and where it will lie. */
  next: number;
  end: number;
  /** Set once the parts are put together: nobody may write into the whole any more. */
  sealed: boolean;
}

// By upload id, for uploads that this process opened.
const plans = new Map<string, Plan>();

/** A place for one part. The one that took it must leave it. */
export interface TakenSlot {
  /** Where the part begins in the whole, in bytes. */
  readonly offset: number;
  /** Says whether the part was written. A slot that was is never given away again. */
  leave(written: boolean): void;
}

/** Begins to place the parts of a new upload. */
export function openPlan(id: string): Plan {
  const plan = { slots: new Map(), sizes: new Map(), next: 1, end: 0, sealed: false };
  plans.set(id, plan);
  return plan;
}

/** Takes the place of a part, or returns undefined where it is not known, taken, or of another size. */
export function takeSlot(id: string, number: number, size: number): TakenSlot | undefined {
  const plan = plans.get(id);
  if (!plan || plan.sealed) return undefined;
  if (number >= plan.next) plan.sizes.set(number, size);
  for (let known = plan.sizes.get(plan.next); known !== undefined; known = plan.sizes.get(plan.next)) {
    plan.slots.set(plan.next++, { offset: plan.end, size: known, state: 'free' });
    plan.end += known;
  }
  const slot = plan.slots.get(number);
  if (slot?.state !== 'free' || slot.size !== size) return undefined;
  slot.state = 'writing';
  return {
    offset: slot.offset,
    leave: (written) => {
      slot.state = written ? 'written' : 'free';
    },
  };
}

/**
 * Ends placing, for good. Returns whether the whole may be changed by who asks: nobody is writing to it, nor
 * has another asked before.
 */
export function sealPlan(id: string): boolean {
  const plan = plans.get(id) ?? openPlan(id);
  if (plan.sealed) return false;
  plan.sealed = true;
  return [...plan.slots.values()].every(({ state }) => state !== 'writing');
}

/** Forgets an upload that is gone. */
export function dropPlan(id: string): void {
  plans.delete(id);
}
