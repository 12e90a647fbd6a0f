// Consumer groups by every client: three members share a topic, one leaves, the broker dies and comes back, the last one
// has everything; what was committed is not delivered again, and nothing is left out.

import { equal, ok } from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interopDir } from './paths.js';
import { runOk } from './process.js';
import { javaOptions } from './servers.js';
import type { Context } from './tasks.js';

const programs = join(interopDir, 'clients');
const python = join(programs, 'python/.venv/bin/python');
const node = process.execPath;

/** The member program of a client, by its name. */
const commands: Readonly<Record<string, readonly string[]>> = {
  kafkajs: [node, join(programs, 'kafkajs/member.mjs')],
  platformatic: [node, join(programs, 'platformatic/member.mjs')],
  'platformatic 2': [
    join(programs, 'platformatic-2/node_modules/.bin/node'),
    join(programs, 'platformatic-2/member.mjs'),
  ],
  'node-rdkafka': [node, join(programs, 'node-rdkafka/member.mjs')],
  'confluent-kafka-python': [python, join(programs, 'python/confluent_member.py')],
  'kafka-python': [python, join(programs, 'python/kafka_python_member.py')],
  'franz-go': [join(programs, 'go/bin/franz-member')],
  sarama: [join(programs, 'go/bin/sarama-member')],
  java: ['java', ...javaOptions(128), 'millrace.interop.Client', 'member'],
};

/** Clients that speak the consumer protocol (KIP-848), by this setting. */
const CONSUMER_PROTOCOL = ['group.protocol=consumer'];
const speakConsumerProtocol = ['node-rdkafka', 'confluent-kafka-python', 'franz-go', 'java'];
/** They commit by a timer alone: what they read last may come again. */
const commitsLate = ['kafkajs', 'platformatic', 'platformatic 2'];

export function hasMembers(client: string, protocol: 'classic' | 'consumer'): boolean {
  return protocol === 'classic' ? client in commands : speakConsumerProtocol.includes(client);
}

const PARTITIONS = 6;
const TIMEOUT_MS = 60_000;

class Member {
  assigned: readonly number[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #errors = '';

  constructor(command: readonly string[], bootstrap: string, onRecord: (id: string) => void) {
    const [program, ...args] = command;
    this.#child = spawn(String(program), args, {
      env: { ...process.env, BOOTSTRAP: bootstrap },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    let text = '';
    this.#child.stdout?.on('data', (part: Buffer) => {
      const lines = (text + part.toString()).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as {
          assigned?: number[];
          partition: number;
          offset: number;
        };
        if (event.assigned !== undefined) this.assigned = event.assigned;
        else onRecord(`${event.partition}/${event.offset}`);
      }
    });
    this.#child.stderr?.on('data', (part: Buffer) => {
      this.#errors = (this.#errors + part.toString()).slice(-2000);
    });
    process.once('exit', this.kill);
  }

  get errors(): string {
    return this.#errors;
  }

  readonly kill = (): void => {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
  };

  /** Has it leave its group and end. */
  async leave(): Promise<void> {
    this.#child.stdin?.end('over\n');
    const timer = setTimeout(this.kill, TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
    process.off('exit', this.kill);
    equal(this.#child.exitCode, 0, this.#errors);
  }
}

export async function members(
  { server, client }: Context,
  protocol: 'classic' | 'consumer',
  group: string,
): Promise<void> {
  const { bootstrap } = server;
  const topic = `${group}-topic`;
  await createTopic(bootstrap, topic);
  const settings = protocol === 'consumer' ? CONSUMER_PROTOCOL : [];
  const command = [...(commands[client.name] ?? []), group, topic, ...settings];
  const seen = new Map<string, number>();
  const start = () => new Member(command, bootstrap, (id) => seen.set(id, (seen.get(id) ?? 0) + 1));
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    const lines = Array.from({ length: count }, (_, i) => `key ${sent + i}:value\n`);
    const args = ['-P', '-b', bootstrap, '-t', topic, '-K:'];
    await runOk('kcat', args, { input: Buffer.from(lines.join('')) });
    sent += count;
  };
  await send(300);
  const [a, b, c] = [start(), start(), start()];
  try {
    const until = (what: string, isSo: () => boolean) => wait(what, isSo, [a, b, c], seen);
    await until('two partitions each', () => share([a, b, c]) && a.assigned.length === 2);
    await until('every record', () => seen.size === sent);
    await a.leave();
    await until('the partitions of who left', () => share([b, c]));
    await send(60);
    await until('records after a member left', () => seen.size === sent);
    if (server.dataDir !== null) await server.restart('kill');
    await send(60);
    await until('records after the crash', () => seen.size === sent);
    await b.leave();
    await until('the partitions of the second one', () => share([c]));
    await c.leave();
  } finally {
    for (const member of [a, b, c]) member.kill();
  }
  // A new member goes on where the last one was.
  const before = deliveries(seen);
  await send(30);
  const next = start();
  try {
    await wait('records for a new member', () => seen.size === sent, [next], seen);
    await next.leave();
  } finally {
    next.kill();
  }
  if (commitsLate.includes(client.name)) return;
  equal(deliveries(seen) - before, 30, 'records for a new member');
}

function deliveries(seen: ReadonlyMap<string, number>): number {
  return [...seen.values()].reduce((sum, count) => sum + count, 0);
}

/** Whether they have all partitions, each one of them. */
function share(group: readonly Member[]): boolean {
  const all = group.flatMap(({ assigned }) => assigned);
  return all.length === PARTITIONS && new Set(all).size === PARTITIONS;
}

async function wait(
  what: string,
  isSo: () => boolean,
  group: readonly Member[],
  seen: ReadonlyMap<string, number>,
): Promise<void> {
  const endMs = Date.now() + TIMEOUT_MS;
  while (!isSo()) {
    const state = group.map(({ assigned, errors }) => `[${assigned}] ${errors}`).join('\n');
    ok(Date.now() < endMs, `${what}: not in time; ${seen.size} records\n${state}`);
    await sleep(50);
  }
}

async function createTopic(bootstrap: string, topic: string): Promise<void> {
  const args = ['--bootstrap-server', bootstrap, '--create', '--topic', topic];
  const tool = [...javaOptions(128), 'org.apache.kafka.tools.TopicCommand'];
  await runOk('java', [...tool, ...args, '--partitions', String(PARTITIONS)]);
}
