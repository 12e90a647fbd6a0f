/**
 * What the world is put through. Each scenario is some dozens of steps, drawn by the seed; a crash may
 * come between any two events of the disk in it.
 */

import type { AppendShape, World, WorldOptions } from './world.js';

export interface Scenario {
  readonly name: string;
  readonly options: Omit<WorldOptions, 'seed'>;
  readonly run: (world: World) => Promise<void>;
}

const DURABLE = { flushMessages: 1 } as const;
const TOPIC = 'orders';

function shape(world: World, idempotent = false): AppendShape {
  const { random } = world;
  const valueSize = random.below(8) === 0 ? 700 : 20 + random.below(120);
  return { count: 1 + random.below(3), valueSize, idempotent };
}

/** Bursts of appends, with what `between` does between them. */
async function appends(
  world: World,
  count: number,
  between: (step: number) => Promise<void>,
): Promise<void> {
  for (let step = 0; step < count; step++) {
    await world.burst(TOPIC, 1 + world.random.below(3), shape(world, step % 3 === 0));
    await between(step);
  }
}

async function begin(world: World): Promise<void> {
  await world.open();
  await world.create(TOPIC);
}

async function maybeFlush(world: World): Promise<void> {
  if (world.random.below(5) === 0) await world.flush(TOPIC);
  else if (world.random.below(3) === 0) await world.turn(world.random.below(4));
}

/** Never rolls. */
const oneSegment = { segmentBytes: 1 << 20 } as const;

async function appendOnly(world: World): Promise<void> {
  await begin(world);
  await appends(world, 20, () => (world.durable ? Promise.resolve() : maybeFlush(world)));
}

async function rolling(world: World): Promise<void> {
  await begin(world);
  await appends(world, 25, async () => {
    if (world.random.below(6) === 0) await world.roll(TOPIC);
    await maybeFlush(world);
  });
}

async function retention(world: World): Promise<void> {
  await begin(world);
  await appends(world, 25, async (step) => {
    if (step % 6 === 5) {
      world.clock.advance(2000);
      // The files of the pass before are unlinked while appends go on.
      const pass = world.retain();
      await world.append(TOPIC, shape(world));
      await pass;
    }
    if (step % 9 === 8) await world.checkpoint();
    await maybeFlush(world);
  });
}

async function checkpoints(world: World): Promise<void> {
  await begin(world);
  await appends(world, 16, async (step) => {
    if (step % 3 === 0) {
      const written = world.checkpoint();
      await world.append(TOPIC, shape(world));
      await written;
    }
    await maybeFlush(world);
  });
}

async function createAndDelete(world: World): Promise<void> {
  await begin(world);
  for (let round = 0; round < 3; round++) {
    await appends(world, 4, () => maybeFlush(world));
    if (world.random.below(2) === 0) await world.checkpoint();
    const other = `other-${round}`;
    // At the same time, as an admin client asks for many.
    const created = world.create(other);
    await world.append(TOPIC, shape(world));
    await created;
    await world.burst(other, 2, shape(world));
    const written = world.checkpoint();
    await world.delete(TOPIC);
    await world.create(TOPIC);
    await world.append(TOPIC, shape(world));
    await written;
    world.clock.advance(1500);
    await world.turn(12);
    await world.delete(other);
    await world.append(TOPIC, shape(world));
  }
}

async function cleanRestarts(world: World): Promise<void> {
  await begin(world);
  for (let round = 0; round < 3; round++) {
    await appends(world, 6, () => maybeFlush(world));
    await world.close();
    await world.open();
  }
  await appends(world, 3, () => maybeFlush(world));
}

async function killedRestarts(world: World): Promise<void> {
  await begin(world);
  for (let round = 0; round < 4; round++) {
    await appends(world, 5, () => maybeFlush(world));
    const { random } = world;
    if (random.below(2) === 0) await world.checkpoint();
    // In mid-burst, its answers never come.
    const burst = world.burst(TOPIC, 3, shape(world)).catch(() => {});
    if (random.below(2) === 0) await world.turn();
    world.kill();
    await burst;
    await world.open();
    await world.flush(TOPIC);
  }
  await appends(world, 3, () => maybeFlush(world));
}

async function deleteRecords(world: World): Promise<void> {
  await begin(world);
  await appends(world, 25, async (step) => {
    const { logStartOffset, highWatermark } = world.log(TOPIC);
    if (step % 4 === 3) {
      const offset = logStartOffset + world.random.below(highWatermark - logStartOffset + 1);
      const deleted = world.deleteRecords(TOPIC, offset);
      await world.append(TOPIC, shape(world));
      await deleted;
    }
    if (step % 7 === 6) {
      world.clock.advance(2000);
      await world.retain();
    }
    await maybeFlush(world);
  });
}

async function truncation(world: World): Promise<void> {
  await begin(world);
  await appends(world, 25, async (step) => {
    const { logStartOffset, logEndOffset } = world.log(TOPIC);
    if (step % 5 === 4) {
      // Mostly a little: a follower that was ahead of its leader.
      const depth = world.random.below(world.random.below(3) === 0 ? logEndOffset : 12);
      await world.truncate(TOPIC, Math.max(logStartOffset, logEndOffset - depth));
      world.clock.advance(1200);
    }
    if (step % 6 === 5) await world.checkpoint();
    await maybeFlush(world);
  });
}

async function compaction(world: World): Promise<void> {
  await begin(world);
  for (let step = 0; step < 24; step++) {
    await world.burst(TOPIC, 1 + world.random.below(3), { ...shape(world), idempotent: false });
    if (step % 5 === 4) {
      await world.flush(TOPIC);
      world.clock.advance(3000);
      const pass = world.compact();
      await world.append(TOPIC, { ...shape(world), idempotent: false });
      await pass;
    }
    if (step % 7 === 6) await world.checkpoint();
    await maybeFlush(world);
  }
}

/** Begins, goes on with or ends one of up to three transactions. */
async function transact(world: World, of: AppendShape): Promise<void> {
  const { random } = world;
  const count = world.openTransactions(TOPIC);
  if (count > 0 && random.below(5) < 2) {
    const type = random.below(2) === 0 ? 'commit' : 'abort';
    await world.endTransaction(TOPIC, random.below(count), type);
  } else {
    await world.appendInTransaction(TOPIC, random.below(Math.min(count + 1, 3)), of);
  }
}

async function transactions(world: World): Promise<void> {
  await begin(world);
  for (let step = 0; step < 40; step++) {
    const { random } = world;
    const both = transact(world, shape(world));
    if (random.below(3) === 0) await world.append(TOPIC, shape(world, random.below(2) === 0));
    await both;
    if (random.below(9) === 0) await world.roll(TOPIC);
    if (random.below(12) === 0) await world.checkpoint();
    if (random.below(14) === 0) {
      const { logStartOffset, logEndOffset } = world.log(TOPIC);
      await world.truncate(TOPIC, Math.max(logStartOffset, logEndOffset - random.below(8)));
    }
    if (random.below(14) === 0) {
      const { logStartOffset, lastStableOffset } = world.log(TOPIC);
      const span = lastStableOffset - logStartOffset;
      await world.deleteRecords(TOPIC, logStartOffset + random.below(span + 1));
    }
    if (random.below(14) === 0) {
      if (random.below(2) === 0) await world.close();
      else world.kill();
      await world.open();
      await world.flush(TOPIC);
      await world.endHanging(TOPIC);
    }
    await maybeFlush(world);
  }
}

async function compactionOfTransactions(world: World): Promise<void> {
  await begin(world);
  for (let step = 0; step < 36; step++) {
    const { random } = world;
    const keyed = { ...shape(world), tombstonePercent: 25 };
    if (random.below(2) === 0) await transact(world, keyed);
    else await world.append(TOPIC, keyed);
    if (step % 5 === 4) await world.roll(TOPIC);
    if (step % 9 === 8) {
      await world.flush(TOPIC);
      // Beyond the time that tombstones and markers are kept, by the third pass.
      world.clock.advance(1500);
      const pass = world.compact();
      await world.append(TOPIC, keyed);
      await pass;
    }
    if (random.below(9) === 0) await world.checkpoint();
    if (random.below(18) === 0) {
      world.kill();
      await world.open();
      await world.flush(TOPIC);
      await world.endHanging(TOPIC);
    }
    await maybeFlush(world);
  }
  for (let round = 0; round < 2; round++) {
    await world.roll(TOPIC);
    world.clock.advance(2500);
    await world.compact();
  }
}

export const compacted = {
  cleanupDelete: false,
  cleanupCompact: true,
  minCleanableDirtyRatio: 0,
  fileDeleteDelayMs: 500,
} as const;

const compactedSoon = { ...compacted, deleteRetentionMs: 2000, segmentBytes: 2500 } as const;

const retainBytes = { retentionBytes: 4000, fileDeleteDelayMs: 500 } as const;
const retainDelay = { fileDeleteDelayMs: 500 } as const;
const retainTime = { retentionMs: 9000, fileDeleteDelayMs: 500 } as const;

export const scenarios: readonly Scenario[] = [
  { name: 'append', options: { config: oneSegment }, run: appendOnly },
  { name: 'append, durable', options: { config: { ...DURABLE, ...oneSegment } }, run: appendOnly },
  { name: 'roll', options: {}, run: rolling },
  { name: 'roll, durable', options: { config: DURABLE }, run: rolling },
  { name: 'retention by size', options: { config: retainBytes }, run: retention },
  {
    name: 'retention by size, durable',
    options: { config: { ...DURABLE, ...retainBytes } },
    run: retention,
  },
  { name: 'retention by time', options: { config: retainTime }, run: retention },
  {
    name: 'retention by time, durable',
    options: { config: { ...DURABLE, ...retainTime } },
    run: retention,
  },
  { name: 'checkpoints', options: {}, run: checkpoints },
  { name: 'checkpoints, durable', options: { config: DURABLE }, run: checkpoints },
  { name: 'create and delete', options: {}, run: createAndDelete },
  { name: 'create and delete, durable', options: { config: DURABLE }, run: createAndDelete },
  { name: 'delete records', options: { config: retainDelay }, run: deleteRecords },
  {
    name: 'delete records, durable',
    options: { config: { ...DURABLE, ...retainDelay } },
    run: deleteRecords,
  },
  { name: 'truncate', options: { config: retainDelay }, run: truncation },
  {
    name: 'truncate, durable',
    options: { config: { ...DURABLE, ...retainDelay } },
    run: truncation,
  },
  { name: 'compaction', options: { config: compacted }, run: compaction },
  {
    name: 'compaction, durable',
    options: { config: { ...DURABLE, ...compacted } },
    run: compaction,
  },
  { name: 'transactions', options: { config: retainDelay }, run: transactions },
  {
    name: 'transactions, durable',
    options: { config: { ...DURABLE, ...retainDelay } },
    run: transactions,
  },
  {
    name: 'compaction of transactions',
    options: { config: compactedSoon },
    run: compactionOfTransactions,
  },
  {
    name: 'compaction of transactions, durable',
    options: { config: { ...DURABLE, ...compactedSoon } },
    run: compactionOfTransactions,
  },
  { name: 'clean restarts', options: {}, run: cleanRestarts },
  { name: 'clean restarts, durable', options: { config: DURABLE }, run: cleanRestarts },
  { name: 'killed and restarted', options: {}, run: killedRestarts },
  { name: 'killed and restarted, durable', options: { config: DURABLE }, run: killedRestarts },
];
