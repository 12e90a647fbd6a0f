/** `broker.faults`: the test's side of the fault plan. */

import type { FaultAction, FaultRule } from './fault-rule.js';
import type { Remote } from './remote.js';

/** What the plan beside the dispatcher takes (fault-plan.ts). */
export interface FaultPlanPart {
  add(id: number, rule: FaultRule, action: FaultAction, shared: SharedArrayBuffer): void;
  remove(id: number): void;
  removeAll(): void;
}

/** A rule that is in force until it is removed or disposed. */
export interface Fault extends AsyncDisposable {
  readonly rule: FaultRule;
  readonly action: FaultAction;
  /** How often it has fired so far; is up to date in every thread, without waiting. */
  readonly fired: number;
  /** Takes it out of force. Idempotent. Answers how often it fired. */
  remove(): Promise<number>;
}

export class Faults {
  readonly #plan: Remote<FaultPlanPart>;
  #lastId = 0;

  constructor(plan: Remote<FaultPlanPart>) {
    this.#plan = plan;
  }

  /**
   * In force for every request that comes after the promise has resolved. Rejects with INVALID_FAULT and
   * a suggestion for a name that is not known.
   */
  async add(rule: FaultRule, action: FaultAction): Promise<Fault> {
    const shared = new SharedArrayBuffer(4);
    const fired = new Int32Array(shared);
    // Ours: a plan that came after a kill must not take it for one of its own.
    const id = ++this.#lastId;
    await this.#plan.add(id, rule, action, shared);
    const remove = async (): Promise<number> => {
      await this.#plan.remove(id);
      return Atomics.load(fired, 0);
    };
    return {
      rule,
      action,
      get fired() {
        return Atomics.load(fired, 0);
      },
      remove,
      async [Symbol.asyncDispose]() {
        await remove();
      },
    };
  }

  /** Takes every rule out of force. */
  async clear(): Promise<void> {
    await this.#plan.removeAll();
  }
}
