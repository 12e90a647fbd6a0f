import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic, fetchFrom, produceTo, tempDir } from '../support/test-broker.js';
import { run, runBroker } from './cli.js';

const PORT_0 = ['--listen', '127.0.0.1:0'];

t.test('it says where it listens, serves, and ends cleanly with SIGTERM and SIGINT', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, port, finished } = await runBroker(t, [...PORT_0, '--data-dir', tempDir(t)]);
    const client = await RawClient.connect(port);
    await createTopic(client, 'a');
    await produceTo(client, 'a', ['x']);
    const waiting = fetchFrom(client, 'a', { offset: 1, maxWaitMs: 60_000 });
    // The next answer comes only after the fetch was taken.
    const started = performance.now();
    child.kill(signal);
    const { code, stdout, stderr } = await finished;
    t.equal(code, 0);
    t.ok(performance.now() - started < 30_000, 'long before the fetch has its time');
    t.match(stdout, /^millrace listening on 127\.0\.0\.1:\d+\n/);
    t.match(stdout, /kcat -b 127\.0\.0\.1:\d+ -C -t greetings/, 'what to try next');
    t.match(stdout, /kafkajs/);
    t.equal(stderr, '', 'quiet');
    await waiting.catch(() => {});
    client.close();
  }
});

t.test('a second process on the directory is refused and told who holds it', async (t) => {
  const dir = tempDir(t);
  const { child } = await runBroker(t, [...PORT_0, '--data-dir', dir]);
  const { code, stderr } = await run(['broker', ...PORT_0, '--data-dir', dir]);
  t.equal(code, 1);
  t.match(stderr, new RegExp(`^millrace: .*in use by process ${child.pid}\\n$`));
});

t.test('after kill -9 it starts again with what was acknowledged', async (t) => {
  const dir = tempDir(t);
  const first = await runBroker(t, [...PORT_0, '--data-dir', dir]);
  const client = await RawClient.connect(first.port);
  const topicId = await createTopic(client, 'a', { configs: { 'segment.bytes': '1000' } });
  for (let i = 0; i < 20; i++) await produceTo(client, 'a', [`value ${i} ${'x'.repeat(200)}`]);
  first.child.kill('SIGKILL');
  await first.finished;
  const second = await runBroker(t, [...PORT_0, '--data-dir', dir]);
  await using again = await RawClient.connect(second.port);
  const { topics } = await again.request(metadata, 12, { topics: null });
  t.match(topics, [{ name: 'a', topicId }]);
  const { highWatermark } = await fetchFrom(again, 'a');
  t.equal(highWatermark, 20);
});

t.test('server.properties, environment and overrides, the later over the earlier', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'server.properties');
  writeFileSync(
    file,
    `node.id=41\nnum.partitions=2\nlog.dirs=${join(dir, 'data')}\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.retention.hour=3\n`,
  );
  const { port, child, finished } = await runBroker(
    t,
    ['--config', file, '--override', 'num.partitions=5'],
    { KAFKA_NODE_ID: '42' },
  );
  await using client = await RawClient.connect(port);
  const answer = await client.request(metadata, 9, { topics: [{ name: 'new' }] });
  t.match(answer.brokers, [{ nodeId: 42 }]);
  t.equal(answer.topics[0]?.partitions.length, 5);
  child.kill('SIGTERM');
  const { stderr } = await finished;
  t.match(
    stderr,
    /WARN unknown config log\.retention\.hour, did you mean log\.retention\.hours\?\n/,
  );
});

t.test('errors are one clear line and exit code 1', async (t) => {
  const dir = tempDir(t);
  const busy = createServer();
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => busy.close());
  const { port } = busy.address() as { port: number };
  const bad = join(dir, 'bad.properties');
  writeFileSync(bad, 'num.partitions=none\n');
  const plain = join(dir, 'plain');
  writeFileSync(plain, '');
  for (const [args, message] of [
    [['broker', '--listen', `127.0.0.1:${port}`, '--data-dir', join(dir, 'd')], /in use/],
    [['broker', '--listen', 'nonsense'], /expected HOST:PORT/],
    [['broker', '--listen', '127.0.0.1:70000'], /expected HOST:PORT/],
    [['broker', '--listen', '203.0.113.1:9', '--data-dir', join(dir, 'd')], /203\.0\.113\.1/],
    [['broker', '--config', join(dir, 'missing')], /cannot read config .*missing/],
    [['broker', '--config', dir], /cannot read config/],
    [['broker', '--config', bad], /num\.partitions/],
    [['broker', '--override', 'nonsense'], /expected KEY=VALUE/],
    [['broker', ...PORT_0, '--data-dir', plain], /plain/],
    [['broker', '--override', 'listeners=SSL://:1'], /only PLAINTEXT/],
    [['log', 'dump', join(dir, 'missing.log')], /missing\.log/],
  ] as const) {
    const { code, stdout, stderr } = await run(args);
    t.equal(code, 1, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /^millrace: [^\n]+\n$/, 'one line');
    t.match(stderr, message);
    t.notMatch(stderr, /\n {4}at /);
  }
  const { stderr } = await run(['broker', '--listen', 'nonsense', '--debug']);
  t.match(stderr, /\n {4}at /, 'the stack with --debug');
});
