/** What a test broker leaves behind: nothing. */

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

interface Ended {
  readonly code: number | null;
  readonly pid: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(t: { teardown(callback: () => unknown): void }, what: string): Promise<Ended> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'leftovers-child.js'), what]);
  t.teardown(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, pid: child.pid, stdout, stderr }));
  });
}

t.test('no descriptor, thread, timer or file, however it was used', async (t) => {
  const { code, stdout, stderr } = await run(t, 'use');
  t.equal(stderr, '');
  t.equal(code, 0);
  const { before, after, dirs } = JSON.parse(stdout) as Record<string, readonly string[]>;
  t.same(after, before);
  t.same(dirs?.filter(existsSync), []);
});

t.test('brokers that nobody disposed do not keep the process, nor their files', async (t) => {
  const { code, pid, stdout, stderr } = await run(t, 'leak');
  t.equal(stderr, '');
  t.equal(code, 0);
  t.same((JSON.parse(stdout) as string[]).filter(existsSync), []);
  const left = readdirSync(tmpdir()).filter((name) => name.includes(`millrace-test-${pid}-`));
  t.same(left, []);
});
