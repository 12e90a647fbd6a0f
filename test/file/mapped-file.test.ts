import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { MappedFile } from '#src/file/mapped-file.js';
import { native } from '#src/native/binding.js';
import { tempDir } from './temp-dir.js';

t.test('a map shows the bytes until it is closed, and then none', (t) => {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, Buffer.alloc(10_000, 'abcdefghij'));
  const file = systemEnv.open(path, 'read');
  t.teardown(() => file.close());
  const map = MappedFile.map(file, 5003, 4000);
  if (map === null) {
    t.equal(native, null, 'only without the addon there are no maps');
    return t.end();
  }
  const { bytes } = map;
  t.equal(Buffer.from(bytes.subarray(0, 10)).toString(), 'defghijabc');
  t.equal(bytes.length, 4000);
  map.close();
  map.close();
  t.equal(bytes.length, 0, 'a view that was kept is dead, not dangling');
  t.throws(() => map.bytes, /closed map/);
  t.throws(() => MappedFile.map(file, 5003, 5000), { code: 'IO_ERROR', errno: 'EINVAL' });
  return t.end();
});
