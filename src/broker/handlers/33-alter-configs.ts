/** AlterConfigs 0-2: all configs of a resource at once; what is not named goes back to its default. */

import { alterConfigs } from '../../protocol/messages/33-alter-configs.js';
import {
  alterResources,
  BROKER,
  BROKER_LOGGER,
  changeBy,
  nullValueProblem,
  refused,
  SET,
  TOPIC,
} from '../alter-configs.js';
import { handler } from '../handler.js';

export const alterConfigsHandler = handler({
  message: alterConfigs,
  versions: { min: 0, max: 2 },
  notes: 'Topics, this broker and the defaults of all brokers.',
  async handle({ broker }, { resources, validateOnly }) {
    const responses = await alterResources(
      broker,
      resources,
      validateOnly,
      ({ resourceType, configs }) => {
        const known = resourceType === TOPIC || resourceType === BROKER;
        if (!known && resourceType !== BROKER_LOGGER) {
          return refused('INVALID_REQUEST', `Unknown resource type ${resourceType}`);
        }
        const change = changeBy(
          resourceType,
          configs.map(({ name, value }) => ({ name, value, configOperation: SET })),
        );
        return nullValueProblem(configs) ?? (() => change({}));
      },
    );
    return { responses };
  },
});
