/** The broker's thread where it is the test's own: calls are calls. */

import { BrokerHost, type HostEvents, type HostOptions } from './broker-host.js';
import type { BrokerThread } from './worker-thread.js';

export async function openLocally(
  options: HostOptions,
  log: HostEvents['log'],
): Promise<BrokerThread> {
  const host = await BrokerHost.open(options, { log, onKill: () => {} });
  return {
    port: host.port,
    startMs: await host.nowMs(),
    isGone: false,
    call: (part, method, given) => host.call(part, method, given),
    kill: async () => host.kill(),
    end: async () => {},
  };
}
