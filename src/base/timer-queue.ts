/**
 * Timers by due time, then by the order in which they were set: a binary heap. A cancelled one stays in
 * it until it comes to the top, so that cancelling costs nothing.
 */

export interface QueuedTimer {
  readonly dueMs: number;
  readonly sequence: number;
  /** Null: cancelled or run. */
  callback: (() => void) | null;
}

export class TimerQueue {
  #heap: QueuedTimer[] = [];
  #count = 0;
  #sequence = 0;

  /** Timers that wait. */
  get count(): number {
    return this.#count;
  }

  add(dueMs: number, callback: () => void): QueuedTimer {
    const timer: QueuedTimer = { dueMs, sequence: this.#sequence++, callback };
    this.#count++;
    this.#rise(timer);
    return timer;
  }

  /** Idempotent, also after it ran. */
  cancel(timer: QueuedTimer): void {
    if (timer.callback === null) return;
    timer.callback = null;
    this.#count--;
    // Many cancelled and none run: the heap is made anew before it is mostly dead.
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#count) {
      const left = this.#heap.filter(({ callback }) => callback !== null);
      this.#heap = [];
      for (const one of left) this.#rise(one);
    }
  }

  /** When the next one is due; null: none waits. */
  get nextDueMs(): number | null {
    return this.#first()?.dueMs ?? null;
  }

  /** Takes the next one out and answers its callback; null: none waits. */
  take(): (() => void) | null {
    const timer = this.#first();
    if (timer === undefined) return null;
    const { callback } = timer;
    timer.callback = null;
    this.#count--;
    this.#removeTop();
    return callback;
  }

  #first(): QueuedTimer | undefined {
    while (this.#heap.length > 0 && this.#heap[0]?.callback === null) this.#removeTop();
    return this.#heap[0];
  }

  #rise(timer: QueuedTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as QueuedTimer;
      if (!isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #removeTop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as QueuedTimer)) child++;
      const below = heap[child] as QueuedTimer;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: QueuedTimer, b: QueuedTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}
