/** The kernel's word for it: file bytes leave by sendfile(2) and are never read. */

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { native, nativeError } from '#src/native/binding.js';
import { straceMissing, sumBytes, traceProgram } from '../support/strace.js';
import { Client, TestFile } from './harness.js';

const MIB = 1 << 20;
const FILE_BYTES = 128 * MIB;
const SYSCALLS = ['sendfile', 'read', 'readv', 'pread64', 'preadv', 'write', 'writev', 'sendmsg'];

const missing = native === null ? `no addon: ${nativeError?.message}` : straceMissing();
// Without strace the claim is not tested: fine on a laptop, not where it is to be relied on.
const mayBeSkipped = native === null || process.env['CI'] !== 'true';
if (missing !== null && mayBeSkipped) console.log(`# SKIPPED: zero copy, ${missing}`);

t.test(
  'file bytes leave by sendfile and are not read',
  {
    skip: missing !== null && mayBeSkipped ? missing : false,
  },
  async (t) => {
    t.equal(missing, null, 'strace is there');
    const file = new TestFile(t as never, FILE_BYTES);
    const script = fileURLToPath(new URL('programs/file-server.js', import.meta.url));
    const traced = traceProgram(process.execPath, [script, file.path], {
      syscalls: SYSCALLS,
      spawn: { stdio: ['pipe', 'pipe', 'inherit'] },
    });
    t.teardown(() => traced.child.kill('SIGKILL'));
    const { stdin, stdout } = traced.child;
    if (stdin === null || stdout === null) throw new Error('both are piped');
    const [line] = (await once(stdout, 'data')) as [Buffer];
    const client = await Client.connect(t as never, { port: Number(line.toString()) });
    for (let position = 0; position < FILE_BYTES; position += MIB) {
      client.send(`${position} ${MIB}`);
      const body = await client.response();
      if (body === null || !body.equals(file.bytes(position, MIB)))
        t.fail(`differs at ${position}`);
    }
    client.socket.end();
    stdin.end();
    const calls = await traced.calls();
    const ofFile = (names: string[]): number =>
      sumBytes(calls, ({ name, files }) => names.includes(name) && files.includes(file.path));
    t.ok(ofFile(['sendfile']) >= 0.99 * FILE_BYTES, `sendfile moved ${ofFile(['sendfile'])} bytes`);
    t.equal(ofFile(['read', 'readv', 'pread64', 'preadv']), 0, 'nothing was read');
    const written = sumBytes(
      calls,
      ({ name, files }) => /^(write|writev|sendmsg)$/.test(name) && /^socket:/.test(files[0] ?? ''),
    );
    t.ok(written > 0 && written < 0.01 * FILE_BYTES, `headers only: ${written} bytes`);
  },
);
