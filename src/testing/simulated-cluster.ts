/**
 * SimulatedCluster: which node leads which partition and coordinates which group, where there is one
 * broker behind all of them. NOTHING IS REPLICATED: every node answers from the same logs, so a leader
 * that moves has all records at once, and stopping a node loses none.
 *
 *     node N listens as NODEN; a stopped one has its listener closed
 *     leader of (topic, partition): where it was moved to, else the first replica that is up
 *     replicas: as the topic was created, else min(3, nodes) from a place that the name decides
 *     coordinator of a key: where it was moved to, else by the hash of the key, else the next that is up
 *
 * A topic whose only replica is on a stopped node has no leader, as in earnest. State is kept by topic
 * id, so that a topic of the same name begins anew.
 */

import { MillraceError } from '../base/errors.js';
import type { Broker } from '../broker/broker.js';

export interface Leader {
  /** -1: none of the replicas is up. */
  readonly node: number;
  /** How often it has moved; on top of the leader epoch that the broker knows. */
  readonly moves: number;
}

export interface NodeAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export type CoordinatorKey = { readonly group: string } | { readonly transactionalId: string };

const REPLICAS = 3;

export function listenerOf(node: number): string {
  return `NODE${node}`;
}

export function nodeOfListener(name: string): number {
  return Number(name.slice('NODE'.length));
}

export class SimulatedCluster {
  readonly nodeCount: number;
  readonly #broker: () => Broker;
  /** By topic id: of each partition. */
  readonly #replicas = new Map<string, readonly (readonly number[])[]>();
  /** By topic id: how many replicas its partitions have. */
  readonly #factors = new Map<string, number>();
  /** By topic id and partition. */
  readonly #leaders = new Map<string, Leader>();
  readonly #coordinators = new Map<string, number>();

  constructor(options: { readonly nodeCount: number; readonly broker: () => Broker }) {
    this.nodeCount = options.nodeCount;
    this.#broker = options.broker;
  }

  isUp(node: number): boolean {
    return this.#broker().isListening(listenerOf(node));
  }

  /** In order of their ids. */
  nodes(): NodeAddress[] {
    return this.#broker().listeners.map(({ name, host, port }) => ({
      id: nodeOfListener(name),
      host,
      port,
    }));
  }

  nodesUp(): NodeAddress[] {
    return this.nodes().filter(({ id }) => this.isUp(id));
  }

  /** Ends the node's connections and lets none in. */
  async stop(node: number): Promise<void> {
    this.#check(node);
    await this.#broker().closeListener(listenerOf(node));
  }

  async start(node: number): Promise<void> {
    this.#check(node);
    await this.#broker().openListener(listenerOf(node));
  }

  replicasOf(topic: string, partition: number): readonly number[] {
    const id = this.#idOf(topic);
    const assigned = this.#replicas.get(id)?.[partition];
    if (assigned !== undefined) return assigned;
    const factor = this.#factors.get(id) ?? Math.min(REPLICAS, this.nodeCount);
    const first = hashOf(topic) + partition;
    return Array.from({ length: factor }, (_, i) => 1 + ((first + i) % this.nodeCount));
  }

  leaderOf(topic: string, partition: number): Leader {
    const key = `${this.#idOf(topic)}/${partition}`;
    const replicas = this.replicasOf(topic, partition);
    const known = this.#leaders.get(key) ?? { node: replicas[0] ?? -1, moves: 0 };
    const next = this.isUp(known.node) ? known.node : (replicas.find((n) => this.isUp(n)) ?? -1);
    const leader = next === known.node ? known : { node: next, moves: known.moves + 1 };
    this.#leaders.set(key, leader);
    return leader;
  }

  /** Throws for a partition that there is not, and for a node that is down or has no replica. */
  moveLeader(topic: string, partition: number, node: number): void {
    this.#check(node);
    const { node: now, moves } = this.leaderOf(topic, partition);
    const count = this.#broker().services.controller.image.topic(topic)?.partitionCount ?? 0;
    if (!(partition >= 0 && partition < count)) {
      throw invalid(`${topic} has ${count} partitions, there is no ${partition}`);
    }
    const replicas = this.replicasOf(topic, partition);
    if (!replicas.includes(node)) {
      throw invalid(`node ${node} has no replica of ${topic}-${partition}: ${replicas.join(', ')}`);
    }
    if (!this.isUp(node)) throw invalid(`node ${node} is down`);
    if (now === node) return;
    this.#leaders.set(`${this.#idOf(topic)}/${partition}`, { node, moves: moves + 1 });
  }

  /** Called when a topic was created: `factor` replicas, or those given for each partition. */
  created(topic: string, replicas: number | readonly (readonly number[])[]): void {
    const id = this.#broker().services.controller.image.topic(topic)?.id;
    if (id === undefined) return;
    if (typeof replicas === 'number') this.#factors.set(id, replicas);
    else this.#replicas.set(id, replicas);
  }

  coordinatorOf(of: CoordinatorKey): number {
    const key = keyOf(of);
    const first = this.#coordinators.get(key) ?? 1 + (hashOf(key) % this.nodeCount);
    for (let i = 0; i < this.nodeCount; i++) {
      const node = 1 + ((first - 1 + i) % this.nodeCount);
      if (this.isUp(node)) return node;
    }
    return -1;
  }

  moveCoordinator(of: CoordinatorKey, node: number): void {
    this.#check(node);
    if (!this.isUp(node)) throw invalid(`node ${node} is down`);
    this.#coordinators.set(keyOf(of), node);
  }

  #idOf(topic: string): string {
    const id = this.#broker().services.controller.image.topic(topic)?.id;
    if (id === undefined) throw invalid(`there is no topic ${topic}`);
    return id;
  }

  #check(node: number): void {
    if (Number.isInteger(node) && node >= 1 && node <= this.nodeCount) return;
    throw invalid(`there is no node ${node}: they are 1 to ${this.nodeCount}`);
  }
}

function keyOf(of: CoordinatorKey): string {
  return 'group' in of ? `group ${of.group}` : `transaction ${of.transactionalId}`;
}

function hashOf(text: string): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash;
}

function invalid(message: string): MillraceError {
  return new MillraceError(message, { code: 'INVALID_CLUSTER' });
}
