/** `millrace/testing` as it is imported and as it is required. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import * as imported from '#src/public/testing.js';

const built = join(import.meta.dirname, '../../../dist/testing');
const require = createRequire(import.meta.url);

t.test(
  'the CommonJS entry has the same names, typed, and starts the same broker',
  { skip: existsSync(join(built, 'testing.cjs')) ? false : 'not bundled (npm run build:ts)' },
  async (t) => {
    const required = require('millrace/testing') as typeof imported;
    const names = Object.keys(imported).sort();
    t.same(Object.keys(required).sort(), names);
    const types = readFileSync(join(built, 'testing.d.cts'), 'utf8');
    const declared = [...types.matchAll(/declare const (\w+)/g)].map(([, name]) => name);
    t.same(declared.sort(), names);
    for (const inWorker of [false, true]) {
      await using broker = await required.startBroker({ inWorker });
      await broker.produce('a', 'x');
      t.same(
        (await broker.consumeAll('a', { count: 1 })).map(({ value }) => `${value}`),
        ['x'],
      );
    }
  },
);
