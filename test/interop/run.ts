// `npm run interop`: clients that we did not write, each at every task, against our broker or a real Kafka.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { administration } from './administration.js';
import { CLAIMS, NO_MEMBERS } from './claims.js';
import { type Client, codecs, LIMITS, type Limit } from './client.js';
import { clients, kcat } from './clients.js';
import { directories } from './directories.js';
import { hasMembers, members } from './members.js';
import {
  dumpLogSegments,
  goldenCommitted,
  goldenOffsets,
  readGolden,
  segmentFiles,
  stateLogs,
} from './oracle.js';
import { goldenDir } from './paths.js';
import { foreignServer, type Server, startKafka, startMillrace } from './servers.js';
import { type Cell, Table } from './table.js';
import {
  type Context,
  codecTopic,
  Ledger,
  MIDDLE_TOPIC,
  matrix,
  middleRecords,
  OFFSETS_TOPIC,
  offsetsRecords,
  tasks,
} from './tasks.js';
import {
  makeTextInput,
  readText,
  readTextTopic,
  TEXT_WRITERS,
  type TextInput,
  textTopic,
  writeText,
} from './text.js';
import { transactionsBesideKafka } from './transaction-differences.js';

const usage = `node dist-test/test/interop/run.js [--only CLIENT|directories|administration|transactions]... [--against kafka|HOST:PORT] [--text LINES] [--keep]

  --only CLIENT   only this client, more than once for several; directories, administration,
                  transactions: those parts, beside a real Kafka
  --against       a real Kafka from the Maven jars, or a broker that runs already; default: our broker
  --text LINES    only the first LINES lines of the package index; 0 leaves the text out
  --keep          keep the temporary directory`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    against: { type: 'string', default: 'millrace' },
    text: { type: 'string', default: '100000000' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}

/** The part of directories.ts. */
const DIRECTORIES = 'directories';
/** The part of administration.ts. */
const ADMINISTRATION = 'administration';
/** The part of transaction-differences.ts. */
const TRANSACTIONS = 'transactions';
const isCi = process.env['CI'] === 'true';
const dir = mkdtempSync(join(tmpdir(), 'millrace-interop-'));
const table = new Table();
process.on('exit', () => {
  if (options.keep) console.log(`kept ${dir}`);
  else rmSync(dir, { recursive: true, force: true });
});

const isWanted = (name: string): boolean =>
  options.only === undefined || options.only.includes(name);
const wanted = clients.filter(({ name }) => isWanted(name));
const wantsDirectories = isWanted(DIRECTORIES) && options.against === 'millrace';
const wantsAdministration = isWanted(ADMINISTRATION) && options.against === 'millrace';
const wantsTransactions = isWanted(TRANSACTIONS) && options.against === 'millrace';
if (wanted.length === 0 && !wantsDirectories && !wantsAdministration && !wantsTransactions) {
  const names = [...clients.map(({ name }) => name), DIRECTORIES, ADMINISTRATION, TRANSACTIONS];
  throw new Error(`--only takes ${names.join(', ')}`);
}
if (kcat.missing() !== null) {
  console.error(`The suite itself uses kcat: ${kcat.missing()}`);
  process.exit(1);
}
const present: Client[] = [];
for (const client of wanted) {
  const reason = client.missing();
  if (reason === null) present.push(client);
  table.row(client.name, reason === null ? await client.version() : '');
  if (reason !== null) {
    table.set(client.name, 'metadata', { kind: isCi ? 'fail' : 'skip', reason });
  }
}

if (wanted.length === 0) {
  await besideKafka();
  finish();
}

const server = await start(join(dir, 'main'));
await prepare();
const ledger = new Ledger();
for (const client of present) {
  for (const task of tasks) {
    await cell(client, task.name, () => task.run({ server, client, ledger }));
  }
}
for (const protocol of ['classic', 'consumer'] as const) {
  for (const client of present) {
    const task = `group ${protocol}`;
    if (hasMembers(client.name, protocol)) {
      await cell(client, task, () => group({ server, client, ledger }, protocol));
    } else table.set(client.name, task, { kind: 'none', reason: NO_MEMBERS[task] ?? '' });
  }
}
for (const client of present) {
  await cell(client, 'matrix', () => matrix({ server, client, ledger }));
}
if (options.text !== '0') await text();
await check(server.name, 'clean end with exit code 0', async () => {
  const code = await server.stop();
  if (code !== 0 && server.name !== 'kafka') throw new Error(`exit code ${code}`);
});
// After a clean end, because Kafka's index files are longer than their entries until then.
if (server.dataDir !== null) await dump(server.name, server.dataDir);
if (server.name === 'millrace') await golden();
await besideKafka();
finish();

function finish(): never {
  console.log(table.toString());
  if (present.length > 0) console.log(table.claims(CLAIMS));
  for (const line of table.failures()) console.log(`\n${line}`);
  const { passed, failed, skipped } = table.counts();
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exit(failed > 0 ? 1 : 0);
}

async function start(serverDir: string): Promise<Server> {
  mkdirSync(serverDir);
  if (options.against === 'millrace') return startMillrace(serverDir);
  if (options.against === 'kafka') return startKafka(serverDir);
  return foreignServer(options.against);
}

/** Topics that every client reads. */
async function prepare(): Promise<void> {
  const writer = clients.find((one) => one.name === 'franz-go' && one.missing() === null);
  const creator = writer ?? present.find((client) => !('create' in client.notApplicable));
  if (creator === undefined)
    throw new Error('no client that creates topics: npm run interop:install');
  const { bootstrap } = server;
  const options = { codec: 'gzip', idempotent: false } as const;
  // Records of November 2023: no retention.
  const keep = { 'retention.ms': '-1' };
  for (const codec of codecs) await creator.create(bootstrap, codecTopic(codec), 1, keep);
  await creator.create(bootstrap, 'idempotent', 1, keep);
  await creator.create(bootstrap, OFFSETS_TOPIC, 1, keep);
  await creator.create(bootstrap, MIDDLE_TOPIC, 1, keep);
  for (const writer of TEXT_WRITERS) {
    await creator.create(bootstrap, textTopic(writer), 1, { 'segment.bytes': String(8 << 20) });
  }
  for (let at = 0; at < offsetsRecords.length; at += 10) {
    const batch = offsetsRecords.slice(at, at + 10);
    await creator.produce(bootstrap, OFFSETS_TOPIC, batch, options);
  }
  await creator.produce(bootstrap, MIDDLE_TOPIC, middleRecords, options);
}

async function text(): Promise<void> {
  const input = await makeTextInput(dir, Number(options.text));
  console.log(`text: ${input.count} records, sha256 ${input.sha256}`);
  for (const name of TEXT_WRITERS) {
    const client = clients.find((one) => one.name === name);
    if (client === undefined || client.missing() !== null) continue;
    await cell(client, 'text in', () => writeText(server, client, input));
  }
  for (const client of present) {
    await cell(client, 'text out', () => readText(server, client, input, dir));
  }
  if (server.dataDir === null) return;
  await check(server.name, 'starts again after kill -9', () => server.restart('kill'));
  const java = clients.find(({ name }) => name === 'java');
  if (java !== undefined && java.missing() === null) {
    await check(server.name, 'kill -9 under an idempotent producer: no record lost or twice', () =>
      outage(java, input),
    );
  }
  for (const client of present) {
    await cell(client, 'after kill', () => readText(server, client, input, dir));
  }
}

/** A producer goes on over the broker's crash and restart; the log then holds its input once. */
async function outage(producer: Client, input: TextInput): Promise<void> {
  const { bootstrap } = server;
  const topic = 'text-outage';
  await producer.create(bootstrap, topic, 1, {});
  const written = producer.produceText?.(bootstrap, topic, input.file);
  written?.catch(() => {});
  const third = input.count / 3;
  while ((await kcat.offset(bootstrap, topic, 'latest')) < third) await sleep(20);
  await server.restart('kill');
  await written;
  const end = await kcat.offset(bootstrap, topic, 'latest');
  if (end !== input.count) throw new Error(`${end} records of ${input.count}`);
  await readTextTopic(server, kcat, topic, input, dir);
}

/** Kafka's own reader of segment files finds nothing to complain about. */
async function dump(subject: string, dataDir: string): Promise<void> {
  const every = ['.log', '.index', '.timeindex', '.snapshot', '.txnindex'];
  const runs = [
    { option: '--deep-iteration', files: segmentFiles(dataDir, every) },
    { option: '--index-sanity-check', files: segmentFiles(dataDir, ['.index', '.timeindex']) },
    { option: '--verify-index-only', files: segmentFiles(dataDir, ['.index', '.timeindex']) },
    { option: '--offsets-decoder', files: stateLogs(dataDir, '__consumer_offsets') },
    { option: '--transaction-log-decoder', files: stateLogs(dataDir, '__transaction_state') },
  ];
  for (const { option, files } of runs) {
    await check(subject, `DumpLogSegments ${option}`, async () => {
      const lines = await dumpLogSegments(files, [option], dir);
      // It says at least a line for each file that it takes for one of its own.
      if (lines < files.length) throw new Error(`${lines} lines about ${files.length} files`);
    });
  }
}

/** Our broker opens a copy of a directory that a real Kafka wrote. */
async function golden(): Promise<void> {
  const copy = join(dir, 'golden');
  cpSync(join(goldenDir, 'data'), copy, { recursive: true });
  let opened: Server | undefined;
  await check('golden', 'opens a directory that Kafka wrote', async () => {
    opened = await startMillrace(copy);
  });
  if (opened === undefined) return;
  const reader = opened;
  const able = [...clients.filter(({ name }) => name === 'franz-go'), ...present];
  const asker = able.find(
    (client) => !client.limits.has('max-timestamp') && client.missing() === null,
  );
  if (asker !== undefined) {
    await check('golden', 'log start, log end and largest time', () =>
      goldenOffsets(reader, asker),
    );
  }
  for (const client of present) await cell(client, 'golden', () => readGolden(reader, client));
  await check('golden', 'read_committed hides what was aborted', () => goldenCommitted(reader));
  await check('golden', 'takes more records', async () => {
    const records = [
      { timestamp: null, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] },
    ];
    const options = { codec: 'zstd', idempotent: true } as const;
    await kcat.produce(reader.bootstrap, 'codec-none', records, options);
    const [found] = await kcat.consume(reader.bootstrap, 'codec-none', 60, 1);
    if (found?.offset !== 60 || found.value?.toString() !== 'v') throw new Error(String(found));
  });
  await reader.stop();
  await dump('golden', copy);
}

/** What is compared with the real Kafka of the Java client. */
async function besideKafka(): Promise<void> {
  const parts = [
    { name: DIRECTORIES, isWanted: wantsDirectories, run: directories },
    { name: ADMINISTRATION, isWanted: wantsAdministration, run: administration },
    { name: TRANSACTIONS, isWanted: wantsTransactions, run: transactionsBesideKafka },
  ];
  const reason = clients.find(({ name }) => name === 'java')?.missing() ?? null;
  for (const part of parts.filter((one) => one.isWanted)) {
    if (reason === null) await part.run({ dir: join(dir, part.name), check });
    else table.check(part.name, 'beside Kafka', { kind: isCi ? 'fail' : 'skip', reason });
  }
}

/** Clients lose track of their own rebalances now and then (README.md): a second group is asked, and it is said. */
async function group(context: Context, protocol: 'classic' | 'consumer'): Promise<string> {
  const name = `${context.client.name.replaceAll(' ', '-')}-${protocol}`;
  try {
    await members(context, protocol, name);
    return '';
  } catch (error) {
    console.log(`AGAIN ${context.client.name}: group ${protocol}: ${String(error)}`);
    await members(context, protocol, `${name}-again`);
    return 'at the second attempt';
  }
}

async function cell(client: Client, task: string, run: () => Promise<unknown>): Promise<void> {
  const reason = client.notApplicable[task];
  if (reason === undefined) await timed(client.name, task, run, { notes: notesOf(client, task) });
  else table.set(client.name, task, { kind: 'none', reason });
}

/** A check that is no client's cell; a text that it answers is said behind it. */
async function check(subject: string, what: string, run: () => Promise<unknown>): Promise<void> {
  await timed(subject, what, run, { alone: true });
}

/** What a passed cell leaves out. */
function notesOf({ limits, unreadable, remarks }: Client, task: string): string[] {
  if (task === 'matrix' || task === 'golden') return Object.values(unreadable);
  const left: Readonly<Partial<Record<string, readonly Limit[]>>> = {
    records: ['timestamp', 'binary', 'empty-value', 'null-header'],
    offsets: ['max-timestamp'],
    middle: ['read-from-timestamp'],
  };
  const limited = (left[task] ?? []).filter((limit) => limits.has(limit));
  const remark = remarks[task];
  return [...limited.map((limit) => LIMITS[limit]), ...(remark === undefined ? [] : [remark])];
}

async function timed(
  row: string,
  task: string,
  run: () => Promise<unknown>,
  options: { readonly alone?: boolean; readonly notes?: readonly string[] },
): Promise<void> {
  const start = performance.now();
  let result: Cell;
  let said = '';
  try {
    const answer = await run();
    if (typeof answer === 'string' && answer !== '') said = `: ${answer}`;
    const notes = options.notes ?? [];
    const all = said === '' || options.alone ? notes : [...notes, said.slice(2)];
    result = { kind: 'pass', seconds: secondsSince(start), notes: all };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    result = { kind: 'fail', reason };
  }
  if (options.alone) table.check(row, task + said, result);
  else table.set(row, task, result);
  const passed = result.kind === 'pass';
  console.log(
    `${passed ? 'ok  ' : 'FAIL'} ${row}: ${task}${said} ${secondsSince(start).toFixed(1)} s`,
  );
  if (result.kind !== 'fail') return;
  console.log(`     ${result.reason.split('\n').slice(0, 12).join('\n     ')}`);
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
