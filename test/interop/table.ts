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
    const lines = this.#rows.size === 0 ? [] : aligned(rows);
    notes.forEach((reason, i) => {
      lines.push(`[${i + 1}] ${reason}`);
    });
    for (const { subject, what, cell } of this.#checks) {
      lines.push(`${this.#show(cell, notes).padEnd(9)} ${subject}: ${what}`);
    }
    return `\n${lines.join('\n')}\n`;
  }

  /** The clients once more, by what they are said to do; a claim of several tasks is held if all pass. */
  claims(claims: readonly (readonly [string, readonly string[]])[]): string {
    const notes: string[] = [];
    const rows = [['client', ...claims.map(([claim]) => claim)]];
    for (const [name, { cells }] of this.#rows) {
      const shown = claims.map(([, tasks]) => {
        const found = tasks.flatMap((task) => cells.get(task) ?? []);
        if (found.length === 0) return '';
        const bad = found.find(({ kind }) => kind === 'fail' || kind === 'skip');
        if (bad !== undefined) return this.#show(bad, notes);
        const none = found.filter(({ kind }) => kind === 'none');
        // One of its codecs is missing, or the claim itself.
        if (none.length === found.length) return this.#show(none[0], notes);
        const numbers = found.flatMap((cell) => numbersOf(cell, notes));
        const some = found.length < tasks.length || none.length > 0 ? 'part' : 'yes';
        return `${some}${numbers.length > 0 ? `[${[...new Set(numbers)]}]` : ''}`;
      });
      rows.push([name, ...shown]);
    }
    return `\n${[...aligned(rows), ...notes.map((note, i) => `[${i + 1}] ${note}`)].join('\n')}\n`;
  }

  #show(cell: Cell | undefined, notes: string[]): string {
    if (cell === undefined) return '';
    if (cell.kind === 'fail') return 'FAIL';
    if (cell.kind === 'skip') return 'SKIPPED';
    const numbers = numbersOf(cell, notes);
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

/** The numbers of a cell's notes, which are added to those there are. */
function numbersOf(cell: Cell, notes: string[]): number[] {
  return (cell.kind === 'pass' ? (cell.notes ?? []) : [cell.reason]).map((note) => {
    if (!notes.includes(note)) notes.push(note);
    return notes.indexOf(note) + 1;
  });
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, i) => text.padEnd(widths?.[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
