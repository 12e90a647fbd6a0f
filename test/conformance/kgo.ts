// The tests of franz-go's client (pkg/kgo), compiled from the Go module, one process for each test.
// The run at the dead port comes first: most tests need no broker, and only the others say something.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildDir,
  type Context,
  DEAD_PORT,
  inParallel,
  logOf,
  type ProgramEnd,
  runProgram,
  type Suite,
} from './suite.js';

const binary = join(buildDir, 'kgo.test');
/** Names the package's directory, from which its tests want to be run. */
const directoryFile = join(buildDir, 'kgo.dir');
const TIMEOUT_S = 600;
/** The first request to a broker gives up after 10 s. */
const CONTROL_TIMEOUT_MS = 30_000;
const CONTROLS_AT_ONCE = 3;
/** Its own default, of each chain of the two ETL tests. */
const RECORDS = process.env['KGO_TEST_RECORDS'] ?? '500000';
const RECORDS_QUICK = '50000';

/** Looks at what the broker can do before anything has asked it: TestPing before it asks. */
const ASKS_LATE = ['TestGroupSimple'];

/** Tests that fail where nothing listens; the others say nothing about a broker. A whole run says what is missing here. */
const NEED_BROKER: ReadonlySet<string> = new Set(
  `
    Test848RegexBrokerResolves
    TestAddRemovePartitions
    TestClient_Produce
    TestClient_ProduceLargeMessages
    TestConsumeMaxDecompressBatchBytes
    TestConsumeRegex
    TestConsumeRegexShareSkipsInternal
    TestDirectPartitionPurge
    TestGroupETL
    TestGroupSimple
    TestHookPollStart
    TestIssue1034
    TestIssue325
    TestIssue337
    TestIssue434
    TestIssue523
    TestIssue648
    TestIssue769
    TestIssue810
    TestIssue831
    TestIssue865
    TestIssueFetchLargerThanBrokerMaxReadBytes
    TestIssueProduceBrokerTooOldFailsRecords
    TestIssueProduceSyncManualPartitionNegativeDoesNotPanic
    TestPauseIssue489
    TestPauseIssueOct2023
    TestPing
    TestPooling
    TestTxnEtl
  `.split(/\s+/),
);

export const kgo: Suite = suite('kgo', {});
export const kgoChaos: Suite = suite('kgo-chaos', { KGO_TEST_CHAOS: '1' });

function suite(name: string, mode: Readonly<Record<string, string>>): Suite {
  return {
    name,
    missing: () =>
      existsSync(binary) && existsSync(directoryFile) ? null : 'the test binary of pkg/kgo',
    run: (context) => run(context, name, mode),
  };
}

async function run(
  context: Context,
  name: string,
  mode: Readonly<Record<string, string>>,
): Promise<void> {
  const { report } = context;
  const start = (
    test: string,
    bootstrap: string,
    timeoutMs: number,
    purpose = '',
  ): Promise<ProgramEnd> =>
    runProgram(
      binary,
      [
        `-test.run=^(${ASKS_LATE.includes(test) ? 'TestPing|' : ''}${test})$`,
        '-test.v',
        `-test.timeout=${TIMEOUT_S}s`,
        '-test.count=1',
      ],
      {
        log: logOf(name, test, purpose),
        cwd: readFileSync(directoryFile, 'utf8'),
        timeoutMs,
        env: {
          ...mode,
          KGO_SEEDS: bootstrap,
          KGO_TEST_RF: '1',
          KGO_TEST_RECORDS: context.isQuick ? RECORDS_QUICK : RECORDS,
          // Many partitions make a run slow, not thorough.
          KGO_TEST_MAX_TOPIC_PARTS: '11',
        },
      },
    );
  const list = await runProgram(binary, ['-test.list=^Test'], {
    log: logOf(name, 'list'),
    timeoutMs: 30_000,
  });
  const tests = list.output
    .split('\n')
    .filter((test) => test.startsWith('Test') && context.isWanted(test));
  const due: string[] = [];
  // The set `ci` believes the list that a whole run has made.
  if (context.isQuick) due.push(...tests.filter((test) => NEED_BROKER.has(test)));
  const controls = context.isQuick ? [] : tests;
  await inParallel(controls, CONTROLS_AT_ONCE, async (test) => {
    const end = await start(test, DEAD_PORT, CONTROL_TIMEOUT_MS, '-dead');
    if (end.code !== 0) due.push(test);
    else {
      const skipped = skips(end.output).find(([what]) => what === test);
      const base = { suite: name, test, seconds: end.seconds, control: 'passes' } as const;
      if (skipped === undefined) report.add({ ...base, verdict: 'local' });
      else report.add({ ...base, verdict: 'skip', reason: skipped[1] });
    }
  });
  const unlisted = due.filter((test) => !NEED_BROKER.has(test));
  if (unlisted.length > 0) console.log(`      not in NEED_BROKER: ${unlisted.join(' ')}`);
  if (due.length === 0) return;
  const server = await context.start();
  for (const test of tests.filter((test) => due.includes(test))) {
    const end = await start(test, server.bootstrap, (TIMEOUT_S + 10) * 1000);
    const skipped = skips(end.output);
    const control = context.isQuick ? {} : ({ control: 'fails' } as const);
    const base = { suite: name, test, seconds: end.seconds, ...control };
    const own = skipped.find(([what]) => what === test);
    if (end.code !== 0) report.add({ ...base, verdict: 'fail', reason: failure(end) });
    else if (own !== undefined) report.add({ ...base, verdict: 'skip', reason: own[1] });
    else report.add({ ...base, verdict: 'pass' });
    for (const [what, reason] of skipped) {
      if (what === test) continue;
      report.add({ suite: name, test: what, verdict: 'skip', seconds: 0, reason });
    }
  }
  await server.stop();
}

/** [test or subtest, reason] of those that left themselves out; the reason is said before the mark. */
function skips(output: string): [string, string][] {
  const found: [string, string][] = [];
  let said = '';
  for (const line of output.split('\n')) {
    said = /^ +\w+_test\.go:\d+: (.*(?:support|not set|takes).*)/.exec(line)?.[1] ?? said;
    const skipped = /^ *--- SKIP: (\S+)/.exec(line)?.[1];
    if (skipped !== undefined) found.push([skipped, said || 'skipped by itself']);
  }
  return found;
}

function failure(end: ProgramEnd): string {
  const how = end.late ? 'no end within the time limit' : `exit code ${end.code}`;
  const lines = end.output
    .split('\n')
    .filter((line) => /^\s*--- FAIL|^\s+\w+_test\.go:\d+|^panic:|sendErr/.test(line));
  return [how, ...lines.slice(0, 15)].join('\n');
}
