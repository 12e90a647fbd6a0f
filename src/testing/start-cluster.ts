/**
 * `startCluster`: several nodes for the tests of clients, simulated by one broker. Leaders are spread
 * over the nodes and can be moved, nodes can be stopped and started, and clients are told what a cluster
 * would tell them. NOTHING IS REPLICATED: all nodes have the same records at all times, so it shows how
 * a client finds its way, not what a cluster loses.
 */

import { MillraceError } from '../base/errors.js';
import { type Remote, remoteOf } from './remote.js';
import type { CoordinatorKey, Leader, NodeAddress } from './simulated-cluster.js';
import { startNodes } from './start-broker.js';
import type { TestBroker } from './test-broker.js';
import type { StartBrokerOptions } from './types.js';

const NODES_MAX = 50;

export interface ClusterNode {
  /** From 1. */
  readonly id: number;
  readonly port: number;
  /** HOST:PORT. */
  readonly bootstrap: string;
}

export interface TestCluster extends TestBroker {
  /** HOST:PORT of every node, separated by commas. */
  readonly bootstrap: string;
  readonly nodes: readonly ClusterNode[];
  /** -1: there is none, its replicas are all on nodes that are stopped. */
  leaderOf(topic: string, partition?: number): Promise<number>;
  /** To a node that has a replica and is up. Clients hear of it as they would of any election. */
  moveLeader(topic: string, partition: number, node: number): Promise<void>;
  coordinatorOf(of: CoordinatorKey): Promise<number>;
  moveCoordinator(of: CoordinatorKey, node: number): Promise<void>;
  /** Closes its connections and lets none in; what it led is led by the next replica that is up. */
  stop(node: number): Promise<void>;
  /** On the port that it had. Leaders that have moved away do not come back by themselves. */
  start(node: number): Promise<void>;
}

interface ClusterPart {
  nodes(): NodeAddress[];
  leaderOf(topic: string, partition: number): Leader;
  moveLeader(topic: string, partition: number, node: number): void;
  coordinatorOf(of: CoordinatorKey): number;
  moveCoordinator(of: CoordinatorKey, node: number): void;
  stop(node: number): Promise<void>;
  start(node: number): Promise<void>;
}

/** Options as startBroker's, without `port`: every node has a free one. */
export async function startCluster(
  nodeCount: number,
  options: Omit<StartBrokerOptions, 'port'> = {},
): Promise<TestCluster> {
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > NODES_MAX) {
    const message = `a cluster has 1 to ${NODES_MAX} nodes, not ${String(nodeCount)}`;
    throw new MillraceError(message, { code: 'INVALID_OPTION' });
  }
  if ('port' in options) {
    const message = 'the nodes of a cluster have free ports: leave out port';
    throw new MillraceError(message, { code: 'INVALID_OPTION' });
  }
  const broker = await startNodes(options, new Array<number>(nodeCount).fill(0));
  const part: Remote<ClusterPart> = remoteOf<ClusterPart>('cluster', broker.callPart);
  const nodes = (await part.nodes()).map(({ id, host, port }) => ({
    id,
    port,
    bootstrap: `${host}:${port}`,
  }));
  return Object.assign(broker, {
    bootstrap: nodes.map((node) => node.bootstrap).join(),
    nodes,
    leaderOf: async (topic: string, partition = 0) => (await part.leaderOf(topic, partition)).node,
    moveLeader: (topic: string, partition: number, node: number) =>
      part.moveLeader(topic, partition, node),
    coordinatorOf: (of: CoordinatorKey) => part.coordinatorOf(of),
    moveCoordinator: (of: CoordinatorKey, node: number) => part.moveCoordinator(of, node),
    stop: (node: number) => part.stop(node),
    start: (node: number) => part.start(node),
  });
}
