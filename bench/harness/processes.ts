/**
 * CPU time and memory of processes as the kernel counts them, and the CPU time of everybody else.
 *
 * Other processes are read from /proc, so that nothing has to be built into what is measured. The time
 * of a live thread is exact to nanoseconds there, that of a thread that ended is not in it: for a
 * process that starts and ends threads while it is measured take `cpuSecondsCoarse` (10 ms).
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks a second in /proc: fixed in the kernel's interface on all usual platforms. */
const TICKS_PER_SECOND = 100;

/** CPU seconds of the live threads of a process. */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readText(`/proc/${pid}/task/${thread}/schedstat`);
    nanoseconds += Number(text.split(' ')[0]);
  }
  return nanoseconds / 1e9;
}

/** CPU seconds of a process with the threads that it has ended. */
export function cpuSecondsCoarse(pid: number): number {
  const fields = statFields(pid);
  return fields === null ? 0 : (fields.user + fields.system) / TICKS_PER_SECOND;
}

/** CPU seconds of this process, exact to microseconds. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function rssMib(pid: number): number {
  return statusKib(pid, 'VmRSS') / 1024;
}

/** The highest RSS that the process had so far. */
export function peakRssMib(pid: number): number {
  return statusKib(pid, 'VmHWM') / 1024;
}

/** The part of the RSS that is not file pages: heap and stacks. */
export function anonymousRssMib(pid: number): number {
  return statusKib(pid, 'RssAnon') / 1024;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) !== '';
    } catch {
      return false;
    }
  }).length;
}

/** Measures the CPU that is used by neither this process nor its children, from `start` on. */
export class ForeignCpu {
  readonly #start = machineTicks();
  readonly #own = familyTicks();

  /** Share of all cores, 0 to 1; 0 for a span too short to tell. */
  share(): number {
    const now = machineTicks();
    const total = now.total - this.#start.total;
    if (total < 2 * TICKS_PER_SECOND * 0.1) return 0;
    const foreign = now.busy - this.#start.busy - (familyTicks() - this.#own);
    return Math.min(1, Math.max(0, foreign / total));
  }
}

/** Interrupts are left out of what is busy: on loopback they are our own. Stolen time is in it. */
function machineTicks(): { busy: number; total: number } {
  const line = /^cpu +(.*)$/m.exec(readText('/proc/stat'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = line
    .split(' ')
    .map(Number);
  const busy = user + nice + system + steal;
  return { busy, total: busy + idle + wait + irq + soft };
}

/** This process, the children that it has waited for, and all live descendants of it. */
function familyTicks(): number {
  const parents = new Map<number, { parent: number; ticks: number }>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const fields = statFields(pid);
    if (fields === null) continue;
    const { user, system, childUser, childSystem } = fields;
    parents.set(pid, { parent: fields.parent, ticks: user + system + childUser + childSystem });
  }
  let ticks = 0;
  for (const [pid, own] of parents) {
    let at: number | undefined = pid;
    while (at !== undefined && at !== process.pid && at > 1) at = parents.get(at)?.parent;
    if (at === process.pid) ticks += own.ticks;
  }
  return ticks;
}

function statFields(pid: number): {
  parent: number;
  user: number;
  system: number;
  childUser: number;
  childSystem: number;
} | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === '') return null;
  // The name in parentheses may hold blanks: count from behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (index: number): number => Number(fields[index]);
  return { parent: at(1), user: at(11), system: at(12), childUser: at(13), childSystem: at(14) };
}

function statusKib(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readText(`/proc/${pid}/status`));
  return Number(found?.[1] ?? 0);
}

/** Empty for a process that is gone meanwhile. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
