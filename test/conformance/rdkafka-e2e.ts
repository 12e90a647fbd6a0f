// node-rdkafka's own end-to-end specs, from its npm package, by mocha. Its script makes the topics
// test to test6 with one partition; so do we.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { clients } from '../interop/clients.js';
import { interopDir } from '../interop/paths.js';
import { type Context, conformanceDir, DEAD_PORT, logOf, runProgram, type Suite } from './suite.js';

const NAME = 'rdkafka-e2e';
const packageDir = join(interopDir, 'clients/node-rdkafka/node_modules/node-rdkafka');
const mocha = join(conformanceDir, 'clients/mocha/node_modules/mocha/bin/mocha.js');

/**
 * These three fail against Kafka 4.2 too: on the Node.js versions that we run on, an empty Buffer has no
 * address, and node-rdkafka sends null in its place.
 */
const EMPTY_BUFFERS = /empty (buffer )?key and empty value$|empty payload and empty key/;

/**
 * Its consumers' disconnect races with the thread that reads for them: now and then it waits for ever for a
 * message that nobody gives back, all answers given, or the process crashes (so against Kafka 4.2 too). The rest
 * of the spec is not run then. Left out of the set `ci`.
 */
const RACING_SPEC = 'both.spec.js';
const RACE = /"after each" hook/;
/** It asks with a time limit of 0 ms and fails where the answer is there at once. */
const AT_ONCE = /should obey the timeout$/;

type MochaTest = {
  readonly fullTitle: string;
  readonly duration?: number;
  readonly err: { readonly message?: string; readonly stack?: string };
};
type MochaReport = {
  readonly tests: readonly MochaTest[];
  readonly passes: readonly MochaTest[];
  readonly pending: readonly MochaTest[];
  readonly failures: readonly MochaTest[];
};

export const rdkafkaE2e: Suite = {
  name: NAME,
  missing: () =>
    existsSync(mocha) && existsSync(join(packageDir, 'e2e')) ? null : 'mocha or node-rdkafka',
  run,
};

async function run(context: Context): Promise<void> {
  const { report } = context;
  const server = await context.start(['num.partitions=1']);
  const creator = clients.find(({ name }) => name === 'franz-go');
  for (const topic of ['test', 'test2', 'test3', 'test4', 'test5', 'test6']) {
    await creator?.create(server.bootstrap, topic, 1, {});
  }
  const specs = readdirSync(join(packageDir, 'e2e')).filter(
    (file) => file.endsWith('.spec.js') && context.isWanted(file),
  );
  if (context.isQuick && specs.includes(RACING_SPEC)) {
    specs.splice(specs.indexOf(RACING_SPEC), 1);
    const reason = 'its disconnect may hang or crash: in the whole run only';
    report.add({ suite: NAME, test: RACING_SPEC, verdict: 'skip', seconds: 0, reason });
  }
  const controls = new Map(
    specs.map((spec) => [
      spec,
      context.withControl ? runSpec(context, spec, DEAD_PORT, 4000) : Promise.resolve(null),
    ]),
  );
  for (const spec of specs) {
    const found = await runSpec(context, spec, server.bootstrap, 30_000);
    if (typeof found === 'string') {
      report.add({ suite: NAME, test: spec, verdict: 'fail', seconds: 0, reason: found });
      continue;
    }
    const control = await controls.get(spec);
    const passesDead = new Set(
      typeof control === 'object' ? control?.passes.map((test) => test.fullTitle) : [],
    );
    for (const test of [...found.passes, ...found.failures, ...found.pending]) {
      const title = `${basename(spec, '.spec.js')}: ${test.fullTitle}`;
      const base = { suite: NAME, test: title, seconds: (test.duration ?? 0) / 1000 };
      if (found.pending.some(({ fullTitle }) => fullTitle === test.fullTitle)) {
        report.add({ ...base, verdict: 'skip', reason: 'pending in the spec itself' });
      } else if (!found.passes.some(({ fullTitle }) => fullTitle === test.fullTitle)) {
        const reason = test.err.stack ?? test.err.message ?? 'failed';
        if (EMPTY_BUFFERS.test(test.fullTitle)) {
          const known = 'fails against Kafka 4.2 too: an empty Buffer is sent as null';
          report.add({ ...base, verdict: 'skip', reason: known });
        } else if (spec === RACING_SPEC && RACE.test(test.fullTitle)) {
          const hung = 'its own disconnect has not come back; the rest of the spec is not run';
          report.add({ ...base, verdict: 'skip', reason: hung });
        } else if (AT_ONCE.test(test.fullTitle)) {
          report.add({ ...base, verdict: 'skip', reason: 'the answer came within its 0 ms' });
        } else report.add({ ...base, verdict: 'fail', reason });
      } else if (!context.withControl) {
        report.add({ ...base, verdict: 'pass' });
      } else {
        const isLocal = passesDead.has(test.fullTitle);
        const verdict = isLocal ? 'local' : 'pass';
        report.add({ ...base, verdict, control: isLocal ? 'passes' : 'fails' });
      }
    }
  }
  await server.stop();
}

/** Mocha's report, or why there is none. */
async function runSpec(
  { dir }: Context,
  spec: string,
  bootstrap: string,
  testTimeoutMs: number,
): Promise<MochaReport | string> {
  const isDead = bootstrap === DEAD_PORT;
  const file = join(dir, `${spec}${isDead ? '-dead' : ''}.json`);
  const args = [mocha, '--exit', '--timeout', String(testTimeoutMs)];
  args.push('--reporter', 'json', '--reporter-option', `output=${file}`, `e2e/${spec}`);
  const log = logOf(NAME, spec, isDead ? '-dead' : '');
  const end = await runProgram(process.execPath, args, {
    log,
    cwd: packageDir,
    env: { KAFKA_HOST: bootstrap },
    timeoutMs: isDead ? 60_000 : 240_000,
  });
  if (!existsSync(file)) {
    const how = end.late ? 'no end within the time limit' : `ended with code ${end.code}`;
    return `${how}\n${end.output.slice(-3000)}`;
  }
  return JSON.parse(readFileSync(file, 'utf8')) as MochaReport;
}
