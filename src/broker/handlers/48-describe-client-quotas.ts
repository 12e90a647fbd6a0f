/** DescribeClientQuotas 0-1: the quotas that are set for the entities that a filter matches. */

import { errorCodes } from '../../protocol/error-codes.js';
import { describeClientQuotas } from '../../protocol/messages/48-describe-client-quotas.js';
import { handler } from '../handler.js';
import { filterProblem, matchesFilter } from '../quotas/quota-requests.js';

export const describeClientQuotasHandler = handler({
  message: describeClientQuotas,
  versions: { min: 0, max: 1 },
  notes: '',
  handle({ broker }, { components, strict }) {
    const problem = filterProblem(components);
    if (problem !== null) {
      const { error, message: errorMessage } = problem;
      return { errorCode: errorCodes[error], errorMessage, entries: null };
    }
    const found = [...broker.controller.image.quotas()].filter((quota) =>
      matchesFilter(quota, components, strict),
    );
    return {
      errorCode: errorCodes.NONE,
      errorMessage: '',
      entries: found.map(({ entity, values }) => ({
        entity: Object.entries(entity).map(([entityType, entityName]) => ({
          entityType,
          entityName,
        })),
        values: Object.entries(values).map(([key, value]) => ({ key, value })),
      })),
    };
  },
});
