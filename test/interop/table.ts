// The table of clients x tasks at the end of a run, and the checks that belong to no client.

export type Cell =
  | { readonly kind: 'pass'; readonly seconds: number; readonly notes?: readonly string[] }
  | { readonly kind: 'fail'; readonly reason: string }
  /** The client is not there. */
  | { readonly kind: 'skip'; readonly reason: string }
  /** The task makes no sense for this client. */
  | { readonly kind: 'none'; readonly reason: string };

export class Table {
  readonly #rows = new Map<string, { version: string; cells: Map<string, Cell> }>();
  readonly #columns: string[] = [];
  readonly #checks: { readonly subject: string; readonly what: string; readonly cell: Cell }[] = [];

  row(name: string, version: string): void {
    this.#rows.set(name, { version, cells: new Map() });
  }

  set(name: string, column: string, cell: Cell): void {
    if (!this.#columns.includes(column)) this.#columns.push(column);
    this.#rows.get(name)?.cells.set(column, cell);
  }

  check(subject: string, what: string, cell: Cell): void {
    this.#checks.push({ subject, what, cell });
  }

  counts(): { passed: number; failed: number; skipped: number } {
    const count = (kind: Cell['kind']): number =>
      this.#all().filter(({ cell }) => cell.kind === kind).length;
    return { passed: count('pass'), failed: count('fail'), skipped: count('skip') };
  }

  /** One text for each failure. */
  failures(): string[] {
    return this.#all().flatMap(({ what, cell }) =>
      cell.kind === 'fail' ? [`FAIL ${what}\n${cell.reason}`] : [],
    );
  }

  toString(): string {
    const notes: string[] = [];
    const rows = [['client', 'version', ...this.#columns]];
    for (const [name, { version, cells }] of this.#rows) {
      rows.push([
        name,
        version,
        ...this.#columns.map((column) => this.#show(cells.get(column), notes)),
      ]);
    }
    const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
    const lines = (this.#rows.size === 0 ? [] : rows).map((row) =>
      row
        .map((text, i) => text.padEnd(widths?.[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    notes.forEach((reason, i) => {
      lines.push(`[${i + 1}] ${reason}`);
    });
    for (const { subject, what, cell } of this.#checks) {
      lines.push(`${this.#show(cell, notes).padEnd(9)} ${subject}: ${what}`);
    }
    return `\n${lines.join('\n')}\n`;
  }

  #show(cell: Cell | undefined, notes: string[]): string {
    if (cell === undefined) return '';
    if (cell.kind === 'fail') return 'FAIL';
    if (cell.kind === 'skip') return 'SKIPPED';
    const numbers = (cell.kind === 'pass' ? (cell.notes ?? []) : [cell.reason]).map((note) => {
      if (!notes.includes(note)) notes.push(note);
      return notes.indexOf(note) + 1;
    });
    if (cell.kind === 'none') return `-[${numbers}]`;
    return `PASS ${cell.seconds.toFixed(1)}${numbers.length > 0 ? `[${numbers}]` : ''}`;
  }

  #all(): { what: string; cell: Cell }[] {
    const cells = [...this.#rows].flatMap(([name, row]) =>
      [...row.cells].map(([column, cell]) => ({ what: `${name}: ${column}`, cell })),
    );
    return cells.concat(
      this.#checks.map(({ subject, what, cell }) => ({ what: `${subject}: ${what}`, cell })),
    );
  }
}
