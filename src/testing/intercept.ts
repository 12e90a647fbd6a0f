/**
 * The interceptor of a broker under test: what comes by is recorded, and suffers what the fault plan has
 * for it. A request without a fault stays synchronous if its handler is.
 *
 *     record > faults > (the simulated cluster) > handler
 */

import type { HandlerAnswer } from '../broker/handler.js';
import type { Exchange, Handle, Interceptor } from '../broker/interceptor.js';
import type { Api } from '../protocol/schema.js';
import { applyFaults, type FaultHost, type FiredFault } from './apply-fault.js';
import type { FaultPlan } from './fault-plan.js';
import { describeAction } from './fault-rule.js';
import type { RequestRecorder } from './request-recorder.js';

type Answer = HandlerAnswer<Api>;

export interface InterceptOptions {
  readonly plan: FaultPlan;
  readonly recorder: RequestRecorder;
  readonly host: FaultHost;
  /** What makes the broker answer as the node that was asked; null: a single broker. */
  readonly cluster: Interceptor | null;
}

export function interceptor({ plan, recorder, host, cluster }: InterceptOptions): Interceptor {
  return (exchange, handle) => {
    const node = exchange.context.broker.nodeId;
    const end = recorder.begin(exchange, node);
    const fired = plan.decide(exchange, node);
    const faults = fired.map(({ action }) => describeAction(action));
    try {
      const answer = answerOf(exchange, innermost(exchange, handle, cluster), fired, host);
      if (!(answer instanceof Promise)) {
        end(answer, faults);
        return answer;
      }
      return answer.then(
        (settled) => {
          end(settled, faults);
          return settled;
        },
        (error: unknown) => {
          end(error as Error, faults);
          throw error;
        },
      );
    } catch (error) {
      end(error as Error, faults);
      throw error;
    }
  };
}

function innermost(exchange: Exchange, handle: Handle, cluster: Interceptor | null): Handle {
  if (cluster === null) return handle;
  return (body = exchange.body, owned = exchange.context.owned) => {
    const { context } = exchange;
    const inner: Exchange = {
      ...exchange,
      body: body as Exchange['body'],
      context: owned === context.owned ? context : { ...context, owned },
    };
    return cluster(inner, handle);
  };
}

function answerOf(
  exchange: Exchange,
  handle: Handle,
  fired: readonly FiredFault[],
  host: FaultHost,
): Answer | Promise<Answer> {
  return fired.length === 0 ? handle() : applyFaults(exchange, handle, fired, host);
}
