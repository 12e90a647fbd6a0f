/**
 * AlterClientQuotas 0-1: sets and removes quotas. In force, and durable, when it is answered; an entry
 * that is wrong is refused, the others are done.
 */

import {
  type ClientQuota,
  type QuotaEntity,
  quotaEntityKey,
} from '../../cluster/metadata-image.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { alterClientQuotas } from '../../protocol/messages/49-alter-client-quotas.js';
import { handler } from '../handler.js';
import { entityOf, isRefusal, operationsProblem, valuesAfter } from '../quotas/quota-requests.js';

type Entry = ElementOf<RequestOf<typeof alterClientQuotas>['entries']>;
type Answer = ElementOf<ResponseInput<typeof alterClientQuotas>['entries']>;

export const alterClientQuotasHandler = handler({
  message: alterClientQuotas,
  versions: { min: 0, max: 1 },
  notes: 'Every client is the user ANONYMOUS: there is no authentication yet.',
  async handle({ broker }, { entries, validateOnly }) {
    const checked = entries.map((entry) => ({ entry, entity: checkedEntity(entry) }));
    let failure: Pick<Answer, 'errorCode' | 'errorMessage'> | null = null;
    if (!validateOnly) {
      const result = await broker.controller.alterQuotas((image) => {
        const quotas = new Map<string, ClientQuota>();
        for (const { entry, entity } of checked) {
          if (isRefusal(entity)) continue;
          const key = quotaEntityKey(entity);
          const before = (quotas.get(key) ?? image.quotaOf(entity))?.values ?? {};
          quotas.set(key, { entity, values: valuesAfter(before, entry.ops) });
        }
        return [...quotas.values()];
      });
      if (result.ok) broker.quotas.update(broker.controller.image);
      else failure = { errorCode: errorCodes[result.error], errorMessage: result.message };
    }
    return {
      entries: checked.map(({ entry, entity }): Answer => {
        if (isRefusal(entity)) {
          const { error, message: errorMessage } = entity;
          return { errorCode: errorCodes[error], errorMessage, entity: entry.entity };
        }
        const done = { errorCode: errorCodes.NONE, errorMessage: null };
        return { ...(failure ?? done), entity: entry.entity };
      }),
    };
  },
});

function checkedEntity({ entity: parts, ops }: Entry): ReturnType<typeof entityOf> {
  const entity: QuotaEntity | ReturnType<typeof entityOf> = entityOf(parts);
  return isRefusal(entity) ? entity : (operationsProblem(entity, ops) ?? entity);
}
