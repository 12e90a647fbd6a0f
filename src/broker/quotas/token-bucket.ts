/**
 * A token bucket, as Kafka has it for changes of metadata (KIP-599): tokens come at the rate of the
 * quota up to a burst; whoever takes more than there are goes into debt, and waits until it is paid.
 */

export class TokenBucket {
  #tokens: number;
  #atMs: number;

  constructor(burst: number, nowMs: number) {
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** How long the debt takes to be paid; 0 if there is none. */
  throttleMs(ratePerSecond: number, burst: number, nowMs: number): number {
    this.#refill(ratePerSecond, burst, nowMs);
    return this.#tokens >= 0 ? 0 : Math.round((-this.#tokens / ratePerSecond) * 1000);
  }

  take(count: number, ratePerSecond: number, burst: number, nowMs: number): void {
    this.#refill(ratePerSecond, burst, nowMs);
    this.#tokens -= count;
  }

  #refill(ratePerSecond: number, burst: number, nowMs: number): void {
    const added = ((nowMs - this.#atMs) / 1000) * ratePerSecond;
    this.#tokens = Math.min(burst, this.#tokens + added);
    this.#atMs = nowMs;
  }
}
