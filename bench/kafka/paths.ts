/** Where the rivals and the neutral clients are, once `npm run bench:rivals` has put them there. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../harness/paths.js';

const interop = join(root, 'test/interop/clients');
const jars = join(interop, 'java/target/lib');
const rdkafka = join(interop, 'node-rdkafka/node_modules/node-rdkafka/deps/librdkafka');
const bin = join(root, 'bench/rivals/bin');

export const KAFKA_VERSION = '4.2.0';
export const classPath = `${jars}/*`;
/** Warnings to standard error: the interop suite's, so that both start the same Kafka. */
export const log4jOptions = [
  `-Dlog4j.configurationFile=${join(interop, 'java/log4j2.properties')}`,
  '-Dmillrace.log.level=warn',
];
export const rdkafkaPerformance = join(rdkafka, 'examples/rdkafka_performance');
export const kfakePath = join(bin, 'kfake');
export const mockPath = join(bin, 'mock');

/** Why something cannot be run; null when it can. */
export function missing(what: 'kafka' | 'rdkafka' | 'kfake' | 'mock'): string | null {
  const needed = {
    kafka: join(jars, `kafka-tools-${KAFKA_VERSION}.jar`),
    rdkafka: rdkafkaPerformance,
    kfake: kfakePath,
    mock: mockPath,
  }[what];
  return existsSync(needed) ? null : `${what} is not installed: npm run bench:rivals`;
}

const LOAD_SOURCES = ['load.c', 'load-closed.c', 'load-latency.c', 'load.h'];
let load: string | null = null;

/** The load generator of bench/clients, compiled anew when a source is newer. */
export function loadPath(): string {
  if (load !== null) return load;
  const sources = LOAD_SOURCES.map((name) => join(root, 'bench/clients', name));
  const target = join(bin, 'load');
  const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if (!existsSync(target) || statSync(target).mtimeMs < newest) {
    mkdirSync(bin, { recursive: true });
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
    const made = `${target}.${process.pid}`;
    const code = sources.filter((path) => path.endsWith('.c'));
    const { status, stderr } = spawnSync('gcc', [...flags, '-o', made, ...code], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`gcc cannot build bench/clients: ${stderr}`);
    renameSync(made, target);
  }
  load = target;
  return target;
}
