/** Cutting an index: the entry of the first batch that goes must go too, and no other. */

import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { OffsetIndex } from '#src/index/offset-index.js';
import { TimeIndex } from '#src/index/time-index.js';
import { tempDir } from '../log/log-fixture.js';

t.test('the entry of the batch at the cut goes', (t) => {
  const path = join(tempDir(t), 'index');
  const index = new OffsetIndex({ env: systemEnv, path, bytesMax: 1000 });
  for (let i = 0; i < 5; i++) index.append(10 * i + 9, 100 * i);
  index.truncateTo(300);
  t.equal(index.count, 3);
  t.equal(index.positionAt(2), 200);
  index.truncateTo(201);
  t.equal(index.count, 3, 'a batch that begins before the cut stays');
  index.append(35, 300);
  t.equal(index.floor(37), 3);
  index.close();
  t.end();
});

t.test('so does the entry of the offset at the cut', (t) => {
  const path = join(tempDir(t), 'timeindex');
  const index = new TimeIndex({ env: systemEnv, path, bytesMax: 1000 });
  for (let i = 0; i < 5; i++) index.maybeAppend(i, 0, 10 * i + 9);
  index.truncateTo(29);
  t.equal(index.count, 2);
  index.truncateTo(20);
  t.equal(index.count, 2);
  index.close();
  t.end();
});
