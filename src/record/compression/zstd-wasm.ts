/**
 * zstd for a Node without it: @bokuweb/zstd-wasm, driven through its C functions. Its own face is
 * asynchronous to load and does not bound its output, so the module is instantiated here, which a
 * hook of its loader allows, and gets a target of the size that it may fill and no more.
 *
 * The one file outside of file/ that reads a file: the library's own code, once.
 *
 * WebAssembly memory never shrinks. An instance that a large batch has grown is dropped.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { corrupt, tooLarge } from './codec.js';

/** The types of Node 20 do not know the global; this is what is used of it. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Module: new (code: Uint8Array) => object;
    Instance: new (module: object, imports: object) => WasmInstance;
  };
};

interface WasmInstance {
  readonly exports: object;
}

interface Zstd {
  readonly HEAPU8: Uint8Array;
  instantiateWasm(imports: object, receive: (instance: WasmInstance) => void): object;
  init(): void;
  _malloc(size: number): number;
  _free(address: number): void;
  _ZSTD_isError(result: number): number;
  _ZSTD_compressBound(size: number): number;
  _ZSTD_createCCtx(): number;
  _ZSTD_createDCtx(): number;
  /** As the C functions; a dictionary of address 0 and size 0 is none. */
  _ZSTD_compress_usingDict(
    context: number,
    target: number,
    targetSize: number,
    source: number,
    sourceSize: number,
    dictionary: number,
    dictionarySize: number,
    level: number,
  ): number;
  _ZSTD_decompress_usingDict(
    context: number,
    target: number,
    targetSize: number,
    source: number,
    sourceSize: number,
    dictionary: number,
    dictionarySize: number,
  ): number;
}

interface Loaded {
  readonly zstd: Zstd;
  readonly compressContext: number;
  readonly decompressContext: number;
}

/** An instance whose memory has passed this is dropped after use. */
const MEMORY_SIZE_KEPT = 32 * 1024 * 1024;
/** -70 as an unsigned number: ZSTD_error_dstSize_tooSmall. */
const TARGET_TOO_SMALL = -70;

let loaded: Loaded | null = null;
let compiled: object | null = null;

export function compressWasm(bytes: Uint8Array, level: number): Uint8Array {
  return run(bytes, ({ zstd, compressContext }, source) => {
    const capacity = zstd._ZSTD_compressBound(bytes.length);
    const target = allocate(zstd, capacity);
    const result = zstd._ZSTD_compress_usingDict(
      compressContext,
      target,
      capacity,
      source,
      bytes.length,
      0,
      0,
      level,
    );
    if (zstd._ZSTD_isError(result) !== 0) throw corrupt('zstd', `error ${result} in compression`);
    return take(zstd, target, result);
  });
}

/** `most`: what the frames can become at most; the target is no larger. */
export function decompressWasm(bytes: Uint8Array, most: number, sizeMax: number): Uint8Array {
  const capacity = Math.min(most, sizeMax);
  return run(bytes, ({ zstd, decompressContext }, source) => {
    const target = allocate(zstd, capacity);
    const result = zstd._ZSTD_decompress_usingDict(
      decompressContext,
      target,
      capacity,
      source,
      bytes.length,
      0,
      0,
    );
    if (zstd._ZSTD_isError(result) === 0) return take(zstd, target, result);
    zstd._free(target);
    if ((result | 0) === TARGET_TOO_SMALL && most > sizeMax) throw tooLarge('zstd', sizeMax);
    throw corrupt('zstd', `error ${result | 0}`);
  });
}

/** Runs `use` with a copy of `bytes` in the module's memory. */
function run(bytes: Uint8Array, use: (loaded: Loaded, source: number) => Uint8Array): Uint8Array {
  loaded ??= load();
  const { zstd } = loaded;
  const source = allocate(zstd, bytes.length);
  zstd.HEAPU8.set(bytes, source);
  try {
    return use(loaded, source);
  } finally {
    zstd._free(source);
    if (zstd.HEAPU8.length > MEMORY_SIZE_KEPT) loaded = null;
  }
}

function allocate(zstd: Zstd, size: number): number {
  const address = zstd._malloc(Math.max(size, 1));
  if (address !== 0) return address;
  throw corrupt('zstd', `no memory for ${size} bytes`);
}

/** A copy of the result; its target is freed. */
function take(zstd: Zstd, target: number, size: number): Uint8Array {
  const result = zstd.HEAPU8.slice(target, target + size);
  zstd._free(target);
  return result;
}

/** A new instance; the compiled code is kept from the first. */
function load(): Loaded {
  const require = createRequire(import.meta.url);
  const directory = dirname(require.resolve('@bokuweb/zstd-wasm'));
  compiled ??= new WebAssembly.Module(readFileSync(join(directory, 'zstd.wasm')));
  const code = compiled;
  // The loader is one object per evaluation of its file: a fresh one for each instance.
  const loader = join(directory, 'zstd.js');
  delete require.cache[loader];
  const { Module: zstd } = require(loader) as { Module: Zstd };
  zstd.instantiateWasm = (imports, receive) => {
    const instance = new WebAssembly.Instance(code, imports);
    receive(instance);
    return instance.exports;
  };
  zstd.init();
  return {
    zstd,
    compressContext: zstd._ZSTD_createCCtx(),
    decompressContext: zstd._ZSTD_createDCtx(),
  };
}
