/** One line on the terminal that says what runs now; nothing where there is no terminal. */

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #startMs = performance.now();

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Replaces the line. */
  say(text: string): void {
    if (!this.#stream.isTTY) return;
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(0);
    const width = this.#stream.columns ?? 80;
    this.#stream.write(`\r\x1b[K${`${seconds.padStart(4)} s  ${text}`.slice(0, width - 1)}`);
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}
