import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { tempDir } from '../support/test-broker.js';
import { run, runBroker, start } from './cli.js';

/** A program of the test's own, run by the command under test. */
function program(dir: string, text: string): string {
  const path = join(dir, 'program.mjs');
  writeFileSync(path, text);
  return path;
}

t.test('the command is told where the broker is, and its exit code is handed on', async (t) => {
  const dir = tempDir(t);
  const path = program(
    dir,
    `import { connect } from 'node:net';
    const { KAFKA_BROKERS, KAFKA_BOOTSTRAP_SERVERS } = process.env;
    const [host, port] = KAFKA_BROKERS.split(':');
    connect(Number(port), host, () => {
      console.log(JSON.stringify({ same: KAFKA_BROKERS === KAFKA_BOOTSTRAP_SERVERS, args: process.argv.slice(2) }));
      process.exit(7);
    });`,
  );
  const args = ['test', '--topic', 'orders:3', '--topic', 'other', '--'];
  const { code, stdout, stderr } = await run(
    [...args, process.execPath, path, '--verbose', 'x y'],
    { TMPDIR: dir },
  );
  t.equal(stderr, '');
  t.same(JSON.parse(stdout), { same: true, args: ['--verbose', 'x y'] });
  t.equal(code, 7);
  t.same(
    readdirSync(dir).filter((name) => name.startsWith('millrace')),
    [],
    'nothing is left',
  );
});

t.test('a signal is handed to the command, and how it ended is told', async (t) => {
  const dir = tempDir(t);
  const path = program(
    dir,
    `process.on('SIGTERM', () => process.kill(process.pid, 'SIGKILL'));
    setInterval(() => {}, 1000);
    console.log('ready');`,
  );
  const { child, finished } = start(['test', '--', process.execPath, path]);
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGTERM');
  t.equal((await finished).code, 128 + 9);
});

t.test('mistakes are told', async (t) => {
  const missing = await run(['test', '--', './no-such-program']);
  t.equal(missing.code, 127);
  t.match(missing.stderr, /^millrace: cannot run \.\/no-such-program: /);
  const nothing = await run(['test']);
  t.equal(nothing.code, 1);
  t.match(nothing.stderr, /missing required argument 'command'/);
  const topic = await run(['test', '--topic', 'a:b', '--', 'true']);
  t.equal(topic.code, 1);
  t.match(topic.stderr, /--topic a:b: expected NAME or NAME:PARTITIONS/);
  const config = await run(['test', '--override', 'no.such.config=1', '--', 'true']);
  t.equal(config.code, 1);
  t.match(config.stderr, /no\.such\.config/);
});

t.test('an ephemeral broker leaves nothing behind', async (t) => {
  const dir = tempDir(t);
  const args = ['--ephemeral', '--listen', '127.0.0.1:0'];
  const { child, finished } = await runBroker(t, args, { TMPDIR: dir });
  const [made] = readdirSync(dir).filter((name) => name.startsWith('millrace-ephemeral'));
  t.ok(made !== undefined);
  child.kill('SIGTERM');
  t.equal((await finished).code, 0);
  t.notOk(existsSync(join(dir, made ?? '')));
  const both = await run(['broker', ...args, '--data-dir', dir]);
  t.equal(both.code, 1);
  t.match(both.stderr, /leave out --data-dir/);
});
