// Planted faults of what finds rot that no CRC of a batch covers, and of what follows a disk error; mutants.mjs
// beside this file says what a fault is.

const kept = 'test/log/kept-file.test.ts';
const life = 'test/log/checksum-life.test.ts';
const rot = 'test/fuzz/rot.test.ts';
const failedSync = 'test/log/failed-sync.test.ts';
const CHECK = 'src/segment/check.ts';
const MAKER = 'src/log/checksum-maker.ts';

export const checksumMutants = [
  {
    name: 'rot: a file that another wrote is taken for one that rotted',
    file: 'src/log/kept-file.ts',
    search: 'return a.inode === b?.inode && a.modifiedMs === b.modifiedMs;',
    replace: 'return b !== null && a.modifiedMs > 0;',
    tests: [kept],
  },
  {
    name: 'rot: a copy is believed without its checksum',
    file: 'src/log/kept-file.ts',
    search: 'if (readInt32(copy, end) >>> 0 !== crc32c(copy, 0, end)) return null;',
    replace: 'void crc32c;',
    tests: [kept],
  },
  {
    name: 'rot: a damaged file is not written anew',
    file: 'src/log/kept-file.ts',
    search: 'if (due.heal !== null) this.#env.writeFileAtomicSync(this.#path, due.heal);',
    replace: '',
    tests: [kept],
  },
  {
    name: 'rot: any leader epoch is one',
    file: CHECK,
    search: "if (leaderEpoch > last.epoch && baseOffset > last.startOffset) return 'new';",
    replace: "if (leaderEpoch !== last.epoch) return 'new';",
    tests: [rot],
  },
  {
    name: 'rot: a new leader epoch need not be kept',
    file: CHECK,
    search: "incoming.leaderEpoch < held.leaderEpoch && this.#epochOf(held) === 'new';",
    replace: "incoming.leaderEpoch < 0 && this.#epochOf(held) === 'new';",
    tests: [rot],
  },
  {
    name: 'rot: a gap before the last batch is one',
    file: CHECK,
    search: 'if (this.#isAloneBehindGap(this.#held)) this.#misplaced(this.#held);',
    replace: 'if (this.#isAloneBehindGap(this.#held)) this.#accept(this.#held);',
    tests: [life],
  },
  {
    name: 'rot: no gap is of a compaction',
    file: 'src/log/log-manager.ts',
    search: 'neverCompacted: !config.cleanupCompact && !dir.mayBeCompacted(name),',
    replace: 'neverCompacted: !config.cleanupCompact,',
    tests: [life],
  },
  {
    name: 'rot: a first compaction is known only when it is over',
    file: 'src/log/cleaner.ts',
    search: 'if (cleanable !== null && !dir.cleanerOffsets.has(name)) {',
    replace: 'if (cleanable !== null && dir.cleanerOffsets.has(name)) {',
    tests: [life],
  },
  {
    name: 'a log that could not be deleted is left unsynced',
    file: 'src/log/log-manager.ts',
    search: 'if (isThere) await this.#openPartition(dir, { topic, partition, name }, false);',
    replace: 'if (!isThere) await this.#openPartition(dir, { topic, partition, name }, false);',
    tests: ['test/log/log-manager.test.ts'],
  },
  {
    name: 'rot: blocks that differ are believed after a crash',
    file: 'src/segment/check-blocks.ts',
    search: 'return checkSegmentInTurns({ ...options, doubtful });',
    replace: 'return checkSegmentInTurns({ ...options, doubtful: doubtful.slice(0, 0) });',
    tests: [life],
  },
  {
    name: 'rot: no checksums of an active segment at a clean shutdown',
    file: 'src/log/log-manager.ts',
    search: 'if (closedWell) await this.#checksums.makeLasts(dir, this.#logs.values());',
    replace: '',
    tests: [life],
  },
  {
    name: 'rot: what was found is forgotten at the shutdown',
    file: MAKER,
    search: 'spoil(crcs, segment);',
    replace: 'if (length < 0) spoil(crcs, segment);',
    tests: [life],
  },
  {
    name: 'rot: a short block that rotted is signed',
    file: MAKER,
    search: 'if (isRotten) crcs[known] = ~(crcs[known] as number);',
    replace: 'void isRotten;',
    tests: [life],
  },
  {
    name: 'rot: checksums of what is not durable',
    file: MAKER,
    search: 'if (segment === undefined || recoveryPoint < logEndOffset) return;',
    replace: 'if (segment === undefined || recoveryPoint < 0 * logEndOffset) return;',
    tests: [life],
  },
  {
    name: 'rot: checksums stay when the log is cut',
    file: 'src/log/truncation.ts',
    search: 'target.removeChecksums();',
    replace: '',
    tests: [life],
  },
  {
    name: 'rot: a compacted segment waits for its checksums',
    file: 'src/segment/cleaned-segment.ts',
    search: 'if (this.#crcs.length === 0 || modifiedMs === undefined) return;',
    replace: 'if (this.#crcs.length >= 0 || modifiedMs === undefined) return;',
    tests: [life],
  },
  {
    name: 'rot: a transaction index is not held against its checksum',
    file: 'src/log/transaction-log.ts',
    search: 'return expected !== null && fileCrc(env, path) !== expected;',
    replace: 'return expected !== null && fileCrc(env, path) === null;',
    tests: [rot],
  },
  {
    name: 'rot: a time index entry of a later batch is believed',
    file: 'src/segment/time-search.ts',
    search: 'const slot = indexes.time.floor(timestampMs - 1);\n    if (slot < 0) return 0;',
    replace: 'const slot = indexes.time.floor(timestampMs);\n    if (slot < 0) return 0;',
    tests: [rot],
  },
  {
    name: 'disk error: nobody tells the next process',
    file: 'src/log/log-dir.ts',
    search: 'markFailedSync(this.#disk, this.path, error);',
    replace: 'void [markFailedSync, this.#disk];',
    tests: [failedSync],
  },
  {
    name: 'disk error: what is in the page cache is believed',
    file: 'src/log/log-manager.ts',
    search:
      'if (dir.hasFailedSync) await rewriteUnsynced(dir.env, dir.pathOf(name), recoveryPoint);',
    replace: 'void rewriteUnsynced;',
    tests: [failedSync],
  },
];
