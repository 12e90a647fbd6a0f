// A log checker: four producers (two idempotent, two transactional) and two pollers at work for a
// minute, while the broker is paused and killed. Then the log is read from its beginning and compared
// with what each of them was told.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clients } from '../interop/clients.js';
import { interopDir } from '../interop/paths.js';
import { runOk, Service } from '../interop/process.js';
import type { Server } from '../interop/servers.js';
import { check } from './check.js';
import { type Context, conformanceDir, type Suite } from './suite.js';

const NAME = 'checker';
const PARTITIONS = 3;
const SECONDS = Number(process.env['MILLRACE_CHECKER_SECONDS'] ?? '60');
const program = join(conformanceDir, 'clients/checker/client.mjs');

export const checker: Suite = {
  name: NAME,
  missing: () => clients.find(({ name }) => name === 'node-rdkafka')?.missing() ?? null,
  run,
};

type Entry = { readonly offset: number; readonly value: string };
/** By `topic partition`, in the order in which they were read. */
type Reading = ReadonlyMap<string, readonly Entry[]>;

async function run(context: Context): Promise<void> {
  const server = await context.start();
  const dir = join(context.dir, 'checker');
  mkdirSync(dir);
  const franz = clients.find(({ name }) => name === 'franz-go');
  for (const topic of ['idempotent', 'transactional']) {
    await franz?.create(server.bootstrap, topic, PARTITIONS, {});
  }
  const file = (name: string): string => join(dir, name);
  const start = (role: string, name: string): Service =>
    new Service(process.execPath, [program, role, server.bootstrap, name, file(name)], {
      cwd: interopDir,
    });
  const services = [
    start('committed', 'poller-committed'),
    start('uncommitted', 'poller-uncommitted'),
    start('idempotent', 'i1'),
    start('idempotent', 'i2'),
    start('transactional', 't1'),
    start('transactional', 't2'),
  ];
  let faults = '';
  await check(context, NAME, `${SECONDS} s with pauses and kills of the broker`, async () => {
    faults = await disturb(server);
    // Producers first, so that the pollers can see their last records.
    for (const service of services.slice(2)) await end(service);
    await sleep(3000);
    for (const service of services.slice(0, 2)) await end(service);
    return faults;
  });
  for (const service of services) await service.killNow();
  const committed = await readAll(server, 'read_committed');
  const uncommitted = await readAll(server, 'read_uncommitted');
  await check(context, NAME, 'aborted records are in the log, and hidden', async () => {
    const [all, visible] = [count(uncommitted), count(committed)];
    if (all < visible + 100) throw new Error(`${all} records, ${visible} committed`);
    return `${all - visible} aborted records`;
  });
  for (const name of ['i1', 'i2']) {
    await check(context, NAME, `idempotent ${name}: none lost, doubled, reordered, phantom`, () =>
      checkIdempotent(name, readLines(file(name)), uncommitted),
    );
  }
  for (const name of ['t1', 't2']) {
    await check(context, NAME, `transactional ${name}: never torn`, () =>
      checkTransactional(name, readLines(file(name)), committed),
    );
  }
  for (const [name, log] of [
    ['poller-committed', committed],
    ['poller-uncommitted', uncommitted],
  ] as const) {
    await check(context, NAME, `${name}: reads the log, each record once and in order`, () =>
      checkPoller(readLines(file(name)), log),
    );
  }
  await server.stop();
}

async function end(service: Service): Promise<void> {
  const code = await service.stop(90_000);
  if (code !== 0) throw new Error(`a client ended with ${code}\n${service.output.slice(-2000)}`);
}

/** Pauses longer and shorter than the clients' patience with a request, and kills, also when paused. */
async function disturb(server: Server): Promise<string> {
  const until = performance.now() + SECONDS * 1000;
  let pauses = 0;
  let kills = 0;
  for (let round = 0; performance.now() < until; round++) {
    await sleep(4000);
    server.signal('SIGSTOP');
    pauses++;
    await sleep(round % 2 === 0 ? 3500 : 700);
    if (round % 3 === 1) {
      await server.restart('kill');
      kills++;
    } else server.signal('SIGCONT');
    await sleep(2000);
    if (round % 3 === 2) {
      await server.restart('kill');
      kills++;
    }
  }
  return `${pauses} pauses, ${kills} kills`;
}

async function checkIdempotent(
  name: string,
  lines: readonly string[][],
  log: Reading,
): Promise<string> {
  const found = new Map<number, { readonly partition: number; readonly offset: number }>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let last = -1;
    for (const { offset, value } of log.get(`idempotent ${partition}`) ?? []) {
      const [writer, number] = value.split(':');
      if (writer !== name) continue;
      const sequence = Number(number);
      if (found.has(sequence)) throw new Error(`doubled: ${value} at ${partition}/${offset}`);
      if (sequence < last) throw new Error(`reordered: ${value} after ${last} at ${offset}`);
      last = sequence;
      found.set(sequence, { partition, offset });
    }
  }
  const sent = Number(lines.find(([what]) => what === 'sent')?.[1]);
  const acknowledged = lines.filter(([what]) => what === 'ack').map((line) => line.map(Number));
  for (const [, sequence, partition, offset] of acknowledged) {
    const at = found.get(sequence ?? -1);
    if (at === undefined) throw new Error(`lost: ${sequence}, acknowledged at ${offset}`);
    // An acknowledgement of a batch that was sent twice may lack the offset.
    if (offset !== -1 && (at.partition !== partition || at.offset !== offset)) {
      throw new Error(`${sequence} acknowledged at ${partition}/${offset}, is at ${at.offset}`);
    }
  }
  for (const sequence of found.keys()) {
    if (!(sequence < sent)) throw new Error(`phantom: ${sequence} of ${sent} sent`);
  }
  if (acknowledged.length < 100) throw new Error(`only ${acknowledged.length} acknowledged`);
  return `${acknowledged.length} of ${sent} acknowledged`;
}

async function checkTransactional(
  name: string,
  lines: readonly string[][],
  log: Reading,
): Promise<string> {
  const sizes = new Map<number, number>();
  const outcome = new Map<number, string>();
  for (const [what, number, size] of lines) {
    if (what === 'begin') sizes.set(Number(number), Number(size));
    else outcome.set(Number(number), what ?? '');
  }
  const found = new Map<number, Set<number>>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let last = [-1, -1];
    for (const { value } of log.get(`transactional ${partition}`) ?? []) {
      const [writer, ...numbers] = value.split(':');
      if (writer !== name) continue;
      const [number = -1, index = -1] = numbers.map(Number);
      const [lastNumber = -1, lastIndex = -1] = last;
      if (number < lastNumber || (number === lastNumber && index <= lastIndex)) {
        throw new Error(`reordered or doubled: ${value} after ${last}`);
      }
      last = [number, index];
      const seen = found.get(number) ?? new Set();
      if (seen.has(index)) throw new Error(`doubled: ${value}`);
      found.set(number, seen.add(index));
    }
  }
  const counts = { committed: 0, aborted: 0, unknown: 0 };
  for (const [number, size] of sizes) {
    const seen = found.get(number)?.size ?? 0;
    const how = outcome.get(number) ?? 'unknown';
    if (how === 'committed') counts.committed++;
    else if (how === 'aborted') counts.aborted++;
    else counts.unknown++;
    const isWhole = seen === size;
    const isRight =
      how === 'committed' ? isWhole : how === 'aborted' ? seen === 0 : isWhole || seen === 0;
    if (!isRight) throw new Error(`transaction ${number} ${how}: ${seen} of ${size} records`);
  }
  for (const number of found.keys()) {
    if (!sizes.has(number)) throw new Error(`phantom: transaction ${number}`);
  }
  if (counts.committed < 20) throw new Error(`only ${counts.committed} committed`);
  return `${counts.committed} committed, ${counts.aborted} aborted, ${counts.unknown} unknown`;
}

async function checkPoller(lines: readonly string[][], log: Reading): Promise<string> {
  const seen = new Map<string, Entry[]>();
  for (const [topic, partition, offset, value = ''] of lines) {
    const key = `${topic} ${partition}`;
    const entries = seen.get(key) ?? [];
    if (entries.length === 0) seen.set(key, entries);
    entries.push({ offset: Number(offset), value });
  }
  let read = 0;
  for (const [key, entries] of seen) {
    const all = log.get(key) ?? [];
    entries.forEach((entry, index) => {
      const expected = all[index];
      if (entry.offset !== expected?.offset || entry.value !== expected.value) {
        const what = `${key}: read ${entry.offset} ${entry.value}`;
        throw new Error(`${what}, the log has ${expected?.offset} ${expected?.value} there`);
      }
    });
    read += entries.length;
  }
  const total = count(log);
  if (read < total * 0.5) throw new Error(`read ${read} of ${total}`);
  return `${read} of ${total} records`;
}

function count(log: Reading): number {
  return [...log.values()].reduce((sum, entries) => sum + entries.length, 0);
}

async function readAll(server: Server, isolation: string): Promise<Reading> {
  const reading = new Map<string, Entry[]>();
  for (const topic of ['idempotent', 'transactional']) {
    const args = ['-b', server.bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q'];
    args.push('-X', `isolation.level=${isolation}`, '-f', '%p %o %s\n');
    const { stdout } = await runOk('kcat', args);
    for (const line of stdout.toString().trimEnd().split('\n')) {
      const [partition, offset, value = ''] = line.split(' ');
      const key = `${topic} ${partition}`;
      const entries = reading.get(key) ?? [];
      if (entries.length === 0) reading.set(key, entries);
      entries.push({ offset: Number(offset), value });
    }
  }
  return reading;
}

function readLines(path: string): string[][] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.split(' '));
}
