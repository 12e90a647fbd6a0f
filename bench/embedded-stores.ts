/**
 * The stores of embedded.bench.ts behind one face. Rivals come from bench/rivals (`npm run bench:rivals`);
 * one that is not installed, or does not load, is reported and left out.
 */

import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openLog } from '#src/storage/logs.js';

/** `cache`: no sync. `one`: each append synced before the next. `many`: synced, many in flight. */
export type Mode = 'cache' | 'one' | 'many';

export interface Store {
  /** Appends in order; a promise settles when the append is as safe as the mode says. */
  append(values: readonly Uint8Array[]): PromiseLike<unknown> | undefined;
  /** All values in order; answers their bytes. */
  read(): Promise<number>;
  close(): Promise<void>;
}

export interface Rival {
  readonly name: string;
  /** Undefined: it has no such mode. */
  open(dir: string, mode: Mode): Promise<Store | undefined>;
}

const root = join(import.meta.dirname, '../..');
const rivals = createRequire(join(root, 'bench/rivals/package.json'));

export const missing: string[] = [];

async function load<T>(name: string): Promise<T | null> {
  try {
    return (await import(pathToFileURL(rivals.resolve(name)).href)) as T;
  } catch (error) {
    missing.push(`${name}: ${String(error).split('\n')[0]}`);
    return null;
  }
}

export const millrace: Rival = {
  name: 'millrace',
  async open(dir, mode) {
    const durability = mode === 'cache' ? 'os' : mode === 'one' ? 'each' : 'group';
    const log = await openLog(join(dir, 'bench-0'), { durability });
    return {
      append(values) {
        const [first] = values;
        if (mode === 'one') {
          log.appendSync(values.map((value) => ({ value })));
          return undefined;
        }
        return values.length === 1
          ? log.append({ value: first as Uint8Array })
          : log.append(values.map((value) => ({ value })));
      },
      async read() {
        let bytes = 0;
        for await (const batch of log.read()) {
          for (const { value } of batch) bytes += value?.length ?? 0;
        }
        return bytes;
      },
      close: () => log.close(),
    };
  },
};

/** Opaque bytes: no records, no checksums, no index. A floor, not a peer. */
const plainFile: Rival = {
  name: 'plain file',
  open(dir, mode) {
    if (mode === 'many') return Promise.resolve(undefined);
    const path = join(dir, 'plain');
    const fd = fs.openSync(path, 'w+');
    return Promise.resolve({
      append(values) {
        fs.writevSync(fd, values as Uint8Array[]);
        if (mode === 'one') fs.fdatasyncSync(fd);
        return undefined;
      },
      read() {
        const block = Buffer.allocUnsafe(1 << 20);
        let bytes = 0;
        for (;;) {
          const count = fs.readSync(fd, block, 0, block.length, bytes);
          if (count === 0) return Promise.resolve(bytes);
          bytes += count;
        }
      },
      close() {
        fs.closeSync(fd);
        return Promise.resolve();
      },
    });
  },
};

interface Sqlite {
  pragma(text: string): void;
  exec(text: string): void;
  prepare(text: string): {
    run(value: Uint8Array): void;
    iterate(): Iterable<{ value: Uint8Array }>;
  };
  transaction(
    work: (values: readonly Uint8Array[]) => void,
  ): (values: readonly Uint8Array[]) => void;
  close(): void;
}

async function sqlite(): Promise<Rival | null> {
  const module = await load<{ default: new (path: string) => Sqlite }>('better-sqlite3');
  if (module === null) return null;
  return {
    name: 'better-sqlite3',
    open(dir, mode) {
      if (mode === 'many') return Promise.resolve(undefined);
      const db = new module.default(join(dir, 'sqlite.db'));
      db.pragma('journal_mode = WAL');
      db.pragma(`synchronous = ${mode === 'cache' ? 'OFF' : 'FULL'}`);
      db.exec('CREATE TABLE log (offset INTEGER PRIMARY KEY, value BLOB)');
      const insert = db.prepare('INSERT INTO log (value) VALUES (?)');
      const all = db.transaction((values) => {
        for (const value of values) insert.run(value);
      });
      return Promise.resolve({
        append(values) {
          if (values.length === 1) insert.run(values[0] as Uint8Array);
          else all(values);
          return undefined;
        },
        read() {
          let bytes = 0;
          for (const { value } of db.prepare('SELECT value FROM log ORDER BY offset').iterate()) {
            bytes += value.length;
          }
          return Promise.resolve(bytes);
        },
        close() {
          db.close();
          return Promise.resolve();
        },
      });
    },
  };
}

interface Lmdb {
  put(key: number, value: Uint8Array): Promise<unknown>;
  batch(work: () => void): Promise<unknown>;
  transactionSync(work: () => void): void;
  getRange(options: object): Iterable<{ value: Uint8Array }>;
  close(): Promise<void>;
}

async function lmdb(): Promise<Rival | null> {
  const module = await load<{ open(options: object): Lmdb }>('lmdb');
  if (module === null) return null;
  return {
    name: 'lmdb',
    open(dir, mode) {
      const db = module.open({
        path: join(dir, 'lmdb'),
        encoding: 'binary',
        keyEncoding: 'uint32',
        noSync: mode === 'cache',
      });
      let key = 0;
      return Promise.resolve({
        append(values) {
          if (mode === 'one' || (mode === 'cache' && values.length > 1)) {
            db.transactionSync(() => {
              for (const value of values) void db.put(key++, value);
            });
            return undefined;
          }
          let last: Promise<unknown> | undefined;
          for (const value of values) last = db.put(key++, value);
          return last;
        },
        read() {
          let bytes = 0;
          for (const { value } of db.getRange({})) bytes += value.length;
          return Promise.resolve(bytes);
        },
        close: () => db.close(),
      });
    },
  };
}

interface Level {
  open(): Promise<void>;
  put(key: string, value: Uint8Array, options: object): Promise<void>;
  batch(operations: readonly object[], options: object): Promise<void>;
  values(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

async function level(): Promise<Rival | null> {
  const module = await load<{ ClassicLevel: new (path: string, options: object) => Level }>(
    'classic-level',
  );
  if (module === null) return null;
  return {
    name: 'classic-level',
    async open(dir, mode) {
      const db = new module.ClassicLevel(join(dir, 'level'), {
        valueEncoding: 'view',
        compression: false,
      });
      await db.open();
      let key = 0;
      const next = (): string => String(key++).padStart(12, '0');
      const options = { sync: mode !== 'cache' };
      return {
        append(values) {
          if (values.length === 1) return db.put(next(), values[0] as Uint8Array, options);
          const puts = values.map((value) => ({ type: 'put', key: next(), value }));
          return db.batch(puts, options);
        },
        async read() {
          let bytes = 0;
          for await (const value of db.values()) bytes += value.length;
          return bytes;
        },
        close: () => db.close(),
      };
    },
  };
}

interface Hypercore {
  ready(): Promise<void>;
  append(values: readonly Uint8Array[]): Promise<unknown>;
  createReadStream(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

async function hypercore(): Promise<Rival | null> {
  const module = await load<{ default: new (path: string) => Hypercore }>('hypercore');
  if (module === null) return null;
  return {
    name: 'hypercore',
    async open(dir, mode) {
      // It says nothing about fsync.
      if (mode !== 'cache') return undefined;
      const core = new module.default(join(dir, 'hypercore'));
      await core.ready();
      return {
        append: (values) => core.append(values),
        async read() {
          let bytes = 0;
          for await (const value of core.createReadStream()) bytes += value.length;
          return bytes;
        },
        close: () => core.close(),
      };
    },
  };
}

/** Ours first, then what is installed. */
export async function stores(): Promise<Rival[]> {
  const found = [await lmdb(), await sqlite(), await level(), await hypercore()];
  return [millrace, ...found.filter((one) => one !== null), plainFile];
}
