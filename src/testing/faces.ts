/**
 * Faces: what `broker.faults` and `broker.requests` are on the test's side. They have the broker only
 * through remotes (remote.ts), and import nothing of it but types: a test process whose broker is in a
 * worker does not load one.
 */

import { type FaultPlanPart, Faults } from './faults.js';
import { remoteOf } from './remote.js';
import { type RecorderPart, Requests } from './requests.js';

/** Carries a call to the part `part` beside the dispatcher. */
export type CallPart = (
  part: string,
  method: string,
  given: readonly unknown[],
) => Promise<unknown>;

export interface BrokerFaces {
  readonly faults: Faults;
  readonly requests: Requests;
}

export function makeFaces(call: CallPart): BrokerFaces {
  return {
    faults: new Faults(remoteOf<FaultPlanPart>('faults', call)),
    requests: new Requests(remoteOf<RecorderPart>('requests', call)),
  };
}
