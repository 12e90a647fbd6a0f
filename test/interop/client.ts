// What a client is to the suite, and the client programs under clients/ that all speak one command line.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunOptions, run } from './process.js';

/** A record as a client writes or reads it. A null timestamp: the client chooses. */
export type TestRecord = {
  readonly offset?: number;
  readonly timestamp: number | null;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer | null])[];
};

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
export const codecs: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** Milliseconds of a record's timestamp, or a named end of the log. */
export type At = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestampMs: number };

export type Metadata = {
  readonly brokers: readonly string[];
  /** Whether the controller is a listed broker; absent where the client does not tell. */
  readonly controller?: boolean;
  readonly topics: Readonly<Record<string, number>>;
};

/** Things that a client's user cannot say with it, or that it does not show; the suite leaves them out. */
export const LIMITS = {
  timestamp: 'it writes no timestamps',
  binary: 'it writes lines of text only',
  'null-header': 'it writes no null header values',
  'empty-value': 'it writes empty values as null',
  'read-from-timestamp': 'it does not read from a time on',
  'max-timestamp': 'it does not ask for the largest time',
  'cuts headers': 'it shows header values up to their first zero byte',
  'reads null headers as empty': 'it shows null header values as empty',
} as const;
export type Limit = keyof typeof LIMITS;

export interface Client {
  readonly name: string;
  /** What the client needs to be there, as a reason to skip; null when it is installed. */
  missing(): string | null;
  /** Tasks that make no sense for this client, with the reason. */
  readonly notApplicable: Readonly<Record<string, string>>;
  readonly limits: ReadonlySet<Limit>;
  /** Codecs that it cannot read, or not as every client writes them, with the reason. */
  readonly unreadable: Readonly<Partial<Record<Codec, string>>>;
  /** Steps of `administer` that it has no call for. */
  readonly lacks: readonly string[];
  /** What a passed cell leaves out, by task. */
  readonly remarks: Readonly<Record<string, string>>;
  version(): Promise<string>;
  metadata(bootstrap: string): Promise<Metadata>;
  create(
    bootstrap: string,
    topic: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<void>;
  remove(bootstrap: string, topic: string): Promise<void>;
  configs(bootstrap: string, topic: string): Promise<Record<string, string>>;
  /** Writes to partition 0. */
  produce(
    bootstrap: string,
    topic: string,
    records: readonly TestRecord[],
    options: { readonly codec: Codec; readonly idempotent: boolean },
  ): Promise<void>;
  /** Reads partition 0 from an offset or a time on. */
  consume(
    bootstrap: string,
    topic: string,
    from: number | { readonly timestampMs: number },
    count: number,
  ): Promise<TestRecord[]>;
  /** Values of partition 0, a newline after each, into a file. */
  consumeText(bootstrap: string, topic: string, count: number, file: string): Promise<void>;
  /** Writes every line of a file, where the client can. */
  produceText?(bootstrap: string, topic: string, file: string): Promise<void>;
  offset(bootstrap: string, topic: string, at: At): Promise<number>;
  /**
   * Transactions on partition 0 of the topic, with offsets of `input` for the group; clients/README.md.
   * Answers what it then reads of committed records.
   */
  transact?(bootstrap: string, names: TransactNames): Promise<string[]>;
  /** A consumer that pauses and seeks; clients/README.md. */
  steer?(
    bootstrap: string,
    topic: string,
    group: string,
    onEvent: (event: SteerEvent) => void,
  ): Promise<void>;
  /** What an administrator does and sees; clients/README.md. Without what the client has no call for. */
  administer?(bootstrap: string, topic: string, group: string): Promise<Record<string, unknown>>;
}

export type SteerEvent =
  | { readonly did: 'pause' | 'resume' | 'seek' }
  | { readonly did?: undefined; readonly partition: number; readonly offset: number };

export type TransactNames = {
  readonly topic: string;
  readonly input: string;
  readonly group: string;
  readonly transactionalId: string;
};

/** The broker answered with an error code. */
export class Refused extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const TEXT_TIMEOUT_MS = 300_000;

/** A client of one of the programs in clients/. */
export class ProgramClient implements Client {
  readonly name: string;
  readonly notApplicable: Readonly<Record<string, string>>;
  readonly limits: ReadonlySet<Limit>;
  readonly unreadable: Readonly<Partial<Record<Codec, string>>>;
  readonly lacks: readonly string[];
  readonly remarks: Readonly<Record<string, string>>;
  readonly #command: readonly string[];
  readonly #needs: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(options: {
    name: string;
    command: readonly string[];
    /** A path that is there once the client is installed. */
    needs: string;
    notApplicable?: Readonly<Record<string, string>>;
    limits?: readonly Limit[];
    unreadable?: Readonly<Partial<Record<Codec, string>>>;
    lacks?: readonly string[];
    remarks?: Readonly<Record<string, string>>;
    env?: Readonly<Record<string, string>>;
  }) {
    this.name = options.name;
    this.#command = options.command;
    this.#needs = options.needs;
    this.notApplicable = options.notApplicable ?? {};
    this.limits = new Set(options.limits ?? []);
    this.unreadable = options.unreadable ?? {};
    this.lacks = options.lacks ?? [];
    this.remarks = options.remarks ?? {};
    this.#env = options.env ?? {};
  }

  missing(): string | null {
    return existsSync(this.#needs) ? null : 'not installed: npm run interop:install';
  }

  async version(): Promise<string> {
    return (await this.#run('', ['version'])).trim();
  }

  async metadata(bootstrap: string): Promise<Metadata> {
    return JSON.parse(await this.#run(bootstrap, ['metadata'])) as Metadata;
  }

  async create(
    bootstrap: string,
    topic: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<void> {
    const settings = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
    await this.#run(bootstrap, ['create', topic, String(partitions), ...settings]);
  }

  async remove(bootstrap: string, topic: string): Promise<void> {
    await this.#run(bootstrap, ['delete', topic]);
  }

  async configs(bootstrap: string, topic: string): Promise<Record<string, string>> {
    return JSON.parse(await this.#run(bootstrap, ['configs', topic])) as Record<string, string>;
  }

  async produce(
    bootstrap: string,
    topic: string,
    records: readonly TestRecord[],
    options: { readonly codec: Codec; readonly idempotent: boolean },
  ): Promise<void> {
    await withTempFile(records.map(toJson).join('\n'), async (file) => {
      const args = ['produce', topic, file, '--codec', options.codec];
      if (options.idempotent) args.push('--idempotent');
      await this.#run(bootstrap, args);
    });
  }

  async consume(
    bootstrap: string,
    topic: string,
    from: number | { readonly timestampMs: number },
    count: number,
  ): Promise<TestRecord[]> {
    const at = typeof from === 'number' ? String(from) : `@${from.timestampMs}`;
    const output = await this.#run(bootstrap, ['consume', topic, at, String(count)]);
    return output
      .trimEnd()
      .split('\n')
      .map((line) => fromJson(line));
  }

  async consumeText(bootstrap: string, topic: string, count: number, file: string): Promise<void> {
    await this.#run(bootstrap, ['consume-text', topic, String(count)], {
      outputFile: file,
      timeoutMs: TEXT_TIMEOUT_MS,
    });
  }

  async produceText(bootstrap: string, topic: string, file: string): Promise<void> {
    await this.#run(bootstrap, ['produce-text', topic, file], { timeoutMs: TEXT_TIMEOUT_MS });
  }

  async offset(bootstrap: string, topic: string, at: At): Promise<number> {
    const text = typeof at === 'string' ? at : `@${at.timestampMs}`;
    return Number(await this.#run(bootstrap, ['offset', topic, text]));
  }

  async transact(
    bootstrap: string,
    { topic, input, group, transactionalId }: TransactNames,
  ): Promise<string[]> {
    const output = await this.#run(bootstrap, ['transact', topic, input, group, transactionalId]);
    return JSON.parse(output) as string[];
  }

  async steer(
    bootstrap: string,
    topic: string,
    group: string,
    onEvent: (event: SteerEvent) => void,
  ): Promise<void> {
    await this.#run(bootstrap, ['steer', topic, group], {
      onLine: (line) => onEvent(JSON.parse(line) as SteerEvent),
    });
  }

  async administer(
    bootstrap: string,
    topic: string,
    group: string,
  ): Promise<Record<string, unknown>> {
    const output = await this.#run(bootstrap, ['administer', topic, group]);
    return JSON.parse(output) as Record<string, unknown>;
  }

  async #run(
    bootstrap: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    const [command, ...first] = this.#command;
    const env = { ...this.#env, BOOTSTRAP: bootstrap };
    const result = await run(String(command), [...first, ...args], { ...options, env });
    if (result.code === 0) return result.stdout.toString();
    const refused = result.stderr.match(/^error (\d+) (.*)/m);
    if (refused !== null) throw new Refused(Number(refused[1]), result.stderr.trimEnd());
    throw new Error(`${this.name} ${args[0]}: exit ${result.code}\n${result.stderr.trimEnd()}`);
  }
}

/** Runs with a file of its own that is gone afterwards. */
export async function withTempFile<T>(
  content: string | Uint8Array,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-interop-file-'));
  try {
    const path = join(dir, 'input');
    writeFileSync(path, content);
    return await use(path);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function toJson({ timestamp, key, value, headers }: TestRecord): string {
  return JSON.stringify({
    ...(timestamp === null ? {} : { timestamp }),
    key: base64(key),
    value: base64(value),
    headers: headers.map(([name, content]) => [name, base64(content)]),
  });
}

export type JsonRecord = {
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers?: [string, string | null][] | null;
};

/** Also reads the records of expected.json. */
export function fromJson(input: string | JsonRecord): TestRecord {
  const record = typeof input === 'string' ? (JSON.parse(input) as JsonRecord) : input;
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: bytes(record.key),
    value: bytes(record.value),
    headers: (record.headers ?? []).map(([name, content]) => [name, bytes(content)]),
  };
}

function base64(content: Buffer | null): string | null {
  return content === null ? null : content.toString('base64');
}

function bytes(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64');
}
