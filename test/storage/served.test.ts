import t from 'tap';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
  tempDir,
} from '../support/test-broker.js';
import { openAll, readAll } from './storage-fixture.js';

t.test(
  'a directory is served by a broker after the library, and the other way round',
  async (t) => {
    const dir = tempDir(t);
    const logs = await openAll(t, dir);
    const log = await logs.open('events', 0);
    await log.append([{ value: Buffer.from('by the library') }]);
    await log.appendRaw(Buffer.from('raw'));
    await logs.close();

    const broker = await startBroker(t, { 'log.dirs': dir });
    const client = await connectTo(t, broker);
    const { records } = await fetchFrom(client, 'events');
    t.match(Buffer.from(records ?? []).toString('latin1'), /by the library.*raw/s);
    await produceTo(client, 'events', ['by a client']);
    await createTopic(client, 'other', { partitions: 2 });
    await produceTo(client, 'other', ['elsewhere'], { partition: 1 });
    await broker.close();

    const again = await openAll(t, dir);
    const values = (await readAll(again.get('events') as never)).map(([, value]) => value);
    t.same(values, ['by the library', 'raw', 'by a client']);
    t.same(await readAll(again.get('other', 1) as never), [[0, 'elsewhere']]);
    t.same(again.list().length, 3);
    await again.get('other', 1)?.append({ value: Buffer.from('more') });
    await again.close();

    const last = await startBroker(t, { 'log.dirs': dir });
    const { records: more } = await fetchFrom(await connectTo(t, last), 'other', { partition: 1 });
    t.match(Buffer.from(more ?? []).toString('latin1'), /elsewhere.*more/s);
  },
);

t.test('a directory that a broker serves is refused', async (t) => {
  const dir = tempDir(t);
  await startBroker(t, { 'log.dirs': dir });
  await t.rejects(openAll(t, dir), { code: 'DIRECTORY_LOCKED' });
});
