import t from 'tap';
import { type Env, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
  tempDir,
} from '../support/test-broker.js';

t.test('a medium that fails under a first read is an error of that fetch alone', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const writer = await connectTo(t, first);
  for (const topic of ['bad', 'good']) {
    await createTopic(writer, topic);
    await produceTo(writer, topic, ['x', 'y']);
  }
  await first.close();

  const waiting: (() => void)[] = [];
  const env: Env = {
    ...systemEnv,
    open(path, mode) {
      const file = systemEnv.open(path, mode);
      if (!path.includes('bad-0') || !path.endsWith('.log')) return file;
      const fails = (): Promise<never> =>
        new Promise((_, reject) => {
          const fail = (): void => reject(new IoError('pread', path, 'EIO'));
          // Later ones, such as that of the close, need not wait.
          if (waiting.length > 0) fail();
          else waiting.push(fail);
        });
      // With checksums of the file its blocks are looked at, without them its batches.
      return Object.assign(file, { walkBatches: fails, checksumBlocks: fails });
    },
  };
  const broker = await startBroker(t, { 'log.dirs': dir }, { env });
  const [one, other] = [await connectTo(t, broker), await connectTo(t, broker)];
  for (const maxWaitMs of [0, 30_000]) {
    const answer = fetchFrom(one, 'bad', { maxWaitMs });
    if (maxWaitMs === 0) {
      while (waiting.length === 0) await new Promise(setImmediate);
      const beside = await fetchFrom(other, 'good');
      t.match(beside, { errorCode: 0 }, 'others go on while it waits');
      t.ok((beside.records?.length ?? 0) > 0);
      waiting[0]?.();
    }
    t.match(await answer, { errorCode: errorCodes.KAFKA_STORAGE_ERROR });
  }
  t.match(await produceTo(one, 'bad', ['z']), { errorCode: 0, baseOffset: 2 });
  t.equal(broker.services.logs.logDirs()[0]?.error, null, 'a read error takes nothing offline');
});
