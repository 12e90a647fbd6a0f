/**
 * What a suite of benches is. bench/NAME.bench.ts exports one as `suite` and does nothing when it is
 * imported; bench/main.ts finds it by its name.
 *
 * A round runs every case once; rounds go forwards and backwards in turn, so that a drift of the
 * machine meets all cases alike. A ratio is taken between two cases of the same round, and the median
 * of these is reported: both saw the same machine. A first round is thrown away.
 */

/** What one run of a case says. */
export interface Measurement {
  /** In the case's unit. */
  readonly value: number;
  /** CPU seconds of the measured process (user and system) per 1e9 bytes. */
  readonly cpuSecondsPerGb?: number;
  /** Resident memory of the measured process. */
  readonly rssMib?: number;
  /** Other figures by name, with the unit last (p99Ms, cpuMicrosPerRequest). */
  readonly more?: Readonly<Record<string, number>>;
}

export interface Case {
  /** Unique in its suite. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Name of the case that this one is divided by. */
  readonly baseline?: string;
  /** Before the first round. */
  setup?(): Promise<void>;
  /** Round 0 is the warm-up; `round` counts on if a round is repeated. */
  run(round: number): Promise<Measurement>;
  /** After the last round, also of a case that failed. */
  teardown?(): Promise<void>;
}

/** Name of a figure: of Measurement, or of its `more`. */
export type Figure = 'value' | 'cpuSecondsPerGb' | 'rssMib' | (string & {});

export interface Target {
  /** As issue and docs/PERFORMANCE.md call it: F1, E4. */
  readonly id: string;
  readonly case: string;
  /** 'value' if not said. */
  readonly figure?: Figure;
  /**
   * The case that the figure is divided by, round by round. The case's own baseline if not said; null:
   * the figure itself is held against the bound.
   */
  readonly against?: string | null;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A word on the command line (`--gib 50`) and its default. */
export interface Parameter {
  readonly default: string;
  readonly doc: string;
}

/** What a suite gets when it is opened. */
export interface BenchContext {
  /** Every parameter of the suite, as given or its default. */
  readonly parameters: Readonly<Record<string, string>>;
  /** A parameter as a number; throws if it is none. */
  number(name: string): number;
  /** A directory of this run, removed after it. */
  readonly dir: string;
  /** A line under the table, and in the JSON: what was left out and why, versions of rivals. */
  note(text: string): void;
}

/** The opened suite: what its cases share lives from here to `close`. */
export interface OpenSuite {
  readonly cases: readonly Case[];
  close?(): Promise<void>;
}

export interface Suite {
  /** That of its file. */
  readonly name: string;
  readonly title: string;
  /** The question that it answers, in one sentence. */
  readonly question: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Rounds that are measured, 5 if not said. */
  readonly rounds?: number;
  readonly targets?: readonly Target[];
  open(context: BenchContext): Promise<OpenSuite>;
}

/** One round as it is kept. */
export interface Round {
  readonly number: number;
  /** Share of all cores that was used by neither us nor our children, 0 to 1. */
  readonly foreignCpu: number;
  /** False: thrown away for its foreign CPU. */
  readonly kept: boolean;
  readonly measurements: Readonly<Record<string, Measurement>>;
}

export interface Verdict extends Target {
  readonly reached: number;
  readonly ok: boolean;
}

export interface Environment {
  readonly date: string;
  readonly commit: string;
  /** The work tree differs from the commit. */
  readonly dirty: boolean;
  readonly node: string;
  readonly native: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly congestion: string;
}

/** What stands in bench/results/NAME.json. */
export interface SuiteResult {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly environment: Environment;
  readonly cases: readonly Pick<Case, 'name' | 'unit' | 'better' | 'baseline'>[];
  readonly rounds: readonly Round[];
  /** Cases that threw: name and reason. */
  readonly failures: Readonly<Record<string, string>>;
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}
