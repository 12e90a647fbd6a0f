// Where things are, seen from dist-test/test/interop.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

export const rootDir = join(here, '../../..');
/** Sources of the suite and of the client programs. */
export const interopDir = join(rootDir, 'test/interop');
export const goldenDir = join(rootDir, 'test/golden/kafka-data');
