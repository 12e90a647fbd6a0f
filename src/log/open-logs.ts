/**
 * The open logs of a log manager: by the names of their directories, and by topic and partition, which is
 * what every request asks for and makes no name for.
 */

import type { LogDir } from './log-dir.js';
import type { PartitionLog } from './partition-log.js';

/** A log and where it is. */
export interface OpenLog {
  readonly log: PartitionLog;
  readonly dir: LogDir;
}

export class OpenLogs {
  readonly #byName = new Map<string, OpenLog>();
  readonly #byTopic = new Map<string, Map<number, PartitionLog>>();

  /** By `TOPIC-PARTITION`. */
  get byName(): ReadonlyMap<string, OpenLog> {
    return this.#byName;
  }

  find(topic: string, partition: number): PartitionLog | undefined {
    return this.#byTopic.get(topic)?.get(partition);
  }

  add(name: string, entry: OpenLog): void {
    const { topic, partition } = entry.log;
    this.#byName.set(name, entry);
    const partitions = this.#byTopic.get(topic);
    if (partitions === undefined) this.#byTopic.set(topic, new Map([[partition, entry.log]]));
    else partitions.set(partition, entry.log);
  }

  delete(name: string): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) return;
    const { topic, partition } = entry.log;
    this.#byName.delete(name);
    const partitions = this.#byTopic.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) this.#byTopic.delete(topic);
  }

  values(): IterableIterator<OpenLog> {
    return this.#byName.values();
  }
}
