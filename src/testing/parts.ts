/**
 * Parts: what stands beside the broker's dispatcher, in its thread: faults and the recorder. The host
 * makes them before the broker and hands their env and their broker options to it; the faces of
 * faces.ts call their methods by name, so that arguments and results are plain values.
 *
 * They outlive `restart` and `reset`; a worker that is killed takes its own with it.
 */

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { Broker, BrokerOptions } from '../broker/broker.js';
import type { Env } from '../file/env.js';
import { clusterSeam } from './cluster-seam.js';
import { FaultPlan } from './fault-plan.js';
import { faultyDisk } from './faulty-disk.js';
import { interceptor } from './intercept.js';
import { RequestRecorder } from './request-recorder.js';
import { nodeOfListener, SimulatedCluster } from './simulated-cluster.js';

export interface PartsContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The host's: no syncs. The parts' own goes around it. */
  readonly env: Env;
  /** Closes and opens the broker on its directory and port; settles when it serves again. */
  readonly restart: () => Promise<void>;
  /** As kill -9: nothing more is written or answered from the moment of the call. */
  readonly kill: () => void;
  /** Nodes of a simulated cluster; 0: a single broker. */
  readonly nodeCount: number;
  /** Throws BROKER_DOWN while there is none. */
  readonly broker: () => Broker;
}

export interface BrokerParts {
  /** What the broker does its file operations with. */
  readonly env: Env;
  /** The seams: goes into the options of Broker.start. */
  readonly brokerOptions: Partial<BrokerOptions>;
  /** By the name that its face calls it by. */
  readonly targets: Readonly<Record<string, object>>;
  /** What the author of the test should know at dispose: a rule that never matched. */
  problems(): readonly string[];
}

export function makeParts(context: PartsContext): BrokerParts {
  const { clock, random, env, restart, kill, nodeCount, broker } = context;
  const cluster = nodeCount === 0 ? null : new SimulatedCluster({ nodeCount, broker });
  const plan = new FaultPlan({ random });
  const recorder = new RequestRecorder(clock);
  const host = { clock, restart, kill };
  return {
    env: faultyDisk({ env, clock, decide: (call, path) => plan.decideDisk(call, path) }),
    brokerOptions: {
      intercept: interceptor({
        ...{ plan, recorder, host },
        cluster: cluster === null ? null : clusterSeam(cluster),
      }),
      ...(cluster === null ? {} : { nodeIdOf: nodeOfListener }),
    },
    targets: { faults: plan, requests: recorder, ...(cluster === null ? {} : { cluster }) },
    problems: () => plan.problems(),
  };
}
