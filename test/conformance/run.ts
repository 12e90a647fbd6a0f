// `npm run conformance`: suites that others wrote, against our broker or a real Kafka.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { foreignServer, type Server, startKafka, startMillrace } from '../interop/servers.js';
import { checker } from './checker.js';
import { java } from './java.js';
import { kgo, kgoChaos } from './kgo.js';
import { librdkafka } from './librdkafka.js';
import { rdkafkaE2e } from './rdkafka-e2e.js';
import { replay } from './replay.js';
import { Report } from './report.js';
import { streams } from './streams.js';
import { buildDir, type Context, type Suite } from './suite.js';
import { tools } from './tools.js';

const suites: readonly Suite[] = [
  rdkafkaE2e,
  librdkafka,
  kgo,
  kgoChaos,
  java,
  streams,
  tools,
  checker,
  replay,
];

const usage = `node dist-test/test/conformance/run.js [--set ci] [--only SUITE]... [--test PATTERN]
    [--against kafka|HOST:PORT] [--no-control] [--json FILE] [--keep]

  --set ci        what .ci/run runs: every suite, of librdkafka's tests some, fewer records for kgo, no runs
                  against the dead port; a suite with a failure is run once more, and that run counts
  --only SUITE    ${suites.map(({ name }) => name).join(', ')}; more than once for several
  --test PATTERN  only tests whose names have this regular expression
  --against       a real Kafka from the Maven jars, or a broker that runs already; default: our broker
  --no-control    leave out the runs against a port where nothing listens
  --json FILE     the results; default test/conformance/build/last.json
  --keep          keep the temporary directory`;

const { values: options } = parseArgs({
  allowNegative: true,
  options: {
    set: { type: 'string' },
    only: { type: 'string', multiple: true },
    test: { type: 'string', default: '' },
    against: { type: 'string', default: 'millrace' },
    control: { type: 'boolean', default: true },
    json: { type: 'string', default: join(buildDir, 'last.json') },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}

if (options.set !== undefined && options.set !== 'ci') throw new Error('--set takes ci');
const isQuick = options.set === 'ci';
const wanted = suites.filter(({ name }) => options.only?.includes(name) ?? true);
if (wanted.length === 0) throw new Error(`suites: ${suites.map(({ name }) => name).join(', ')}`);
const dir = mkdtempSync(join(tmpdir(), 'millrace-conformance-'));
process.on('exit', () => {
  if (options.keep) console.log(`kept ${dir}`);
  else rmSync(dir, { recursive: true, force: true });
});
mkdirSync(buildDir, { recursive: true });

const report = new Report();
const pattern = new RegExp(options.test);
const isCi = process.env['CI'] === 'true';
for (const suite of wanted) {
  const base = { suite: suite.name, test: '(all)', seconds: 0 };
  const missing = suite.missing();
  if (missing !== null) {
    const reason = `missing: ${missing} (npm run conformance:install)`;
    report.add({ ...base, verdict: isCi ? 'fail' : 'skip', reason });
    continue;
  }
  const started = performance.now();
  await runSuite(suite);
  if (isQuick && report.hasFailed(suite.name)) {
    console.log(`AGAIN ${suite.name}: once more, whole, on a fresh broker`);
    report.beginAgain(suite.name);
    await runSuite(suite);
  }
  report.suiteEnded(suite.name, (performance.now() - started) / 1000);
}
console.log(report.toString());
report.write(options.json);
process.exit(report.failed ? 1 : 0);

async function runSuite(suite: Suite): Promise<void> {
  const servers: Server[] = [];
  try {
    await suite.run(contextOf(suite.name, servers));
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    report.add({ suite: suite.name, test: '(all)', seconds: 0, verdict: 'fail', reason });
  }
  for (const server of servers) await server.stop();
}

function contextOf(suite: string, servers: Server[]): Context {
  return {
    dir: mkdtempSync(join(dir, `${suite}-`)),
    report,
    withControl: options.control && !isQuick,
    isQuick,
    isWanted: (test) => pattern.test(test),
    async start(overrides = []) {
      const serverDir = mkdtempSync(join(dir, `${suite}-data-`));
      const server = await startServer(serverDir, overrides);
      servers.push(server);
      return server;
    },
  };
}

function startServer(serverDir: string, overrides: readonly string[]): Promise<Server> {
  if (options.against === 'millrace') return startMillrace(serverDir, overrides);
  if (options.against === 'kafka') return startKafka(serverDir, { properties: overrides });
  return Promise.resolve(foreignServer(options.against));
}
