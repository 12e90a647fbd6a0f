import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.test('the generated documents are those of this build', async (t) => {
  const root = join(import.meta.dirname, '../../..');
  const script = join(root, 'scripts/generate-docs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
});
