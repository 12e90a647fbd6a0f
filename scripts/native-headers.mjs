// Where the headers for native builds come from, without any download: the running Node's own
// prefix, else a "nodedir" written from the npm package node-api-headers (docs/adr/0002).
//
//     node scripts/native-headers.mjs     prints the directory, for npm_config_nodedir of packages
//                                         that compile on install (bench/, test/interop/)

import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * A directory that node-gyp takes as --nodedir: include/node with headers, common.gypi and
 * config.gypi. `own` says whether it is the running Node's (complete) or made here (Node-API only).
 */
export function nodeDirectory() {
  for (const executable of [realpathSync(process.execPath), process.execPath]) {
    const prefix = dirname(dirname(executable));
    if (headersVersion(join(prefix, 'include/node')) === process.version) {
      return { path: prefix, own: true };
    }
  }
  return { path: writeNodeDirectory(join(root, 'build/headers')), own: false };
}

/** 'v20.20.2', or null where there are no complete headers. */
function headersVersion(include) {
  const needed = ['node_version.h', 'node_api.h', 'common.gypi', 'config.gypi'];
  if (!needed.every((name) => existsSync(join(include, name)))) return null;
  const text = readFileSync(join(include, 'node_version.h'), 'utf8');
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1],
  );
  return `v${parts.join('.')}`;
}

/** Node-API is the same in every Node, so its headers serve whichever Node runs. */
function writeNodeDirectory(path) {
  const include = join(path, 'include/node');
  mkdirSync(include, { recursive: true });
  cpSync(require('node-api-headers').include_dir, include, { recursive: true });
  const flags = { cflags: ['-fPIC', '-pthread'], ldflags: ['-pthread', '-rdynamic'] };
  const common = {
    target_defaults: {
      default_configuration: 'Release',
      configurations: { Debug: { cflags: ['-g', '-O0'] }, Release: { cflags: ['-O2'] } },
      ...flags,
    },
  };
  writeFileSync(join(include, 'common.gypi'), `${JSON.stringify(common, null, 2)}\n`);
  writeFileSync(join(include, 'config.gypi'), `${JSON.stringify(process.config, null, 2)}\n`);
  return path;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(nodeDirectory().path);
