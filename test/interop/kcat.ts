// kcat: its command line for the tasks of the suite.

import { spawnSync } from 'node:child_process';
import {
  type At,
  type Client,
  type Codec,
  type Limit,
  type Metadata,
  Refused,
  type TestRecord,
  withTempFile,
} from './client.js';
import { type RunOptions, type RunResult, run } from './process.js';

const TEXT_TIMEOUT_MS = 300_000;
// Offset, timestamp, sizes and headers on a line of their own, then the bytes of key and value.
const FORMAT = '%o %T %K %S %h\\n%k%s\\n';

export class KcatClient implements Client {
  readonly name = 'kcat';
  readonly notApplicable = {
    transactions: 'kcat ends no transaction by itself',
    create: 'kcat has no such call',
    configs: 'kcat has no such call',
    delete: 'kcat has no such call',
    steer: 'kcat has no such call',
    admin: 'kcat has no such call',
  };
  readonly limits: ReadonlySet<Limit> = new Set(['timestamp', 'max-timestamp', 'cuts headers']);

  readonly unreadable = {};
  readonly lacks = [];
  readonly remarks = {};

  missing(): string | null {
    return spawnSync('kcat', ['-V']).error === undefined ? null : 'no kcat on PATH (Debian: kcat)';
  }

  async version(): Promise<string> {
    const { stdout } = await run('kcat', ['-V']);
    const text = stdout.toString();
    const library = text.match(/librdkafka ([\d.]+)/)?.[1];
    return `${text.match(/Version ([\d.]+)/)?.[1]} (librdkafka ${library})`;
  }

  async metadata(bootstrap: string): Promise<Metadata> {
    const { stdout } = await kcat(bootstrap, ['-L', '-J']);
    const found = JSON.parse(stdout.toString()) as {
      controllerid: number;
      brokers: { id: number; name: string }[];
      topics: { topic: string; partitions: unknown[] }[];
    };
    return {
      brokers: found.brokers.map((broker) => broker.name),
      controller: found.brokers.some((broker) => broker.id === found.controllerid),
      topics: Object.fromEntries(found.topics.map((one) => [one.topic, one.partitions.length])),
    };
  }

  create(): Promise<void> {
    return Promise.reject(new Error(this.notApplicable.create));
  }

  remove(): Promise<void> {
    return Promise.reject(new Error(this.notApplicable.delete));
  }

  configs(): Promise<Record<string, string>> {
    return Promise.reject(new Error(this.notApplicable.configs));
  }

  /** Plain records with keys go in as lines of one run; all others as one run each. */
  async produce(
    bootstrap: string,
    topic: string,
    records: readonly TestRecord[],
    options: { readonly codec: Codec; readonly idempotent: boolean },
  ): Promise<void> {
    const args = ['-P', '-t', topic, '-p', '0', '-z', options.codec];
    args.push('-X', 'linger.ms=300', '-X', 'message.max.bytes=10000000');
    args.push('-X', `enable.idempotence=${options.idempotent}`);
    args.push('-X', 'message.timeout.ms=20000');
    if (records.every(isPlain)) {
      const lines = records.map(({ key, value }) => `${key}\t${value}\n`).join('');
      await kcat(bootstrap, [...args, '-K', '\t'], { input: Buffer.from(lines) });
      return;
    }
    for (const { key, value, headers } of records) {
      const own = headers.flatMap(([name, content]) => [
        '-H',
        content === null ? name : `${name}=${content}`,
      ]);
      if (value === null || value.length === 0) {
        // kcat drops an empty file or line; behind a key it keeps it, and -Z makes it null.
        if (value === null) own.push('-Z');
        const input = Buffer.from(`${key}\t\n`);
        await kcat(bootstrap, [...args, ...own, '-K', '\t'], { input });
        continue;
      }
      if (key !== null) own.push('-k', key.toString());
      await withTempFile(value, (file) => kcat(bootstrap, [...args, ...own, file]));
    }
  }

  async consume(
    bootstrap: string,
    topic: string,
    from: number | { readonly timestampMs: number },
    count: number,
  ): Promise<TestRecord[]> {
    const at = typeof from === 'number' ? String(from) : `s@${from.timestampMs}`;
    const args = ['-C', '-q', '-t', topic, '-p', '0', '-o', at, '-c', String(count)];
    args.push('-X', 'isolation.level=read_uncommitted', '-X', 'check.crcs=true', '-f', FORMAT);
    return parseRecords((await kcat(bootstrap, args)).stdout);
  }

  /** From `start` (kcat's own -o) to the end of the log. */
  async consumeToEnd(bootstrap: string, topic: string, start: string): Promise<TestRecord[]> {
    const args = ['-C', '-q', '-e', '-t', topic, '-p', '0', '-o', start, '-f', FORMAT];
    return parseRecords((await kcat(bootstrap, args)).stdout);
  }

  async consumeText(bootstrap: string, topic: string, count: number, file: string): Promise<void> {
    const args = ['-C', '-q', '-t', topic, '-p', '0', '-o', 'beginning', '-c', String(count)];
    args.push('-X', 'check.crcs=true', '-X', 'queued.max.messages.kbytes=32768');
    await kcat(bootstrap, args, { outputFile: file, timeoutMs: TEXT_TIMEOUT_MS });
  }

  async produceText(bootstrap: string, topic: string, file: string): Promise<void> {
    const args = ['-P', '-t', topic, '-p', '0', '-X', 'acks=all', '-X', 'linger.ms=20'];
    await kcat(bootstrap, args, { input: { file }, timeoutMs: TEXT_TIMEOUT_MS });
  }

  async offset(bootstrap: string, topic: string, at: At): Promise<number> {
    const named = { earliest: -2, latest: -1, 'max-timestamp': -3 };
    const time = typeof at === 'string' ? named[at] : at.timestampMs;
    const { stdout } = await kcat(bootstrap, ['-Q', '-t', `${topic}:0:${time}`]);
    const match = stdout.toString().match(/offset (-?\d+)/);
    if (match === null) throw new Error(`kcat -Q: ${stdout}`);
    return Number(match[1]);
  }
}

/** Runs kcat; what librdkafka reports as a broker's error becomes `Refused`. */
async function kcat(
  bootstrap: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run('kcat', ['-b', bootstrap, ...args], options);
  if (/Message size too large/.test(result.stderr)) throw new Refused(10, result.stderr);
  if (result.code !== 0) throw new Error(`kcat ${args.join(' ')}\n${result.stderr}`);
  return result;
}

function isPlain({ key, value, headers }: TestRecord): boolean {
  if (key === null || value === null || value.length === 0 || headers.length > 0) return false;
  return !/[\t\n]/.test(`${key}${value}`) && Buffer.from(value.toString()).equals(value);
}

function parseRecords(output: Buffer): TestRecord[] {
  const records: TestRecord[] = [];
  for (let position = 0; position < output.length; ) {
    const end = output.indexOf(10, position);
    const head = output.toString('latin1', position, end);
    const [offset, timestamp, keySize, valueSize, ...headers] = head.split(' ');
    position = end + 1;
    const take = (size: number): Buffer | null => {
      if (size < 0) return null;
      position += size;
      return Buffer.from(output.subarray(position - size, position));
    };
    const key = take(Number(keySize));
    const value = take(Number(valueSize));
    position++;
    records.push({
      offset: Number(offset),
      timestamp: Number(timestamp),
      key,
      value,
      headers: parseHeaders(headers.join(' ')),
    });
  }
  return records;
}

/** The test records have no comma and no = in headers, so that kcat's form is unambiguous. */
function parseHeaders(text: string): [string, Buffer | null][] {
  if (text === '') return [];
  return text.split(',').map((pair) => {
    const [name, value] = pair.split('=');
    const bytes = Buffer.from(String(value), 'latin1');
    return [Buffer.from(String(name), 'latin1').toString(), value === 'NULL' ? null : bytes];
  });
}
