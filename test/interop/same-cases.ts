// `npm run same-cases`: one test file of 200 cases with kafkajs, unchanged, against millrace/testing and against
// Apache Kafka. Prints each case that did not end alike, and how long the two took. Ends with 1 if one differs.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '#src/testing/start-broker.js';
import { interopDir } from './paths.js';
import { run } from './process.js';
import { startKafka } from './servers.js';

const file = join(interopDir, 'clients/kafkajs/same-cases.test.mjs');
const RUN_MS_MAX = 300_000;

type Side = {
  readonly name: string;
  /** Of each case: 'ok', or what was wrong. */
  readonly outcomes: ReadonlyMap<string, string>;
  readonly startSeconds: number;
  readonly seconds: number;
};

async function runAgainst(
  name: string,
  start: () => Promise<{ bootstrap: string; stop: () => Promise<unknown> }>,
): Promise<Side> {
  const begin = performance.now();
  const { bootstrap, stop } = await start();
  const started = performance.now();
  try {
    const args = ['--test', '--test-reporter=tap', file];
    const env = { KAFKA_BROKERS: bootstrap };
    const { stdout } = await run(process.execPath, args, { env, timeoutMs: RUN_MS_MAX });
    const ended = performance.now();
    return {
      name,
      outcomes: outcomesIn(stdout.toString()),
      startSeconds: (started - begin) / 1000,
      seconds: (ended - started) / 1000,
    };
  } finally {
    await stop();
  }
}

/** Of the cases, which are one level below their group. */
function outcomesIn(tap: string): Map<string, string> {
  const outcomes = new Map<string, string>();
  let group = '';
  const lines = tap.split('\n');
  for (const [i, line] of lines.entries()) {
    const subtest = /^# Subtest: (.*)$/.exec(line);
    if (subtest !== null) group = subtest[1] ?? '';
    const found = /^ {4}(ok|not ok) \d+ - (.*?)( # .*)?$/.exec(line);
    if (found === null) continue;
    const rest = lines.slice(i + 1, i + 40);
    const from = rest.findIndex((one) => one.includes('error:'));
    const why = rest.slice(from, from + 8).map((one) => one.trim());
    const outcome = found[1] === 'ok' ? 'ok' : why.join(' ').replace(/ (code|stack|name):.*/, '');
    outcomes.set(`${group}: ${found[2]}`, outcome);
  }
  return outcomes;
}

const dir = mkdtempSync(join(tmpdir(), 'millrace-same-cases-'));
try {
  const millrace = await runAgainst('millrace/testing', async () => {
    const broker = await startBroker({ leaks: 'ignore' });
    return { bootstrap: broker.bootstrap, stop: () => broker.dispose() };
  });
  const kafka = await runAgainst('Apache Kafka', async () => {
    mkdirSync(join(dir, 'kafka'));
    const server = await startKafka(join(dir, 'kafka'));
    return { bootstrap: server.bootstrap, stop: () => server.stop() };
  });

  const names = new Set([...millrace.outcomes.keys(), ...kafka.outcomes.keys()]);
  let different = 0;
  for (const name of names) {
    const [ours, theirs] = [millrace, kafka].map(({ outcomes }) => outcomes.get(name) ?? 'not run');
    if (ours === theirs && ours === 'ok') continue;
    if ((ours === 'ok') !== (theirs === 'ok')) different++;
    console.log(`${name}\n  millrace: ${ours}\n  kafka:    ${theirs}`);
  }
  for (const { name, outcomes, startSeconds, seconds } of [millrace, kafka]) {
    const ok = [...outcomes.values()].filter((outcome) => outcome === 'ok').length;
    const start = `start ${startSeconds.toFixed(2)} s`;
    console.log(`${name}: ${ok} of ${outcomes.size} ok, ${start}, cases ${seconds.toFixed(1)} s`);
  }
  const totals = [kafka, millrace].map((side) => side.startSeconds + side.seconds);
  const ratio = (totals[0] ?? 0) / (totals[1] ?? 1);
  console.log(
    `${names.size} cases, ${different} end differently; Kafka took ${ratio.toFixed(2)} times as long`,
  );
  process.exitCode = different === 0 ? 0 : 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
