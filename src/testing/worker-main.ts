/**
 * The broker's own thread: opens a host with what the test's thread gave, and does what it is asked.
 * Run as a worker by worker-thread.ts, as it is or bundled into one file (scripts/bundle.mjs).
 */

import { parentPort, workerData } from 'node:worker_threads';
import { BrokerHost, type HostOptions } from './broker-host.js';
import { type CallMessage, sentError, type WorkerMessage } from './rpc.js';

const port = parentPort;
if (port === null) throw new Error('worker-main.js is run as a worker');
const post = (message: WorkerMessage): void => port.postMessage(message);

const answer = async (host: BrokerHost, call: CallMessage): Promise<void> => {
  const { id, part, method, given } = call;
  try {
    post({ type: 'answer', id, value: await host.call(part, method, given) });
  } catch (error) {
    post({ type: 'refused', id, error: sentError(error) });
  }
};

try {
  const host = await BrokerHost.open(workerData as HostOptions, {
    log: (level, message, fields) => post({ type: 'log', level, message, fields }),
    // Ends this thread alone, with all that it has open.
    onKill: () => process.exit(0),
  });
  port.on('message', (call: CallMessage) => void answer(host, call));
  post({ type: 'open', port: host.port, startMs: await host.nowMs() });
} catch (error) {
  post({ type: 'failed', error: sentError(error) });
}
