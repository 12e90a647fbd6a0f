// Planted faults of what is read before it is sent; see mutants.mjs.

const coldReads = 'test/net/cold-reads.test.ts';
const segment = 'test/segment/segment.test.ts';

export const coldReadMutants = [
  {
    name: 'cold reads: what is being read counts as read',
    file: 'src/net/cold-reads.ts',
    search: 'if (streak.reading) {',
    replace: 'if (streak.reading && end < 0) {',
    tests: [coldReads],
  },
  {
    name: 'cold reads: everybody is read ahead of',
    file: 'src/net/cold-reads.ts',
    search: 'const goesOn = start > (this.#streakAt(file, start)?.start ?? start);',
    replace: 'const goesOn = true;',
    tests: [coldReads],
  },
  {
    name: 'cold reads: read ahead without a bound',
    file: 'src/net/cold-reads.ts',
    search: 'if (streak.end - streak.wantedEnd >= READ_AHEAD_BYTES) return;',
    replace: '',
    tests: [coldReads],
  },
  {
    name: 'drop behind: of whatever file has the number now',
    file: 'src/net/drop-behind.ts',
    search: 'if (file.fd < 0) continue;',
    replace: '',
    tests: [coldReads],
  },
  {
    name: 'drop behind: what is dropped stays hot',
    file: 'src/net/drop-behind.ts',
    search: 'file.hot.forget(position, position + length);',
    replace: '',
    tests: [coldReads],
  },
  {
    name: 'reload believes indexes that were never loaded',
    file: 'src/segment/segment.ts',
    search: 'if (this.#loaded) this.#indexes.unload();',
    replace: 'this.#indexes.unload();',
    tests: [segment],
  },
  {
    name: 'reload walks the log again',
    file: 'src/segment/segment-indexes.ts',
    search: 'usable && former?.offset === this.offset.count && former.time === this.time.count;',
    replace: 'false;',
    tests: [segment],
  },
];
