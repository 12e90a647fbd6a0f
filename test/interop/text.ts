// Real input: the text of Debian's whole package index, a record a line.

import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from './client.js';
import { runOk } from './process.js';
import type { Server } from './servers.js';

export type TextInput = { readonly file: string; readonly count: number; readonly sha256: string };

export const TEXT_WRITERS = ['kcat', 'java'] as const;

export function textTopic(writer: string): string {
  return `text-${writer}`;
}

/**
 * Writes the input file: every line of `apt-cache dumpavail` behind its number and a space. The number makes every
 * record different and none empty, because kcat cannot write an empty value. Bytes stay bytes: the descriptions need
 * not be valid UTF-8. Only the first `linesMax` lines, if given.
 */
export async function makeTextInput(dir: string, linesMax: number): Promise<TextInput> {
  const raw = join(dir, 'dumpavail');
  const file = join(dir, 'text');
  await runOk('apt-cache', ['dumpavail'], { outputFile: raw });
  const number = ['-v', `max=${linesMax}`, 'NR > max { exit } { print NR " " $0 }'];
  await runOk('awk', [...number, raw], { outputFile: file, env: { LC_ALL: 'C' } });
  rmSync(raw);
  return { file, count: countLines(file), sha256: await sha256(file) };
}

export async function writeText(server: Server, client: Client, input: TextInput): Promise<void> {
  if (client.produceText === undefined) throw new Error(`${client.name} writes no text`);
  await client.produceText(server.bootstrap, textTopic(client.name), input.file);
}

/** Reads what each writer wrote and compares it with the input, byte by byte. */
export async function readText(
  server: Server,
  client: Client,
  input: TextInput,
  dir: string,
): Promise<void> {
  for (const writer of TEXT_WRITERS) {
    await readTextTopic(server, client, textTopic(writer), input, dir);
  }
}

export async function readTextTopic(
  server: Server,
  client: Client,
  topic: string,
  input: TextInput,
  dir: string,
): Promise<void> {
  const file = join(dir, 'output');
  await client.consumeText(server.bootstrap, topic, input.count, file);
  const found = await sha256(file);
  rmSync(file);
  if (found !== input.sha256) throw new Error(`${topic}: sha256 ${found}, not ${input.sha256}`);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 1024 * 1024 }))
    hash.update(part);
  return hash.digest('hex');
}

function countLines(file: string): number {
  const fd = openSync(file, 'r');
  const part = Buffer.alloc(1024 * 1024);
  let count = 0;
  for (let size = readSync(fd, part); size > 0; size = readSync(fd, part)) {
    for (let at = part.indexOf(10); at >= 0 && at < size; at = part.indexOf(10, at + 1)) count++;
  }
  closeSync(fd);
  return count;
}
