/** ListTransactions 0-2: transactional ids by state, producer id, duration and pattern. */

import { compileExpression } from '../../coordinator/regular-expression.js';
import { transactionStates } from '../../coordinator/transaction/transaction-metadata.js';
import { errorCodes } from '../../protocol/error-codes.js';
import { listTransactions } from '../../protocol/messages/66-list-transactions.js';
import { handler } from '../handler.js';

const names: readonly string[] = transactionStates;

export const listTransactionsHandler = handler({
  message: listTransactions,
  versions: { min: 0, max: 2 },
  notes: 'Patterns have the syntax of RE2.',
  async handle({ broker }, request) {
    const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request;
    let matches = (_transactionalId: string): boolean => true;
    if (transactionalIdPattern !== null && transactionalIdPattern !== '') {
      const expression = await compileExpression(transactionalIdPattern);
      if (!expression.ok) return { errorCode: errorCodes.INVALID_REGULAR_EXPRESSION };
      ({ matches } = expression);
    }
    const found = broker.transactions.list({
      producerIds: new Set(producerIdFilters),
      states: new Set(stateFilters),
      durationMs: durationFilter,
      matches,
    });
    return {
      errorCode: errorCodes.NONE,
      unknownStateFilters: stateFilters.filter((state) => !names.includes(state)),
      transactionStates: found.map(({ transactionalId, producerId, state }) => ({
        transactionalId,
        producerId,
        transactionState: state,
      })),
    };
  },
});
