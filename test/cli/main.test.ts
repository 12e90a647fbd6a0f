import { join } from 'node:path';
import t from 'tap';
import { servedApis } from '#src/broker/handler.js';
import { allHandlers } from '#src/broker/handlers/all.js';
import { formatLine } from '#src/cli/logger.js';
import { connectTo, createTopic, produceTo, startBroker, tempDir } from '../support/test-broker.js';
import { run } from './cli.js';

t.test('help everywhere, and the version', async (t) => {
  for (const [args, text] of [
    [['--help'], /broker.*log.*apis/s],
    [['broker', '--help'], /--listen.*--data-dir.*--config.*--override/s],
    [['log', '--help'], /dump/],
    [['log', 'dump', '--help'], /--records.*--json/s],
    [['apis', '--help'], /--json/],
  ] as const) {
    const { code, stdout } = await run(args);
    t.equal(code, 0);
    t.match(stdout, /^Usage: millrace/);
    t.match(stdout, text);
  }
  const { stdout } = await run(['--version']);
  t.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('an unknown command or option is an error', async (t) => {
  for (const args of [['nonsense'], ['broker', '--nonsense'], ['log', 'dump']]) {
    const { code, stderr } = await run(args);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, /^millrace: /);
  }
});

t.test('apis prints what is served', async (t) => {
  const json = await run(['apis', '--json']);
  t.same(
    JSON.parse(json.stdout).map((api: Record<string, unknown>) => [
      api['key'],
      api['minVersion'],
      api['maxVersion'],
    ]),
    servedApis(allHandlers).map(({ key, versions }) => [key, versions.min, versions.max]),
  );
  const table = await run(['apis']);
  t.match(table.stdout, /^ +1 {2}Fetch +4-17$/m);
});

t.test('log dump prints batches, records and JSON', async (t) => {
  const dir = tempDir(t);
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await produceTo(client, 'a', ['first', 'second']);
  const file = join(dir, 'a-0', '00000000000000000000.log');
  const plain = await run(['log', 'dump', file]);
  t.equal(plain.code, 0);
  t.match(plain.stdout, /baseOffset: 0 lastOffset: 1 count: 2/);
  t.notMatch(plain.stdout, /second/);
  const records = await run(['log', 'dump', file, '--records']);
  t.match(records.stdout, /second/);
  const json = await run(['log', 'dump', file, '--json', '--records']);
  const lines = json.stdout.trim().split('\n');
  t.ok(lines.length >= 3);
  for (const line of lines) t.type(JSON.parse(line), 'object');
});

t.test('log lines: one line each, whatever a value holds', async (t) => {
  const line = formatLine('T', 'warn', 'said\nthis', {
    plain: 'abc-1.2',
    spaces: 'a b',
    quote: 'a"b\\c',
    evil: 'x\r\nERROR forged\u001b[31m\u202e\u2028',
    empty: '',
    number: 7,
    none: null,
  });
  t.equal(
    line,
    'T WARN said\\nthis plain=abc-1.2 spaces="a b" quote="a\\"b\\\\c" ' +
      'evil="x\\r\\nERROR forged\\u{1b}[31m\\u{202e}\\u{2028}" empty="" number=7 none=null\n',
  );
  t.equal(line.split('\n').length, 2);
  t.ok(formatLine('T', 'info', 'm', { long: 'x'.repeat(10_000) }).length < 5000);
});
