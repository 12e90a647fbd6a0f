/** What only a process of its own or the real page cache can show. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { native } from '#src/native/binding.js';
import { Client, inEachMode, serve, sizeOf, TestFile, until } from './harness.js';

const MIB = 1 << 20;

t.test('a server that runs out of descriptors turns peers away and lives on', async (t) => {
  const file = new TestFile(t as never, 1000);
  const script = fileURLToPath(new URL('programs/file-server.js', import.meta.url));
  const command = 'ulimit -n 80 && exec "$0" "$@"';
  const child = spawn('sh', ['-c', command, process.execPath, script, file.path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const clients = await Promise.all(Array.from({ length: 120 }, () => Client.dial(port)));
  for (const client of clients) client.send('0 10');
  const answers = await Promise.all(clients.map((client) => client.response()));
  const served = answers.filter((answer) => answer?.length === 10).length;
  t.ok(served > 0, `${served} were served`);
  t.ok(served < clients.length, 'the others were turned away');
  for (const client of clients) client.socket.destroy();
  await Promise.all(clients.map((client) => client.closed));
  // The places become free as the server sees its peers go.
  let usage: { connections: number } | null = null;
  while (usage === null || usage.connections > 1) {
    const last = await Client.dial(port);
    last.send('usage');
    const answer = await last.response();
    if (answer !== null) usage = JSON.parse(answer.toString()) as { connections: number };
    last.socket.destroy();
    await last.closed;
  }
  t.equal(usage.connections, 1);
  child.stdin.end();
  const [code] = (await once(child, 'exit')) as [number | null];
  t.equal(code, 0, 'and it ends in order');
});

inEachMode('a file that left the page cache arrives as it is', async (t, mode) => {
  const file = new TestFile(t, 8 * MIB);
  const wanted = file.bytes(0, 8 * MIB);
  file.sync();
  spawnSync('dd', [`if=${file.path}`, 'iflag=nocache', 'count=0']);
  const cold = native !== null && native.residentBytes(file.fd, 0, 8 * MIB) < 8 * MIB;
  const server = await serve(t, {
    ...mode.options,
    handle: () => [sizeOf(8 * MIB), file.slice(0, 8 * MIB)],
  });
  const client = await Client.connect(t, server);
  client.send('x');
  t.ok((await client.response())?.equals(wanted));
  await until(() => file.live.size === 0);
  if (!cold) t.comment('the file could not be dropped from the page cache: sent warm');
  else if (mode.sendfile) t.ok(server.counters.prefetches > 0, 'it was read in the pool first');
});
