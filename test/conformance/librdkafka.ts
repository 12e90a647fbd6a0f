// librdkafka's test-runner, built from its sources inside node-rdkafka's package: one process for each
// test, never `-Q`, and each test that passes once more where nothing listens.
//
// Changed in the copy (scripts/install-conformance.mjs): TESTS is a whole name instead of a number, and
// replication factor 3 is 1 in the tests that have it written in.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Server } from '../interop/servers.js';
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

const NAME = 'librdkafka';
const testsDir = join(buildDir, 'librdkafka/tests');
const runner = join(testsDir, 'test-runner');
const TIMEOUT_MS = 300_000;
/** 0113 has some thirty parts, each with rebalances. */
const LONG_TIMEOUT_MS = 900_000;
/** They wait most of the time. What fails beside others is run once more alone. */
const TESTS_AT_ONCE = Number(process.env['MILLRACE_CONFORMANCE_JOBS'] ?? '3');
const CONTROLS_AT_ONCE = 6;

/** Tests that no single plaintext broker can pass, and why. */
const NOT_APPLICABLE: readonly (readonly [RegExp, string])[] = [
  [/^0097_ssl_verify$|^0126|^0135|^0142/, 'TLS or SASL listener'],
  [/^0115|^0119/, 'ACLs'],
  [/^0101/, 'three brokers in racks'],
  [/^0139|^0150/, 'no broker: it makes its own'],
];

/** These count on Kafka's default, so that members that come at once are in one generation. */
const NEEDS_REBALANCE_DELAY =
  /^(0102_static_group_rebalance|0113_cooperative_rebalance|0132_strategy_ordering)$/;

/** Of the set `ci`: no test of margins of time, none of minutes; all that a broker is needed for in two of them. */
const QUICK =
  /^(0001|0002|0003|0005|0007|0008|0011|0012|0013|0017|0018|0019|0029|0030|0036|0044|0045_resubscribe|0048|0050|0051|0052|0054|0056|0057|0060|0063|0067|0069|0070|0073|0082|0085|0086|0090|0099|0103_transactions$|0109|0110|0111|0112|0129|0130|0132_strategy|0140)/;

type RunnerTest = { readonly name: string; readonly flags: string; readonly scenario: string };

export const librdkafka: Suite = {
  name: NAME,
  missing: () => (existsSync(runner) ? null : 'the test-runner'),
  run,
};

async function run(context: Context): Promise<void> {
  const passed: { readonly test: RunnerTest; readonly seconds: number; readonly note: string }[] =
    [];
  const wanted = listTests().filter(
    ({ name }) => context.isWanted(name) && (!context.isQuick || QUICK.test(name)),
  );
  for (const scenario of ['default', 'noautocreate', 'rebalance delay'] as const) {
    const due = wanted.filter((test) => scenarioOf(test) === scenario && !leaveOut(context, test));
    if (due.length === 0) continue;
    // What the runner's own scenario files ask of a cluster.
    const server = await context.start([
      'num.partitions=4',
      `auto.create.topics.enable=${scenario !== 'noautocreate'}`,
      `group.initial.rebalance.delay.ms=${scenario === 'rebalance delay' ? 3000 : 0}`,
    ]);
    const again: RunnerTest[] = [];
    await inParallel(due, TESTS_AT_ONCE, async (test) => {
      const end = await runTest(context, test, server);
      const { state, note } = judge(test, end);
      if (state === 'PASSED') passed.push({ test, seconds: end.seconds, note });
      else again.push(test);
      if (state === 'PASSED') console.log(`      ${test.name} ${end.seconds.toFixed(1)} s`);
    });
    for (const test of again) {
      // What it said at first stays beside what it says now.
      const log = logOf(NAME, test.name);
      renameSync(log, log.replace(/\.log$/, '-first.log'));
      const end = await runTest(context, test, server);
      const { state, reason, note } = judge(test, end);
      const base = { suite: NAME, test: test.name, seconds: end.seconds };
      if (state === 'PASSED') {
        const second = [note, 'passed at the second attempt, alone'].filter((one) => one !== '');
        passed.push({ test, seconds: end.seconds, note: second.join('; ') });
      } else if (state === 'SKIPPED') context.report.add({ ...base, verdict: 'skip', reason });
      else if (test.flags.includes('KNOWN_ISSUE')) {
        const known = `fails; its authors say so too (TEST_F_KNOWN_ISSUE): ${reason}`;
        context.report.add({ ...base, verdict: 'skip', reason: known });
      } else context.report.add({ ...base, verdict: 'fail', reason });
    }
    await server.stop();
  }
  await inParallel(passed, CONTROLS_AT_ONCE, async ({ test, seconds, note }) => {
    const base = {
      suite: NAME,
      test: test.name,
      seconds,
      ...(note === '' ? {} : { reason: note }),
    };
    if (!context.withControl) {
      context.report.add({ ...base, verdict: 'pass' });
      return;
    }
    // Twice its time and some more: what does not pass in that does not pass.
    const limitMs = 2000 * seconds + 8000;
    const end = await runTest(context, test, null, limitMs);
    const isLocal = judge(test, end).state === 'PASSED';
    const control = isLocal ? 'passes' : 'fails';
    context.report.add({ ...base, verdict: isLocal ? 'local' : 'pass', control });
  });
  for (const file of readdirSync(testsDir)) {
    if (/^stats_.*\.json$/.test(file)) rmSync(join(testsDir, file));
  }
}

function scenarioOf({
  name,
  scenario,
}: RunnerTest): 'default' | 'noautocreate' | 'rebalance delay' {
  if (scenario.includes('noautocreate')) return 'noautocreate';
  return NEEDS_REBALANCE_DELAY.test(name) ? 'rebalance delay' : 'default';
}

/** Reports what is not run and answers true for it. */
function leaveOut({ report }: Context, test: RunnerTest): boolean {
  const needs = NOT_APPLICABLE.find(([pattern]) => pattern.test(test.name));
  let reason: string | null = null;
  if (test.flags.includes('LOCAL')) reason = 'needs no broker (TEST_F_LOCAL)';
  else if (test.flags.includes('MANUAL')) reason = 'to be run by hand (TEST_F_MANUAL)';
  else if (needs !== undefined) reason = `needs ${needs[1]}`;
  if (reason === null) return false;
  report.add({ suite: NAME, test: test.name, verdict: 'skip', seconds: 0, reason });
  return true;
}

function listTests(): RunnerTest[] {
  const source = readFileSync(join(testsDir, 'test.c'), 'utf8');
  const table = source.slice(source.indexOf('struct test tests[]'));
  const calls = table.slice(0, table.indexOf('};')).split('_TEST(').slice(1);
  return calls.map((call) => {
    const name = /^\w+/.exec(call)?.[0] ?? '';
    const scenario = /\.scenario = "([\w,]+)"/.exec(call)?.[1] ?? 'default';
    return { name, flags: (call.match(/TEST_F_\w+/g) ?? []).join(' '), scenario };
  });
}

/** `server` null: the dead port. */
async function runTest(
  { dir }: Context,
  test: RunnerTest,
  server: Server | null,
  timeoutMs = test.name.startsWith('0113') ? LONG_TIMEOUT_MS : TIMEOUT_MS,
): Promise<ProgramEnd> {
  const bootstrap = server?.bootstrap ?? DEAD_PORT;
  const configDir = join(dir, 'librdkafka');
  mkdirSync(configDir, { recursive: true });
  const config = join(configDir, `${bootstrap.replace(':', '-')}.conf`);
  // Once: the tests beside this one read it.
  if (!existsSync(config)) writeFileSync(config, `bootstrap.servers=${bootstrap}\n`);
  return runProgram(runner, ['-p1'], {
    log: logOf(NAME, test.name, server === null ? '-dead' : ''),
    cwd: testsDir,
    timeoutMs,
    env: {
      RDKAFKA_TEST_CONF: config,
      TESTS: test.name,
      TEST_KAFKA_VERSION: '4.2.0',
      TEST_SCENARIO: scenarioOf(test) === 'noautocreate' ? 'noautocreate' : 'default',
      BROKERS: bootstrap,
      // Kafka's own command line tools, where a test calls them.
      KAFKA_PATH: join(buildDir, 'kafka'),
      LD_LIBRARY_PATH: join(testsDir, 'interceptor_test'),
    },
  });
}

function judge(
  test: RunnerTest,
  end: ProgramEnd,
): { readonly state: string; readonly reason: string; readonly note: string } {
  const line = new RegExp(`\\| +${test.name} +\\| +(\\w+) \\|[^|]*\\|(.*)`).exec(end.output);
  const said = line?.[2]?.trim() ?? '';
  const parts = [...end.output.matchAll(/SKIPPING (?:SUB)?TEST:? ?(.*)/gi)];
  const note = parts.map((match) => match[1]?.trim() ?? '').join('; ');
  let state = line?.[1] ?? 'FAILED';
  if (state === 'PASSED' && end.code !== 0) state = `PASSED, but exit code ${end.code}`;
  const failures = [
    ...end.output.matchAll(/^.*(?:Test failed|FAIL|failed at|Assert|%[0-3]\|).*$/gm),
  ];
  const trace = failures.map((match) => match[0]).slice(-12);
  const how = end.late ? `no end after ${end.seconds.toFixed(0)} s` : `exit code ${end.code}`;
  const reason =
    state === 'SKIPPED' ? said || note : [`${how} ${said}`.trim(), ...trace].join('\n');
  return { state, reason, note: note === '' ? '' : `left out by itself: ${note}` };
}
