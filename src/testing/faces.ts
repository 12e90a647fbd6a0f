/**
 * Faces: what `broker.faults` and `broker.requests` are on the test's side. They have the broker only
 * through remotes (remote.ts), and import nothing of it but types: a test process whose broker is in a
 * worker does not load one.
 */

/** Carries a call to the part `part` beside the dispatcher. */
export type CallPart = (
  part: string,
  method: string,
  given: readonly unknown[],
) => Promise<unknown>;

export interface BrokerFaces {
  readonly call: CallPart;
}

export function makeFaces(call: CallPart): BrokerFaces {
  return { call };
}
