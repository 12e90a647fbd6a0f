/** AlterConfigs 0-2: all configs of a resource at once; what is not named goes back to its default. */

import { alterConfigs } from '../../protocol/messages/33-alter-configs.js';
import { alterResources, changeBy, nullValueProblem, SET } from '../alter-configs.js';
import { handler } from '../handler.js';

export const alterConfigsHandler = handler({
  message: alterConfigs,
  versions: { min: 0, max: 2 },
  notes: 'As IncrementalAlterConfigs.',
  async handle({ broker }, { resources, validateOnly }) {
    const responses = await alterResources(
      broker,
      resources,
      validateOnly,
      ({ resourceType, configs }) => {
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
