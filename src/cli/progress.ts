/** Progress of long work: one line of stderr, rewritten in place, and only on a terminal. */

import type { Clock } from '../base/clock.js';

const INTERVAL_MS = 100;

export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export class Progress {
  readonly #output: ProgressOutput;
  readonly #clock: Clock;
  readonly #total: number;
  readonly #startMs: number;
  #shownMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  /** `total` in bytes. */
  constructor(output: ProgressOutput, clock: Clock, total: number) {
    this.#output = output;
    this.#clock = clock;
    this.#total = total;
    this.#startMs = clock.monotonicMs();
  }

  show(bytes: number, what: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#output.isTTY !== true || nowMs - this.#shownMs < INTERVAL_MS) return;
    this.#shownMs = nowMs;
    this.#shown = true;
    const share = this.#total === 0 ? 100 : Math.floor((100 * bytes) / this.#total);
    const rate = formatBytes(bytes / Math.max(0.001, (nowMs - this.#startMs) / 1000));
    const line = `${String(share).padStart(3)} %  ${formatBytes(bytes)}  ${rate}/s  ${what}`;
    this.#output.write(`\r${line.slice(0, 78)}\u001b[K`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown) this.#output.write('\r\u001b[K');
    this.#shown = false;
  }
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
