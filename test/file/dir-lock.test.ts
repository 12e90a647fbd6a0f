import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { native } from '#src/native/binding.js';
import { tempDir } from './temp-dir.js';

const { lockDir } = systemEnv;

/** Takes the lock in another process: its pid, or what it was told. */
async function lockElsewhere(
  dir: string,
  env: Record<string, string> = {},
): Promise<{ line: string; pid: number; kill(): Promise<void> }> {
  const script = `
    const { systemEnv } = await import(process.argv[1]);
    try {
      systemEnv.lockDir(process.argv[2]);
      console.log('taken');
      setInterval(() => {}, 1000);
    } catch (error) {
      console.log(error.code + ' ' + error.holderPid);
    }`;
  const module = import.meta.resolve('#src/file/env.js');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
  return {
    line,
    pid: child.pid ?? 0,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

t.test('a directory has one holder, in a process and between processes', async (t) => {
  const dir = tempDir(t);
  const lock = lockDir(dir);
  t.equal(lock.kernel, native !== null);
  t.equal(readFileSync(join(dir, '.lock'), 'latin1').split('\n')[0], String(process.pid));
  t.throws(() => lockDir(dir), { code: 'DIRECTORY_LOCKED', holderPid: process.pid, path: dir });
  const second = await lockElsewhere(dir);
  t.equal(second.line, `DIRECTORY_LOCKED ${process.pid}`, 'told who has it');
  lock.release();
  lock.release();
  const third = await lockElsewhere(dir);
  t.equal(third.line, 'taken');
  t.throws(() => lockDir(dir), { code: 'DIRECTORY_LOCKED', holderPid: third.pid });
  t.throws(() => lockDir(dir), new RegExp(`process ${third.pid}`));
  await third.kill();
  lockDir(dir).release();
});

t.test('a process with the addon and one without it keep each other out', async (t) => {
  const dir = tempDir(t);
  const without = await lockElsewhere(dir, { MILLRACE_NATIVE: '0' });
  t.equal(without.line, 'taken');
  t.throws(() => lockDir(dir), { code: 'DIRECTORY_LOCKED', holderPid: without.pid });
  await without.kill();
  const lock = lockDir(dir);
  const again = await lockElsewhere(dir, { MILLRACE_NATIVE: '0' });
  t.equal(again.line, `DIRECTORY_LOCKED ${process.pid}`);
  lock.release();
});

t.test('a lock file of the dead, of Kafka, or of nonsense holds nothing', (t) => {
  const contents = [
    '',
    '999999999\n1\nfile\n',
    // A living process that is not the one that wrote it: the id was used again.
    `${process.pid}\n1\nfile\n`,
    '-1\n-\nfile\n',
    'nonsense\u0000',
  ];
  for (const content of contents) {
    const dir = tempDir(t);
    writeFileSync(join(dir, '.lock'), content);
    lockDir(dir).release();
    t.pass(JSON.stringify(content));
  }
  t.throws(() => lockDir(join(tempDir(t), 'none')), { code: 'NOT_FOUND' });
  t.end();
});
