/** IncrementalAlterConfigs 0-1: sets, deletes, appends to and subtracts from single configs. */

import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.js';
import {
  alterResources,
  changeBy,
  DELETE,
  nullValueProblem,
  refused,
  SET,
  SUBTRACT,
} from '../alter-configs.js';
import { handler } from '../handler.js';

export const incrementalAlterConfigsHandler = handler({
  message: incrementalAlterConfigs,
  versions: { min: 0, max: 1 },
  notes:
    'Topics, this broker and the defaults of all brokers, client metrics, groups. There are no loggers. Unknown broker configs are refused.',
  async handle({ broker }, { resources, validateOnly }) {
    const responses = await alterResources(
      broker,
      resources,
      validateOnly,
      ({ resourceType, configs }) => {
        const unknown = configs.find(
          ({ configOperation }) => configOperation < SET || configOperation > SUBTRACT,
        );
        if (unknown !== undefined) {
          const text = `Unknown operation type ${unknown.configOperation} for ${unknown.name}`;
          return refused('INVALID_REQUEST', text);
        }
        const set = configs.filter(({ configOperation }) => configOperation !== DELETE);
        return nullValueProblem(set) ?? changeBy(resourceType, configs);
      },
    );
    return { responses };
  },
});
