/** Rot of the cluster metadata of a node: every bit flipped and every cut of its file and of the backup. */

import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import { topic } from '#src/cluster/metadata-image.js';
import { MetadataStore } from '#src/cluster/metadata-store.js';
import { filesOf, imageOf } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';

const entry = {
  name: 'orders',
  id: 'tZ4NdPrERqqWzgiThXTbLA',
  partitionCount: 3,
  configs: { 'retention.ms': '-1' },
  state: 'live',
} as const;
const NEXT_PRODUCER_ID = 5000;

export async function metadataRot(): Promise<{ count: number; violations: string[] }> {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const disk = new SimulatedDisk({ clock, random });
  const { env } = disk.process();
  const store = MetadataStore.open({ env, clock, logger: silentLogger, dir: '/' });
  await store.commit({ put: [topic(entry)], nextProducerId: NEXT_PRODUCER_ID });
  const files = filesOf(disk.imageNow());
  if (files.size !== 2) throw new Error('the metadata and its backup');
  const violations: string[] = [];
  let count = 0;
  for (const [path, bytes] of files) {
    for (let at = 0; at < bytes.length * 9; at++) {
      const isFlip = at < bytes.length * 8;
      const damaged = isFlip ? new Uint8Array(bytes) : bytes.subarray(0, at - bytes.length * 8);
      if (isFlip) damaged[at >> 3] = (damaged[at >> 3] as number) ^ (1 << (at % 8));
      const image = imageOf(new Map(files).set(path, damaged), 0);
      const other = new SimulatedDisk({ clock, random, image, history: false }).process().env;
      const opened = MetadataStore.open({ env: other, clock, logger: silentLogger, dir: '/' });
      const found = [...opened.image.entries()].map(({ internal: _, ...rest }) => rest);
      count++;
      const same = JSON.stringify(found) === JSON.stringify([entry]);
      if (same && !opened.lost && opened.nextProducerId === NEXT_PRODUCER_ID) continue;
      violations.push(`${path} ${isFlip ? 'flip' : 'cut'} ${at}: ${JSON.stringify(found)}`);
    }
  }
  return { count, violations };
}
