// Starts a broker from dist/cli/bundle.cjs, has it answer a first produce, and keeps V8's code of all
// functions that ran in dist/cli/bundle.cache: src/cli/main.ts, which starts with it, says how.
//
//     node scripts/code-cache.mjs      run by scripts/bundle.mjs

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const path = join(root, 'dist/cli/bundle.cjs');
const cachePath = join(root, 'dist/cli/bundle.cache');
const dir = mkdtempSync(join(tmpdir(), 'millrace-code-cache-'));

const { wrapBundle } = await import('../dist/cli/bundle-code.js');
const bytes = readFileSync(path);
const source = bytes.toString('latin1');
const script = new Script(wrapBundle(source), {
  filename: path,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(path), module, path);

process.argv = [process.execPath, path, 'broker', '--listen', '127.0.0.1:0', '--data-dir', dir];
const port = await new Promise((resolve) => {
  process.stdout.write = (text) => {
    const found = /listening on .*:(\d+)/.exec(text);
    if (found !== null) resolve(Number(found[1]));
    return true;
  };
  module.exports.runCommand();
});
await produceOnce(port);

const made = `${cachePath}.${process.pid}`;
writeFileSync(made, Buffer.concat([bytes, script.createCachedData()]));
renameSync(made, cachePath);
rmSync(dir, { recursive: true, force: true });
process.exit(0);

/** As a producer begins: versions, metadata, which makes the topic, then one batch. */
async function produceOnce(port) {
  const load = (name) => import(`../dist/${name}.js`);
  const { encodeRequest } = await load('protocol/codec');
  const { apiVersions } = await load('protocol/messages/18-api-versions');
  const { metadata } = await load('protocol/messages/03-metadata');
  const { produce } = await load('protocol/messages/00-produce');
  const { BatchBuilder } = await load('record/batch-builder');
  const builder = new BatchBuilder({});
  builder.append({ timestamp: Date.now(), value: Buffer.from('first') });
  const topic = { name: 'first', partitionData: [{ index: 0, records: builder.build() }] };
  const requests = [
    encodeRequest(apiVersions, 3, 1, 'build', {
      clientSoftwareName: 'build',
      clientSoftwareVersion: '1',
    }),
    encodeRequest(metadata, 9, 2, 'build', {
      topics: [{ name: 'first' }],
      allowAutoTopicCreation: true,
    }),
    encodeRequest(produce, 9, 3, 'build', { acks: -1, timeoutMs: 10_000, topicData: [topic] }),
  ];
  const socket = connect(port, '127.0.0.1');
  for (const request of requests) {
    for (const chunk of request) socket.write(chunk);
    // Each answer is small, so that it comes whole.
    await new Promise((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
    });
  }
  socket.destroy();
}
