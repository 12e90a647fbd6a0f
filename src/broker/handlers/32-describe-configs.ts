/**
 * DescribeConfigs 1-4: every config of a topic, of this broker, of client metrics or of a group, with
 * default, source, type and doc; for the broker '' what was set at run time for all brokers.
 */

import { type DescribedConfig, describeTopicConfigs } from '../../log/topic-config.js';
import { topicNameProblem } from '../../log/topic-name.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { describeConfigs } from '../../protocol/messages/32-describe-configs.js';
import { BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC } from '../alter-configs.js';
import { describeBrokerConfigs } from '../config.js';
import { configAnswer, configSourceCodes, configTypeCodes } from '../config-answers.js';
import { describeGroupConfigs } from '../group-config.js';
import { type BrokerServices, handler } from '../handler.js';
import { describeClientMetrics } from '../telemetry/client-metrics-config.js';

type ResourceRequest = ElementOf<RequestOf<typeof describeConfigs>['resources']>;
type ResourceResponse = ElementOf<ResponseInput<typeof describeConfigs>['results']>;

type Described = DescribedConfig & { readonly readOnly?: boolean; readonly sensitive?: boolean };
type Found =
  | { readonly configs: readonly Described[] }
  | { readonly errorCode: number; readonly message: string };

export const describeConfigsHandler = handler({
  message: describeConfigs,
  versions: { min: 1, max: 4 },
  notes: 'Topics, this broker, client metrics, groups. Sensitive values are never told.',
  handle({ broker }, { resources, includeSynonyms, includeDocumentation }) {
    return {
      results: resources.map((resource): ResourceResponse => {
        const { resourceType, resourceName, configurationKeys } = resource;
        const found = find(broker, resource);
        if ('errorCode' in found) {
          const { errorCode, message: errorMessage } = found;
          return { errorCode, errorMessage, resourceType, resourceName, configs: [] };
        }
        const wanted =
          configurationKeys === null || configurationKeys.length === 0
            ? null
            : new Set(configurationKeys);
        const configs = found.configs
          .filter(({ name }) => wanted === null || wanted.has(name))
          .map((config) => ({
            ...configAnswer(config),
            synonyms: includeSynonyms
              ? config.synonyms.map(({ name, value, source }) => ({
                  name,
                  value,
                  source: configSourceCodes[source],
                }))
              : [],
            configType: configTypeCodes[config.type],
            documentation: includeDocumentation ? config.doc : null,
          }));
        return {
          errorCode: errorCodes.NONE,
          errorMessage: '',
          resourceType,
          resourceName,
          configs,
        };
      }),
    };
  },
});

function find(broker: BrokerServices, { resourceType, resourceName }: ResourceRequest): Found {
  switch (resourceType) {
    case TOPIC:
      return topicConfigs(broker, resourceName);
    case BROKER:
      if (resourceName === '') return { configs: defaultBrokerConfigs(broker) };
      return ownName(broker, resourceName) ?? { configs: describeBrokerConfigs(broker.config) };
    case BROKER_LOGGER:
      return ownName(broker, resourceName) ?? { configs: [] };
    case CLIENT_METRICS: {
      if (resourceName === '') return invalid('Client metrics subscription name must not be empty');
      const configs = broker.controller.image.configsOf('client-metrics', resourceName);
      return { configs: describeClientMetrics(configs) };
    }
    case GROUP: {
      if (resourceName === '') return invalid('Group name must not be empty');
      const configs = broker.controller.image.configsOf('group', resourceName);
      return { configs: describeGroupConfigs(configs, broker.config.values) };
    }
    default:
      return invalid(`Unsupported resource type: ${resourceType}`);
  }
}

function topicConfigs({ controller, config }: BrokerServices, name: string): Found {
  const problem = topicNameProblem(name);
  if (problem !== null) return { errorCode: errorCodes.INVALID_TOPIC_EXCEPTION, message: problem };
  const topic = controller.image.topic(name);
  if (topic === undefined) {
    return { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, message: '' };
  }
  return { configs: describeTopicConfigs(config, new Map(Object.entries(topic.configs))) };
}

/** What was set at run time for all brokers. */
function defaultBrokerConfigs({ config }: BrokerServices): readonly Described[] {
  return describeBrokerConfigs(config).flatMap((described): Described[] => {
    const own = described.synonyms.find(({ source }) => source === 'DYNAMIC_DEFAULT_BROKER_CONFIG');
    if (own === undefined) return [];
    return [{ ...described, value: own.value, source: own.source, synonyms: [own] }];
  });
}

/** Null if `name` is this node's id. */
function ownName({ nodeId }: BrokerServices, name: string): Found | null {
  if (name === String(nodeId)) return null;
  return /^-?\d+$/.test(name)
    ? invalid(`Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`)
    : invalid(`Broker id must be an integer, but it is: ${name}`);
}

function invalid(message: string): Found {
  return { errorCode: errorCodes.INVALID_REQUEST, message };
}
