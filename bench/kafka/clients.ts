/**
 * The clients that load the brokers: those that come with Kafka and with librdkafka, which know nothing
 * of us, and our load generator of bench/clients. Each runs as a process of its own and is stopped by
 * its own count or time.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Broker } from './brokers.js';
import { classPath, loadPath, log4jOptions, rdkafkaPerformance } from './paths.js';

/** Of kafka-producer-perf-test.sh and the like: the heap of kafka-run-class.sh. */
const JVM_TOOL = [
  ...['-Xmx512M', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
  ...['-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent'],
];
const TIMEOUT_MS = 120_000;

/** What a client said of itself, and what the broker used from its start to its end. */
export interface Loaded {
  readonly recordsPerSecond: number;
  readonly brokerCpuSeconds: number;
  readonly clientCpuSeconds: number;
}

export async function producerPerformance(
  broker: Broker,
  topic: string,
  options: { records: number; size: number; warmup: number },
): Promise<Loaded & { p99Ms: number }> {
  const args = ['--topic', topic, '--num-records', String(options.records)];
  args.push('--record-size', String(options.size), '--throughput', '-1');
  args.push('--warmup-records', String(options.warmup));
  args.push('--bootstrap-server', `127.0.0.1:${broker.port}`, '--command-property', 'acks=all');
  const { output, cpu } = await measured(broker, 'java', tool('ProducerPerformance', args));
  // 375000 steady state records sent, 123456.7 records/sec (117.7 MB/sec), ..., 12 ms 99th, ...
  const steady = lastMatching(output, /steady state records sent/);
  const [, rate, p99] = /([\d.]+) records\/sec.*?([\d.]+) ms 99th/.exec(steady) ?? [];
  if (rate === undefined) throw new Error(`ProducerPerformance says: ${output.slice(-2000)}`);
  return { recordsPerSecond: Number(rate), p99Ms: Number(p99), ...cpu };
}

/** The rate of the time in which it fetched, without joining the group. */
export async function consumerPerformance(
  broker: Broker,
  topic: string,
  records: number,
): Promise<Loaded & { mbPerSecond: number }> {
  const args = ['--topic', topic, '--num-records', String(records), '--hide-header'];
  args.push('--bootstrap-server', `127.0.0.1:${broker.port}`, '--timeout', '30000');
  const { output, cpu } = await measured(broker, 'java', tool('ConsumerPerformance', args));
  // start, end, MB consumed, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
  const line = output.split('\n').find((one) => one.split(', ').length === 10);
  const fields = line?.split(', ').map(Number) ?? [];
  const [, , , , consumed = 0] = fields;
  if (consumed < records) throw new Error(`ConsumerPerformance says: ${output.slice(-2000)}`);
  return {
    recordsPerSecond: fields[9] as number,
    // Its MB are 2^20 bytes.
    mbPerSecond: ((fields[8] as number) * 2 ** 20) / 1e6,
    ...cpu,
  };
}

/** One record at a time, sent and waited for. */
export async function endToEndLatency(
  broker: Broker,
  topic: string,
  records: number,
): Promise<{ p50Ms: number; p99Ms: number; p999Ms: number }> {
  const args = [`127.0.0.1:${broker.port}`, topic, String(records), 'all', '100'];
  const { output } = await measured(broker, 'java', tool('EndToEndLatency', args));
  const found = /50th = (\d+), 99th = (\d+), 99.9th = (\d+)/.exec(output);
  if (found === null) throw new Error(`EndToEndLatency says: ${output.slice(-2000)}`);
  return { p50Ms: Number(found[1]), p99Ms: Number(found[2]), p999Ms: Number(found[3]) };
}

export async function rdkafkaProduce(
  broker: Broker,
  topic: string,
  options: { records: number; size: number },
): Promise<Loaded> {
  const args = ['-P', '-t', topic, '-b', `127.0.0.1:${broker.port}`, '-a', '-1', '-q'];
  args.push('-s', String(options.size), '-c', String(options.records), '-i', '60000');
  const { output, cpu } = await measured(broker, rdkafkaPerformance, args);
  const found = /% .*?(\d+) msgs\/s/.exec(lastMatching(output, /msgs\/s/));
  if (found === null) throw new Error(`rdkafka_performance says: ${output.slice(-2000)}`);
  return { recordsPerSecond: Number(found[1]), ...cpu };
}

export async function rdkafkaConsume(
  broker: Broker,
  topic: string,
  records: number,
): Promise<Loaded & { mbPerSecond: number }> {
  const args = ['-C', '-t', topic, '-p', '0', '-o', 'beginning', '-c', String(records), '-q'];
  args.push('-b', `127.0.0.1:${broker.port}`, '-i', '60000');
  const { output, cpu } = await measured(broker, rdkafkaPerformance, args);
  const line = lastMatching(output, /msgs\/s/);
  const found = /(\d+) msgs\/s\D+([\d.]+) MB\/s/.exec(line);
  if (found === null) throw new Error(`rdkafka_performance says: ${output.slice(-2000)}`);
  return {
    recordsPerSecond: Number(found[1]),
    mbPerSecond: Number(found[2]),
    ...cpu,
  };
}

export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What the load generator prints: by mode some of these. Times in microseconds. */
export interface LoadResult {
  readonly seconds: number;
  readonly requests: number;
  readonly responseBytes: number;
  readonly latencyUs: Percentiles;
  readonly ackUs: Percentiles;
  readonly endToEndUs: Percentiles;
  readonly firstMs: number;
}

export async function load(
  broker: Broker,
  mode: 'produce' | 'fetch' | 'latency',
  topic: string,
  options: Readonly<Record<string, string | number>>,
): Promise<LoadResult & { brokerCpuSeconds: number }> {
  let begin = broker.cpuSeconds();
  const result = await runLoad(mode, { port: broker.port, topic, ...options }, () => {
    begin = broker.cpuSeconds();
  });
  return { ...result, brokerCpuSeconds: broker.cpuSeconds() - begin };
}

/** `begins` is called when the warm-up is over. */
export async function runLoad(
  mode: 'produce' | 'fetch' | 'latency' | 'first',
  options: Readonly<Record<string, string | number>>,
  begins: () => void = () => {},
): Promise<LoadResult> {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(loadPath(), [mode, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.once('data', begins);
  const output = await outputOf(child, `load ${mode}`);
  return JSON.parse(lastMatching(output, /^\{/)) as LoadResult;
}

function tool(name: string, args: readonly string[]): string[] {
  return [
    ...JVM_TOOL,
    ...log4jOptions,
    '-cp',
    classPath,
    `org.apache.kafka.tools.${name}`,
    ...args,
  ];
}

async function measured(
  broker: Broker,
  command: string,
  args: readonly string[],
): Promise<{ output: string; cpu: Pick<Loaded, 'brokerCpuSeconds' | 'clientCpuSeconds'> }> {
  const brokerBefore = broker.cpuSeconds();
  const clientsBefore = endedChildrenCpuSeconds();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = await outputOf(child, `${command} ${args.join(' ')}`);
  return {
    output,
    cpu: {
      brokerCpuSeconds: broker.cpuSeconds() - brokerBefore,
      clientCpuSeconds: endedChildrenCpuSeconds() - clientsBefore,
    },
  };
}

/** Of the children of this process that have ended: one client at a time. */
function endedChildrenCpuSeconds(): number {
  const text = readFileSync('/proc/self/stat', 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Everything that it said, both streams. Rejects when it fails or takes too long. */
async function outputOf(child: ChildProcess, what: string): Promise<string> {
  let output = '';
  const keep = (part: Buffer): void => {
    output = (output + part.toString()).slice(-(2 ** 18));
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${what}: exit ${code}\n${output.slice(-2000)}`);
  return output;
}

function lastMatching(output: string, pattern: RegExp): string {
  return output.split('\n').findLast((line) => pattern.test(line)) ?? '';
}
