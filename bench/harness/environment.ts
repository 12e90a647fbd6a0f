/** The machine and the versions that a result was measured with. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { native } from '#src/native/binding.js';
import { root } from './paths.js';
import type { Environment } from './suite.js';

export function environment(): Environment {
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=12', 'HEAD'),
    dirty: git('status', '--porcelain', '--', 'src', 'native', 'bench') !== '',
    node: process.version,
    native: native === null ? 'none' : native.crc32cKind(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    congestion: readSystem('/proc/sys/net/ipv4/tcp_congestion_control'),
  };
}

function git(...args: string[]): string {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
}

function readSystem(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
