/** Source text in the making, and the constants that it refers to. */

export interface Source {
  readonly source: string;
  /** What `constants[n]` in the source is. */
  readonly constants: readonly unknown[];
}

export class SourceBuilder {
  readonly #lines: string[] = [];
  readonly #constants: unknown[] = [];
  #names = 0;

  /** Adds lines. */
  add(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  /** A variable name not used before. */
  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** An expression for `value`: a literal, or a reference to a constant. */
  literal(value: unknown): string {
    if (value === null || typeof value === 'boolean' || typeof value === 'string') {
      return JSON.stringify(value);
    }
    if (typeof value === 'number') return String(value);
    let index = this.#constants.indexOf(value);
    if (index < 0) index = this.#constants.push(value) - 1;
    return `constants[${index}]`;
  }

  finish(): Source {
    return { source: `${this.#lines.join('\n')}\n`, constants: this.#constants };
  }
}
