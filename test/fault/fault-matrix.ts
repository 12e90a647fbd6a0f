/** Which faults there are at a call. */

import type { LogConfig } from '#src/log/topic-config.js';
import { canFail, type Fault, faultKinds } from '../support/faulty-env.js';

export const faultConfigs: readonly {
  readonly name: string;
  readonly config: Partial<LogConfig>;
}[] = [
  { name: 'os', config: {} },
  { name: 'durable', config: { flushMessages: 1 } },
];

/** Every fault that call `at` can have, once and for ever; a process dies once. */
export function faultsOf(calls: readonly string[], at: number): Fault[] {
  const call = calls[at];
  if (call === undefined) return [];
  return faultKinds
    .filter((kind) => canFail(call, kind))
    .flatMap((kind): Fault[] =>
      kind.startsWith('kill')
        ? [{ at, kind, forever: false }]
        : [
            { at, kind, forever: false },
            { at, kind, forever: true },
          ],
    );
}
