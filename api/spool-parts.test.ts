import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partsOf } from './spool-parts.ts';

const MAX_BYTES = 400_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-parts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(content: string, from_bytes = 0) {
  const path = join(folder, 'file');
  await writeFile(path, content);
  const parts: { text: string; end_bytes: number }[] = [];
  for await (const { bytes, problem, end_bytes } of partsOf(path, from_bytes, MAX_BYTES))
    parts.push({ text: bytes === undefined ? `(${problem})` : Buffer.from(bytes).toString(), end_bytes });
  return parts;
}

/** Longer than a block that is read at a time, with what looks like the end of an item in a string. */
const LARGE = JSON.stringify({ a: 'ü'.repeat(140_000), b: '],"\\' });
const items = ['{"a":"]\\"},"}', '[1,[2]]', LARGE, '"x,y"', '7', LARGE];

describe('the parts of a file', () => {
  it.each([
    ['an array', `[${items.join()}]`],
    ['a pretty array', `\ufeff\n [ ${items.join(' ,\n ')}\n]\n\n`],
    ['lines', `${items.join('\n')}\n`],
    ['lines of Windows', `\ufeff${items.join('\r\n')}`],
  ])('of %s are its items, from each end on the rest', async (_, content) => {
    const parts = await read(content);
    expect(parts.map(({ text }) => text)).toEqual(items);
    for (const [index, { end_bytes }] of parts.entries())
      expect((await read(content, end_bytes)).map(({ text }) => text)).toEqual(items.slice(index + 1));
  });

  it.each([
    ['[]', []],
    [' [ ] \n', []],
    ['[1', ['1', '(malformed_json)']],
    ['[1,', ['1', '(malformed_json)']],
    ['[1,]', ['1', '(malformed_json)']],
    ['[,1]', ['(malformed_json)', '1']],
    ['[1] 2', ['1', '(malformed_json)']],
    ['[', ['(malformed_json)']],
    ['', []],
    ['1\n\n2', ['1', '', '2']],
  ])('of %j are %j', async (content, texts) => {
    expect((await read(content)).map(({ text }) => text)).toEqual(texts);
  });

  it.each([
    ['[', ',', ']'],
    ['', '\n', '\n'],
  ])('leave out what is too long: %s', async (open, between, close) => {
    const long = `"${'x'.repeat(3 * MAX_BYTES)}"`;
    const parts = await read(`${open}1${between}${long}${between}2${close}`);
    expect(parts.map(({ text }) => text)).toEqual(['1', '(too_large)', '2']);
  });
});
