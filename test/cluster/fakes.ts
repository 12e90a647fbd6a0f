/**
 * Files and logs in memory that "crash" at their n-th change: it and all later ones throw, as if the
 * process had ended. What was there before stays, and a new controller is opened on it.
 */

import { ManualClock } from '#src/base/clock.js';
import { MillraceError } from '#src/base/errors.js';
import { seededRandom } from '#src/base/random.js';
import { Controller } from '#src/cluster/controller.js';
import { MetadataStore } from '#src/cluster/metadata-store.js';
import type { Env } from '#src/file/env.js';
import type { CreateLogOptions, LogManager } from '#src/log/log-manager.js';
import { defaultBrokerLogSettings, type LogConfig } from '#src/log/topic-config.js';
import { keepingLogger } from '../support/keeping-logger.js';

export class FakeDisk {
  readonly files = new Map<string, Uint8Array>();
  /** Topic id by `TOPIC-PARTITION`. */
  readonly directories = new Map<string, string | null>();
  /** Largest producer id that a partition knows. */
  readonly producerIds = new Map<string, number>();
  /** Partitions that cannot be opened. */
  readonly failures = new Map<string, Error>();
  /** As last updated, by topic. */
  readonly configs = new Map<string, LogConfig>();
  /** Changes still allowed. */
  changesLeft = Number.POSITIVE_INFINITY;
  changes = 0;

  change(apply: () => void): void {
    if (this.changesLeft-- <= 0)
      throw new MillraceError('the machine stopped', { code: 'IO_ERROR' });
    this.changes++;
    apply();
  }

  get env(): Env {
    const { files } = this;
    const env = {
      exists: (path: string) => files.has(path),
      readFile: (path: string) => Buffer.from(files.get(path) as Uint8Array),
      writeFileAtomic: async (path: string, bytes: Uint8Array) => {
        this.change(() => files.set(path, Uint8Array.from(bytes)));
      },
    };
    return env as unknown as Env;
  }

  get logs(): LogManager {
    const { directories } = this;
    const logs = {
      failures: this.failures,
      partitions: () =>
        [...directories].map(([name, topicId]) => ({
          ...parseDirectory(name),
          topicId,
          largestProducerId: this.producerIds.get(name) ?? -1,
        })),
      getLog: (topic: string, partition: number) =>
        directories.has(`${topic}-${partition}`) ? {} : undefined,
      updateConfig: (topic: string, config: LogConfig) => {
        this.configs.set(topic, config);
      },
      createLog: async ({ topic, partition, topicId }: CreateLogOptions) => {
        this.change(() => directories.set(`${topic}-${partition}`, topicId));
      },
      deleteLog: async (topic: string, partition: number) => {
        if (!directories.has(`${topic}-${partition}`)) return false;
        this.change(() => directories.delete(`${topic}-${partition}`));
        return true;
      },
    };
    return logs as unknown as LogManager;
  }
}

function parseDirectory(name: string): { topic: string; partition: number } {
  const at = name.lastIndexOf('-');
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)) };
}

/** As the broker does at its start. */
export async function openController(disk: FakeDisk, seed = 1) {
  const logger = keepingLogger();
  const clock = new ManualClock();
  const store = MetadataStore.open({ env: disk.env, clock, logger, dir: '/data' });
  const settings = defaultBrokerLogSettings;
  const controller = new Controller({ store, settings, random: seededRandom(seed), logger });
  await controller.reconcile(disk.logs);
  return { controller, store, logger };
}
