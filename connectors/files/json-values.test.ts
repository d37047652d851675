import { expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { type FormatChoice, fileRecords } from './file-records.ts';
import { LINE_MAX_BYTES } from './lines.ts';

const CHOICE: FormatChoice = { format: 'auto', delimiter: ',' };

/** What a `.json` gives that comes in chunks of a size. */
async function read(text: string, chunk_bytes = 7): Promise<readonly { text: string; problem?: string }[]> {
  const bytes = Buffer.from(text);
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunk_bytes) yield bytes.subarray(at, at + chunk_bytes);
  };
  const found: { text: string; problem?: string }[] = [];
  for await (const { value, problem } of fileRecords('a.json', chunks(), CHOICE)) {
    const one = Buffer.from(value).toString();
    found.push(problem === undefined ? { text: one } : { text: one, problem: problem.code });
  }
  return found;
}

it('gives the elements of a list, however it is laid out and cut', async () => {
  const element = fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
    fc.string(),
    fc.integer(),
  );
  await fc.assert(
    fc.asyncProperty(
      ...[
        fc.array(element, { maxLength: 5 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 40 }),
      ],
      fc.constantFrom('', '\uFEFF', '\n\n'),
      async (list, indent, chunk_bytes, before) => {
        const found = await read(`${before}${JSON.stringify(list, null, indent)}\n`, chunk_bytes);
        expect(found.map(({ text }) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(list)));
      },
    ),
    { numRuns: 200 },
  );
});

it('takes an object over several lines for one record, and objects on a line each for one a line', async () => {
  const of = (texts: readonly { text: string }[]): unknown[] => texts.map(({ text }) => JSON.parse(text));
  const pretty = JSON.stringify({ a: '}]"\\', b: [{ c: 1 }] }, null, 2);
  expect(of(await read(pretty))).toEqual([JSON.parse(pretty)]);
  expect(of(await read(`${pretty}\n${pretty}`))).toEqual([JSON.parse(pretty), JSON.parse(pretty)]);
  // What is broken on a line costs that line only.
  const lines = await read('{"a":1}\n{"b":\n{"c":3}\n');
  expect(lines.map(({ text }) => text)).toEqual(['{"a":1}', '{"b":', '{"c":3}']);
});

it('goes on behind what is too large, and gives what is not closed', async () => {
  const large = `[{"a":"${'x'.repeat(LINE_MAX_BYTES)}"},{"b":1},{"c":`;
  const found = await read(large, 65_536);
  expect(found.map(({ text, problem }) => problem ?? text)).toEqual(['too_large', '{"b":1}', '{"c":']);
});
