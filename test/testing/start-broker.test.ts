/** A test broker's life, in the test's thread and in a worker of its own. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { startBroker } from '#src/public/testing.js';
import { startMember } from '../support/group-member.js';
import { RawClient } from '../support/raw-client.js';
import { fetchFrom, fetchRequest, produceTo } from '../support/test-broker.js';

for (const inWorker of [false, true]) {
  t.test(inWorker ? 'in a worker' : 'in the thread of the test', async (t) => {
    t.test('clients and direct access see the same records', async (t) => {
      await using broker = await startBroker({
        inWorker,
        topics: ['a', { name: 'b', partitions: 3 }],
      });
      t.equal(broker.bootstrap, `127.0.0.1:${broker.port}`);
      t.equal(broker.inWorker, inWorker);
      await using client = await RawClient.connect(broker.port);
      const { topics } = await client.request(metadata, 12, { topics: null });
      t.same(
        topics.map(({ name, partitions }) => [name, partitions.length]),
        [
          ['a', 1],
          ['b', 3],
        ],
      );
      await produceTo(client, 'a', ['by a client']);
      const produced = await broker.produce('a', [
        'text',
        null,
        { key: 'k', value: Buffer.from('v'), headers: { h: 'x', none: null }, timestamp: 1000 },
      ]);
      t.same(produced, [
        { partition: 0, offset: 1 },
        { partition: 0, offset: 2 },
        { partition: 0, offset: 3 },
      ]);
      const records = await broker.consumeAll('a', { count: 4 });
      t.same(
        records.map(({ value }) => value?.toString()),
        ['by a client', 'text', undefined, 'v'],
      );
      t.match(records[3], { topic: 'a', partition: 0, offset: 3, timestamp: 1000 });
      t.equal(records[3]?.key?.toString(), 'k');
      t.same(
        records[3]?.headers.map(({ key, value }) => [key, value?.toString()]),
        [
          ['h', 'x'],
          ['none', undefined],
        ],
      );
      t.equal((await fetchFrom(client, 'a')).highWatermark, 4);
    });

    t.test('a partition can be read, rolled and trimmed without a socket', async (t) => {
      await using broker = await startBroker({ inWorker });
      await broker.produce('made-by-produce', ['0', '1']);
      const log = broker.log('made-by-produce');
      await log.roll();
      await broker.produce('made-by-produce', ['2', '3']);
      t.same(
        (await log.segments()).map(({ baseOffset }) => baseOffset),
        [0, 2],
      );
      t.same(
        (await log.read({ from: 1, to: 3 })).map(({ offset, value }) => [offset, `${value}`]),
        [
          [1, '1'],
          [2, '2'],
        ],
      );
      t.equal(await log.deleteRecordsBefore(1), 1);
      t.match(await log.offsets(), { logStartOffset: 1, highWatermark: 4, logEndOffset: 4 });
      t.equal((await log.read()).length, 3);
      await t.rejects(log.deleteRecordsBefore(9), { code: 'OFFSET_OUT_OF_RANGE' });
      await t.rejects(broker.log('made-by-produce', 1).offsets(), {
        code: 'UNKNOWN_TOPIC_OR_PARTITION',
        message: 'made-by-produce has partitions 0 to 0, not 1',
      });
      await t.rejects(broker.log('made-by-product').read(), {
        message: /did you mean made-by-produce/,
      });
    });

    t.test('what is waited for comes, or the wait says how things are', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'] });
      const waiting = broker.consumeAll('a', { count: 2 });
      const reached = broker.waitFor({ topic: 'a', offset: 2 });
      await broker.produce('a', 'x');
      await broker.produce('a', 'y');
      await reached;
      t.same(
        (await waiting).map(({ value }) => `${value}`),
        ['x', 'y'],
      );
      t.equal((await broker.consumeAll('a', { count: 1 })).length, 1);
      await t.rejects(broker.consumeAll('a', { count: 3, timeout: 1 }), {
        code: 'TIMED_OUT',
        message: 'waited 1 ms for 3 records in a: there are 2',
      });
      await t.rejects(broker.waitFor({ group: 'g', stable: true, timeout: 0 }), {
        message: /there is no such group; there are: none/,
      });
      await using client = await RawClient.connect(broker.port);
      await startMember(client, 'g');
      await broker.waitFor({ group: 'g', stable: true, members: 1 });
      await t.rejects(broker.waitFor({ group: 'g', stable: true, members: 2, timeout: 0 }), {
        message: /it is Stable with 1 members/,
      });
      await t.rejects(broker.waitFor({ group: 'g', topic: 'a', lag: 0, timeout: 0 }), {
        message: 'waited 0 ms for group g to have a lag of 0 in a: its lag is 2',
      });
      await t.rejects(broker.waitFor({ topic: 'none', offset: 0, timeout: 0 }), {
        code: 'UNKNOWN_TOPIC_OR_PARTITION',
      });
    });

    t.test('a restart keeps the port and the data; so does a kill', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'], seed: 1 });
      await broker.produce('a', ['0']);
      await broker.restart();
      await broker.produce('a', ['1']);
      const client = await RawClient.connect(broker.port);
      await broker.kill();
      await client.closed();
      await t.rejects(RawClient.connect(broker.port), { code: 'ECONNREFUSED' });
      await t.rejects(broker.produce('a', 'down'), { code: 'BROKER_DOWN' });
      t.notOk(existsSync(join(broker.dir, '.kafka_cleanshutdown')));
      await broker.restart();
      await broker.createTopic('b');
      await broker.produce('a', ['2']);
      await using again = await RawClient.connect(broker.port);
      await produceTo(again, 'a', ['3']);
      t.same(
        (await broker.consumeAll('a')).map(({ offset }) => offset),
        [0, 1, 2, 3],
      );
      await broker.kill();
    });

    t.test('a fault can restart it or kill it', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'] });
      for (const action of ['restart', 'kill'] as const) {
        await using fault = await broker.faults.add({ api: 'Produce', topic: 'a' }, action);
        await using client = await RawClient.connect(broker.port);
        await t.rejects(produceTo(client, 'a', ['lost']), { message: /closed the connection/ });
        t.equal(fault.fired, 1);
        if (action === 'kill') {
          await t.rejects(broker.produce('a', 'down'), { code: 'BROKER_DOWN' });
          await broker.restart();
        }
        // Calls wait while it restarts.
        await broker.produce('a', action);
      }
      t.same(
        (await broker.consumeAll('a')).map(({ value }) => `${value}`),
        ['restart', 'kill'],
      );
    });

    t.test('a fetch waits no longer than it is to', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'], fetchWait: 20 });
      await using client = await RawClient.connect(broker.port);
      const answer = await client.request(fetch, 11, fetchRequest('a', { maxWaitMs: 290_000 }));
      t.match(answer.responses[0]?.partitions[0], { errorCode: 0, highWatermark: 0 });
    });

    t.test('dispose leaves no file, or the ones that were asked for', async (t) => {
      const own = mkdtempSync(join(tmpdir(), 'millrace-own-'));
      t.teardown(() => rmSync(own, { recursive: true, force: true }));
      const first = await startBroker({ inWorker, dir: join(own, 'data') });
      await first.produce('a', 'kept');
      await first.dispose();
      await first.dispose();
      await t.rejects(first.produce('a', 'late'), { code: 'CLOSED' });
      await using second = await startBroker({ inWorker, dir: join(own, 'data') });
      t.equal((await second.consumeAll('a')).length, 1);
      await t.rejects(startBroker({ inWorker, dir: join(own, 'data') }), {
        code: 'DIRECTORY_LOCKED',
      });
      const third = await startBroker({ inWorker });
      const fourth = await startBroker({ inWorker, keep: true });
      await third.dispose();
      await fourth.dispose();
      t.notOk(existsSync(third.dir));
      t.ok(existsSync(fourth.dir));
      rmSync(fourth.dir, { recursive: true });
    });

    t.test('clients that are still there at dispose are told of', async (t) => {
      const said: string[] = [];
      const logger = { info() {}, warn: (text: string) => said.push(text), error() {} };
      const broker = await startBroker({ inWorker, logger });
      const client = await RawClient.connect(broker.port);
      await client.request(metadata, 12, { topics: null });
      t.match(await broker.connections(), [{ clientId: 'raw-client' }]);
      await broker.dispose();
      t.match(said, [/still connected .*raw-client/]);
      const strict = await startBroker({ inWorker, leaks: 'error' });
      const other = await RawClient.connect(strict.port);
      await other.send(metadata, 12, { topics: null }, null).frame;
      await t.rejects(strict.dispose(), {
        code: 'LEAKED_CLIENTS',
        message: /a client without an id/,
      });
      await Promise.all([client.closed(), other.closed()]);
      const clean = await startBroker({ inWorker, leaks: 'error' });
      const polite = await RawClient.connect(clean.port);
      polite.close();
      await clean.dispose();
      t.notOk(existsSync(clean.dir));
    });

    t.test('bad use is told with what to do instead', async (t) => {
      const before = new Set(readdirSync(tmpdir()));
      const refused = async (options: object, code: string, message: RegExp): Promise<void> => {
        await t.rejects(startBroker({ inWorker, ...options }), { code, message });
      };
      await refused({ topic: ['a'] }, 'INVALID_OPTION', /no option topic: did you mean topics/);
      await refused({ clock: 'real' }, 'INVALID_OPTION', /'system' or 'virtual', not "real"/);
      await refused({ now: 5 }, 'INVALID_OPTION', /give clock: 'virtual' too/);
      await refused({ port: -1 }, 'INVALID_OPTION', /port is 0/);
      await refused({ from: {} }, 'INVALID_OPTION', /broker.snapshot\(\)/);
      await refused(
        { topics: [{ name: 'a', partition: 1 }] },
        'INVALID_OPTION',
        /did you mean parti/,
      );
      await refused({ topics: ['a b'] }, 'INVALID_TOPIC_EXCEPTION', /a b/);
      await refused({ config: { listeners: 'x' } }, 'INVALID_OPTION', /by the option port/);
      await refused({ config: { 'log.dirs': 'x' } }, 'INVALID_OPTION', /by the option dir/);
      await refused({ config: { 'num.partitons': 1 } }, 'INVALID_CONFIG', /num.partitions/);
      await using broker = await startBroker({ inWorker });
      await refused({ port: broker.port }, 'LISTEN_FAILED', /Leave out port for a free one/);
      await t.rejects(broker.clock.advance('1h'), {
        code: 'NOT_VIRTUAL',
        message: /clock: 'virtual'/,
      });
      await t.rejects(
        broker.createTopic('a').then(() => broker.createTopic('a')),
        {
          code: 'TOPIC_ALREADY_EXISTS',
        },
      );
      await t.rejects(broker.produce('a', { value: 'x'.repeat(2 ** 21) }), {
        code: 'MESSAGE_TOO_LARGE',
      });
      await t.rejects(broker.produce('a', { value: 'x', partition: 7 }), {
        code: 'UNKNOWN_TOPIC_OR_PARTITION',
      });
      const left = readdirSync(tmpdir()).filter((name) => {
        return name.startsWith(`millrace-test-${process.pid}-`) && !before.has(name);
      });
      t.equal(left.length, 1, 'the broker that runs is all that is left');
    });
  });
}

t.test('a directory that has something in it is not filled with a snapshot', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-own-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'full'));
  writeFileSync(join(dir, 'full', 'file'), '');
  await t.rejects(startBroker({ dir: join(dir, 'full'), from: dir }), { code: 'ALREADY_EXISTS' });
  await t.rejects(startBroker({ from: dir }), { code: 'NOT_A_SNAPSHOT' });
  await using broker = await startBroker();
  await t.rejects(broker.snapshot({ dir: join(dir, 'full') }), { code: 'ALREADY_EXISTS' });
});

t.test('a key goes where clients put it', async (t) => {
  await using broker = await startBroker({
    inWorker: false,
    topics: [{ name: 'a', partitions: 5 }],
  });
  const produced = await broker.produce('a', [
    { key: 'abc', value: '' },
    { value: 'by turns' },
    { value: 'by turns' },
    { key: 'abc', value: '' },
    { key: 'abc', value: 'as told', partition: 2 },
  ]);
  t.same(
    produced.map(({ partition }) => partition),
    [479470107 % 5, 0, 1, 479470107 % 5, 2],
  );
});
