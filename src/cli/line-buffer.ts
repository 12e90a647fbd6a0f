/** Puts lines together, so that a long listing is not one write(2) a line. */

const BUFFER_LENGTH = 64 * 1024;

export class LineBuffer {
  readonly #write: (text: string) => void;
  #text = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  line(line: string): void {
    this.#text += `${line}\n`;
    if (this.#text.length >= BUFFER_LENGTH) this.flush();
  }

  flush(): void {
    if (this.#text !== '') this.#write(this.#text);
    this.#text = '';
  }
}
