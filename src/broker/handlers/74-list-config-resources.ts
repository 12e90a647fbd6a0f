/** ListConfigResources 0-1: what has configs. Version 0 knows only client metrics. */

import type { ConfigResourceType, MetadataImage } from '../../cluster/metadata-image.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, ResponseInput } from '../../protocol/infer.js';
import { listConfigResources } from '../../protocol/messages/74-list-config-resources.js';
import { BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC } from '../alter-configs.js';
import { type BrokerServices, handler } from '../handler.js';

type Resource = ElementOf<ResponseInput<typeof listConfigResources>['configResources']>;

const TYPES: readonly number[] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

export const listConfigResourcesHandler = handler({
  message: listConfigResources,
  versions: { min: 0, max: 1 },
  notes: 'Topics, this broker, its loggers (none can be set), client metrics, groups.',
  handle({ broker, version }, { resourceTypes }) {
    const asked =
      version === 0 ? [CLIENT_METRICS] : resourceTypes.length === 0 ? TYPES : resourceTypes;
    if (asked.some((type) => !TYPES.includes(type))) {
      return { errorCode: errorCodes.UNSUPPORTED_VERSION, configResources: [] };
    }
    const configResources = [...new Set(asked)].flatMap((resourceType): Resource[] =>
      namesOf(broker, resourceType).map((resourceName) => ({ resourceName, resourceType })),
    );
    return { errorCode: errorCodes.NONE, configResources };
  },
});

function namesOf({ controller, nodeId }: BrokerServices, resourceType: number): string[] {
  const { image } = controller;
  switch (resourceType) {
    case TOPIC:
      return image.topics().map(({ name }) => name);
    case BROKER:
    case BROKER_LOGGER:
      return [String(nodeId)];
    case CLIENT_METRICS:
      return namesWithConfigs(image, 'client-metrics');
    case GROUP:
      return namesWithConfigs(image, 'group');
    default:
      return [];
  }
}

function namesWithConfigs(image: MetadataImage, wanted: ConfigResourceType): string[] {
  return [...image.configResources()].filter(({ type }) => type === wanted).map(({ name }) => name);
}
