/**
 * A broker that keeps nothing: ours, but a Produce request is answered with offset 0 before anybody has
 * looked at its records. What a producer reaches here is what it can send on this machine, however fast
 * a broker is. This file is both: imported it is the handle, run it is the process.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Broker } from '#src/broker/broker.js';
import type { Interceptor } from '#src/broker/interceptor.js';
import type { RequestOf } from '#src/protocol/infer.js';
import { produce } from '#src/protocol/messages/00-produce.js';

const HOST = 'discard-broker';

/** Ends when it is disconnected. */
export async function startDiscardBroker(
  dataDir: string,
): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(import.meta.filename, [HOST, dataDir]);
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

const discard: Interceptor = ({ message, body }, handle) => {
  if (message.key !== produce.key) return handle();
  const { acks, topicData } = body as unknown as RequestOf<typeof produce>;
  if (acks === 0) return null;
  return {
    responses: topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({
        index,
        errorCode: 0,
        baseOffset: 0,
      })),
    })),
  };
};

async function host(dataDir: string): Promise<void> {
  const config = { 'log.dirs': dataDir, listeners: 'PLAINTEXT://127.0.0.1:0' };
  const broker = await Broker.start({ config, intercept: discard });
  process.once('disconnect', () => void broker.close().then(() => process.exit(0)));
  process.send?.(broker.listeners[0]?.port);
}

if (process.argv[2] === HOST && process.argv[1] === import.meta.filename) {
  await host(process.argv[3] ?? '');
}
