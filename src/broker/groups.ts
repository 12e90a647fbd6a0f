/** The group coordinator of this broker, put together: its topic and its settings. */

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { Controller } from '../cluster/controller.js';
import { GroupCoordinator, type GroupSettings } from '../coordinator/group/group-coordinator.js';
import type { LogManager } from '../log/log-manager.js';
import { type CompressionName, compressionNames } from '../record/compression/codec.js';
import type { BrokerConfig } from './config.js';
import { groupConfigValue } from './group-config.js';

export const OFFSETS_TOPIC = '__consumer_offsets';

const MINUTE_MS = 60_000;

export interface GroupServices {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logs: LogManager;
  readonly controller: Controller;
}

/** Not open yet. */
export function makeGroupCoordinator(services: GroupServices): GroupCoordinator {
  const { config, clock, random, logger, logs, controller } = services;
  const { values } = config;
  return new GroupCoordinator({
    clock,
    random,
    logger,
    settings: settingsOf(config, controller),
    topics: () => controller.image.topics(),
    topic: {
      name: OFFSETS_TOPIC,
      partitionCount: values['offsets.topic.num.partitions'],
      configs: {
        'cleanup.policy': 'compact',
        'compression.type': 'producer',
        'segment.bytes': String(values['offsets.topic.segment.bytes']),
      },
      compression: compressionNames[values['offsets.topic.compression.codec']] as CompressionName,
      loadBufferBytes: values['offsets.load.buffer.size'],
      existingPartitionCount: (topic) => controller.image.topic(topic)?.partitionCount ?? 0,
      getLog: (topic, partition) => logs.getLog(topic, partition),
      createTopic: async (topic) => {
        const created = await controller.createTopic(topic);
        return created.ok ? null : created.message;
      },
    },
  });
}

/** Read through to the config and to what is set for a group at each use. */
function settingsOf(config: BrokerConfig, controller: Controller): GroupSettings {
  const configsOf = (groupId: string) => controller.image.configsOf('group', groupId);
  return {
    get initialRebalanceDelayMs() {
      return config.values['group.initial.rebalance.delay.ms'];
    },
    get memberCountMax() {
      return config.values['group.max.size'];
    },
    get sessionTimeoutMinMs() {
      return config.values['group.min.session.timeout.ms'];
    },
    get sessionTimeoutMaxMs() {
      return config.values['group.max.session.timeout.ms'];
    },
    get offsetMetadataBytesMax() {
      return config.values['offset.metadata.max.bytes'];
    },
    get offsetsRetentionMs() {
      return config.values['offsets.retention.minutes'] * MINUTE_MS;
    },
    consumerSessionTimeoutMs(groupId) {
      const { values } = config;
      return groupConfigValue('consumer.session.timeout.ms', configsOf(groupId), values);
    },
    consumerHeartbeatIntervalMs(groupId) {
      const { values } = config;
      return groupConfigValue('consumer.heartbeat.interval.ms', configsOf(groupId), values);
    },
    get consumerMemberCountMax() {
      return config.values['group.consumer.max.size'];
    },
    get consumerAssignors() {
      return config.values['group.consumer.assignors'].map(assignorName);
    },
    get migrationPolicy() {
      return config.values['group.consumer.migration.policy'].toLowerCase();
    },
    get retentionCheckIntervalMs() {
      return config.values['offsets.retention.check.interval.ms'];
    },
  };
}

/** The classes of Kafka's own assignors stand for their names. */
function assignorName(name: string): string {
  return name.replace(/^.*\.(\w+)Assignor$/, '$1').toLowerCase();
}
