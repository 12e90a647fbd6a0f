/** Snapshots: one seeded broker, many private ones. */

import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { offsetCommit } from '#src/protocol/messages/08-offset-commit.js';
import { startBroker } from '#src/public/testing.js';
import { RawClient } from '../support/raw-client.js';

const values = (records: readonly { value: Buffer | null }[]): string[] =>
  records.map(({ value }) => `${value}`);

for (const inWorker of [false, true]) {
  t.test(inWorker ? 'in a worker' : 'in the thread of the test', async (t) => {
    t.test('forks begin with what there was, and go ways of their own', async (t) => {
      await using seeded = await startBroker({ inWorker, topics: [{ name: 'a', partitions: 2 }] });
      await seeded.produce('a', [
        { value: '0', partition: 0 },
        { value: '1', partition: 1 },
      ]);
      await using client = await RawClient.connect(seeded.port);
      await client.request(offsetCommit, 8, {
        ...{ groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '' },
        topics: [
          {
            name: 'a',
            partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }],
          },
          {
            name: 'a',
            partitions: [{ partitionIndex: 1, committedOffset: 0, committedMetadata: null }],
          },
        ],
      });
      const ids = await topicIds(client);
      const snapshot = await seeded.snapshot();
      await seeded.produce('a', { value: 'later', partition: 0 });
      await using one = await startBroker({ inWorker, from: snapshot });
      await using two = await startBroker({ inWorker, from: snapshot, topics: ['b'] });
      await one.produce('a', { value: 'in one', partition: 0 });
      await two.produce('a', { value: 'in two', partition: 1 });
      t.same(values(await seeded.consumeAll('a')), ['0', 'later', '1']);
      t.same(values(await one.consumeAll('a')), ['0', 'in one', '1']);
      t.same(values(await two.consumeAll('a')), ['0', '1', 'in two']);
      // What the group has committed came along.
      await one.waitFor({ group: 'g', topic: 'a', lag: 2, timeout: 0 });
      await t.rejects(one.waitFor({ group: 'g', topic: 'a', lag: 1, timeout: 0 }));
      await using other = await RawClient.connect(one.port);
      t.same(await topicIds(other), ids);
      await snapshot.dispose();
      await snapshot.dispose();
      t.notOk(existsSync(snapshot.dir));
      await t.rejects(startBroker({ inWorker, from: snapshot }), {
        code: 'NOT_A_SNAPSHOT',
        message: /it was disposed, or never one/,
      });
      t.same(values(await one.consumeAll('a')), ['0', 'in one', '1'], 'forks outlive it');
    });

    t.test('sealed segments are shared and tails are not', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'] });
      // Above what is copied: the snapshot rolls it first.
      for (let i = 0; i < 3; i++) await broker.produce('a', { value: 'x'.repeat(100_000) });
      await broker.produce('a', 'the last');
      await using snapshot = await broker.snapshot();
      await using fork = await startBroker({ inWorker, from: snapshot });
      const logs = readdirSync(join(fork.dir, 'a-0')).filter((name) => name.endsWith('.log'));
      const sizes = logs.map((name) => statSync(join(fork.dir, 'a-0', name)));
      t.same(
        sizes.map(({ nlink, size }) => [nlink, size > 300_000]),
        [
          [3, true],
          [1, false],
        ],
      );
      t.equal(values(await fork.consumeAll('a')).at(-1), 'the last');
      await broker.produce('a', 'small');
      await using second = await broker.snapshot();
      const taken = readdirSync(join(second.dir, 'a-0')).filter((name) => name.endsWith('.log'));
      t.equal(taken.length, 2, 'a small tail is copied as it is');
      await using again = await startBroker({ inWorker, from: second.dir });
      t.equal(values(await again.consumeAll('a')).at(-1), 'small');
    });

    t.test('a broker is put back to where it was, on its port', async (t) => {
      await using broker = await startBroker({ inWorker, topics: ['a'] });
      await broker.produce('a', 'seed');
      await using snapshot = await broker.snapshot();
      for (const kill of [false, true]) {
        await broker.produce('a', 'test');
        await broker.createTopic('made-by-a-test');
        if (kill) await broker.kill();
        await broker.reset(snapshot);
        t.same(values(await broker.consumeAll('a')), ['seed']);
        await using client = await RawClient.connect(broker.port);
        t.same(Object.keys(await topicIds(client)), ['a']);
      }
      await t.rejects(broker.reset(broker.dir), { code: 'NOT_A_SNAPSHOT' });
      t.same(values(await broker.consumeAll('a')), ['seed'], 'a refusal changes nothing');
    });
  });
}

t.test("a snapshot in a directory of one's own stays, and is of one version", async (t) => {
  const own = mkdtempSync(join(tmpdir(), 'millrace-own-'));
  t.teardown(() => rmSync(own, { recursive: true, force: true }));
  const dir = join(own, 'snapshot');
  const broker = await startBroker({ inWorker: false, topics: ['a'] });
  await broker.produce('a', 'kept');
  const snapshot = await broker.snapshot({ dir });
  await snapshot.dispose();
  await broker.dispose();
  await using fork = await startBroker({ inWorker: false, from: dir });
  t.same(values(await fork.consumeAll('a')), ['kept']);
  writeFileSync(join(dir, 'millrace.snapshot'), '{"format":99}\n');
  await t.rejects(startBroker({ from: dir }), {
    code: 'SNAPSHOT_VERSION',
    message: /format 99, this version of millrace reads 1: take it anew/,
  });
  writeFileSync(join(dir, 'millrace.snapshot'), 'not what it was');
  await t.rejects(fork.reset(dir), { code: 'SNAPSHOT_VERSION' });
});

async function topicIds(client: RawClient): Promise<Record<string, string>> {
  const { topics } = await client.request(metadata, 12, { topics: null });
  const shown = topics.filter(({ isInternal }) => !isInternal);
  return Object.fromEntries(shown.map(({ name, topicId }) => [name, topicId]));
}
