/** Where things are: benches run compiled, from dist-test/bench/harness. */

import { join } from 'node:path';

export const root = join(import.meta.dirname, '../../..');
export const resultsDir = join(root, 'bench/results');
/** The command as it is installed. */
export const cliPath = join(root, 'dist/cli/main.cjs');
