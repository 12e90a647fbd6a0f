// Kafka's console tools by class name: their command lines for the tasks of the suite.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type At,
  type Client,
  type Codec,
  type Limit,
  type Metadata,
  Refused,
  type TestRecord,
} from './client.js';
import { interopDir } from './paths.js';
import { type RunOptions, type RunResult, run } from './process.js';
import { javaOptions } from './servers.js';

const TEXT_TIMEOUT_MS = 300_000;
const NULL = '<null>';
const FIELD = '<|>';
const HEADER = '<,>';
const RECORD = '<;>';

export class ConsoleClient implements Client {
  readonly name = 'kafka tools';
  readonly notApplicable = {
    transactions: 'the console producer has none',
    steer: 'the console consumer has no such call',
    admin: 'they are compared with Kafka by --only administration',
  };
  readonly limits: ReadonlySet<Limit> = new Set(['timestamp', 'binary', 'read-from-timestamp']);

  readonly unreadable = {};
  readonly lacks = [];
  readonly remarks = {};

  missing(): string | null {
    return existsSync(join(interopDir, 'clients/java/target/classes'))
      ? null
      : 'not installed: npm run interop:install';
  }

  async version(): Promise<string> {
    const { stdout } = await run('java', [
      ...javaOptions(128),
      'millrace.interop.Client',
      'version',
    ]);
    return stdout.toString().trim();
  }

  async metadata(bootstrap: string): Promise<Metadata> {
    const versions = await tool('org.apache.kafka.tools.BrokerApiVersionsCommand', bootstrap, []);
    const topics = await tool(TOPICS, bootstrap, ['--describe']);
    const brokers = versions.stdout.toString().matchAll(/^(\S+:\d+) \(id: /gm);
    const described = topics.stdout.toString().matchAll(/^Topic: (\S+)\s.*PartitionCount: (\d+)/gm);
    return {
      brokers: [...brokers].map((match) => String(match[1])),
      topics: Object.fromEntries([...described].map(([, name, count]) => [name, Number(count)])),
    };
  }

  async create(
    bootstrap: string,
    topic: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<void> {
    const args = ['--create', '--topic', topic, '--partitions', String(partitions)];
    for (const [name, value] of Object.entries(configs)) args.push('--config', `${name}=${value}`);
    await tool(TOPICS, bootstrap, args);
  }

  async remove(bootstrap: string, topic: string): Promise<void> {
    await tool(TOPICS, bootstrap, ['--delete', '--topic', topic]);
  }

  async configs(bootstrap: string, topic: string): Promise<Record<string, string>> {
    const args = ['--describe', '--all', '--entity-type', 'topics', '--entity-name', topic];
    const { stdout } = await tool('kafka.admin.ConfigCommand', bootstrap, args);
    const found = stdout.toString().matchAll(/^\s+([a-z.]+)=(.*?) sensitive=/gm);
    return Object.fromEntries([...found].map(([, name, value]) => [name, String(value)]));
  }

  async produce(
    bootstrap: string,
    topic: string,
    records: readonly TestRecord[],
    options: { readonly codec: Codec; readonly idempotent: boolean },
  ): Promise<void> {
    const lines = records.map(({ key, value, headers }) => {
      const pairs = headers.map(([name, content]) => `${name}:${content ?? NULL}`).join(HEADER);
      return `${pairs || NULL}${FIELD}${key ?? NULL}${FIELD}${value ?? NULL}\n`;
    });
    const args = ['--topic', topic, '--compression-codec', options.codec];
    for (const property of [
      'parse.key=true',
      'parse.headers=true',
      `key.separator=${FIELD}`,
      `headers.delimiter=${FIELD}`,
      `headers.separator=${HEADER}`,
      `null.marker=${NULL}`,
    ]) {
      args.push('--reader-property', property);
    }
    for (const property of [
      `enable.idempotence=${options.idempotent}`,
      'max.request.size=10000000',
      'max.block.ms=20000',
      'batch.size=1000000',
      'linger.ms=500',
    ]) {
      args.push('--command-property', property);
    }
    const input = Buffer.from(lines.join(''));
    const { stderr } = await tool(PRODUCER, bootstrap, args, { input });
    // The console producer reports a refused record, and yet exits with 0.
    if (/RecordTooLargeException/.test(stderr)) throw new Refused(10, stderr);
    if (/ERROR/.test(stderr)) throw new Error(stderr);
  }

  async consume(
    bootstrap: string,
    topic: string,
    from: number | { readonly timestampMs: number },
    count: number,
  ): Promise<TestRecord[]> {
    const args = ['--topic', topic, '--partition', '0', '--offset', String(from)];
    args.push('--max-messages', String(count));
    for (const property of [
      'print.timestamp=true',
      'print.offset=true',
      'print.headers=true',
      'print.key=true',
      `key.separator=${FIELD}`,
      `headers.separator=${HEADER}`,
      `line.separator=${RECORD}`,
      `null.literal=${NULL}`,
    ]) {
      args.push('--formatter-property', property);
    }
    const { stdout } = await tool(CONSUMER, bootstrap, args);
    // latin1 keeps every byte as one character.
    return stdout.toString('latin1').split(RECORD).slice(0, -1).map(parseRecord);
  }

  async consumeText(bootstrap: string, topic: string, count: number, file: string): Promise<void> {
    const args = ['--topic', topic, '--partition', '0', '--offset', 'earliest'];
    args.push('--max-messages', String(count));
    await tool(CONSUMER, bootstrap, args, { outputFile: file, timeoutMs: TEXT_TIMEOUT_MS });
  }

  async offset(bootstrap: string, topic: string, at: At): Promise<number> {
    const time = typeof at === 'string' ? at : String(at.timestampMs);
    const args = ['--topic-partitions', `${topic}:0`, '--time', time];
    const { stdout } = await tool('org.apache.kafka.tools.GetOffsetShell', bootstrap, args);
    const match = stdout.toString().match(/:0:(-?\d*)\s*$/);
    if (match === null && stdout.length > 0) throw new Error(`GetOffsetShell: ${stdout}`);
    // It prints nothing for a partition without a record at that time.
    return match === null || match[1] === '' ? -1 : Number(match[1]);
  }
}

const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';

async function tool(
  className: string,
  bootstrap: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const all = [...javaOptions(256), className, '--bootstrap-server', bootstrap, ...args];
  const result = await run('java', all, options);
  if (result.code === 0) return result;
  const said = `${result.stdout.subarray(0, 4000)}${result.stderr}`;
  if (/TopicExistsException|already exists/.test(said)) throw new Refused(36, said);
  throw new Error(`${className} ${args.join(' ')}: exit ${result.code}\n${said}`);
}

/** CreateTime:1<|>Offset:7<|>a:1<,>b:<null><|>key<|>value */
function parseRecord(text: string): TestRecord {
  const [time, offset, headers, key, ...value] = text.split(FIELD);
  return {
    offset: Number(offset?.split(':')[1]),
    timestamp: Number(time?.split(':')[1]),
    key: bytes(String(key)),
    value: bytes(value.join(FIELD)),
    headers:
      headers === 'NO_HEADERS'
        ? []
        : String(headers)
            .split(HEADER)
            .map((pair) => {
              const at = pair.indexOf(':');
              const name = Buffer.from(pair.slice(0, at), 'latin1').toString();
              return [name, bytes(pair.slice(at + 1))];
            }),
  };
}

function bytes(text: string): Buffer | null {
  return text === NULL ? null : Buffer.from(text, 'latin1');
}
