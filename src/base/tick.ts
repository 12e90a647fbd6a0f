/**
 * The end of an event loop tick, in two phases: appends are written, then responses are sent.
 *
 *     poll:   read sockets, decode, validate, queue appends        (many requests)
 *     check:  'append' callbacks: one write per dirty partition
 *             microtasks: handlers learn that their append is written, encode responses
 *             'send' callbacks: one flush per dirty connection
 *
 * Both phases are immediates armed together, so microtasks run between them and an acknowledgement
 * leaves in the tick in which its write was made.
 */

export type TickPhase = 'append' | 'send';

let armed = false;
let appendQueue: (() => void)[] = [];
let sendQueue: (() => void)[] = [];
let yieldedCount = 0;

/**
 * Runs `callback` once at the end of this tick in `phase`. The caller keeps its own "queued" flag;
 * a callback queued twice runs twice. Callbacks must not throw.
 */
export function atTickEnd(phase: TickPhase, callback: () => void): void {
  (phase === 'append' ? appendQueue : sendQueue).push(callback);
  if (!armed) {
    armed = true;
    setImmediate(runAppends);
    setImmediate(runSends);
  }
}

/** Lets the event loop take a turn: what a long piece of work does between two steps. */
export async function yieldToLoop(): Promise<void> {
  yieldedCount++;
  try {
    await new Promise(setImmediate);
  } finally {
    yieldedCount--;
  }
}

/** Nothing waits for the end of this tick, and no piece of work is between two of its steps. */
export function isTickIdle(): boolean {
  return !armed && yieldedCount === 0;
}

function runAppends(): void {
  const queue = appendQueue;
  appendQueue = [];
  for (const callback of queue) callback();
}

function runSends(): void {
  armed = false;
  const queue = sendQueue;
  sendQueue = [];
  for (const callback of queue) callback();
  // Appends queued after the append phase began wait for the next tick.
  if (appendQueue.length > 0 && !armed) {
    armed = true;
    setImmediate(runAppends);
    setImmediate(runSends);
  }
}
