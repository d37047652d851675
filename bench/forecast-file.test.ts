import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seriesOf } from './forecast-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'forecast-file-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const GOOD = { id: 'a', period: 12, train: [1, null, 3], test: [4, null] };

describe('series of a file', () => {
  it('may have steps that are not known, and no period', () => {
    const unknown = { id: 7, period: null, train: [1], test: [2] };
    const { series, bad } = seriesOf(written('a.json', JSON.stringify([GOOD, unknown])));
    expect(bad).toEqual([]);
    expect(series).toEqual([GOOD, { id: '7', period: 1, train: [1], test: [2] }]);
  });

  it('may be packed', () => {
    const path = written('packed', gzipSync(JSON.stringify([GOOD])));
    expect(seriesOf(path).series).toEqual([GOOD]);
  });

  it('that are none are named, and the others are taken', () => {
    const list = [{ id: 'b', train: [1], test: ['x'] }, GOOD, 5, { id: 'c', train: [1] }];
    const { series, bad } = seriesOf(written('b.json', JSON.stringify(list)));
    expect(series).toEqual([GOOD]);
    expect(bad.map(({ id }) => id)).toEqual(['b', 'the one at 2', 'c']);
    expect(bad[0]?.problem).toContain('test[0]');
    expect(bad[2]?.problem).toContain('test');
  });

  it('cannot come from what is no list, no JSON, or not there', () => {
    const wrong = (path: string) => expect(() => seriesOf(path));
    const invalid = expect.objectContaining({ code: 'invalid_file' });
    wrong(written('c.json', '{"id": 1}')).toThrow(invalid);
    wrong(written('d.json', '[{"id": NaN}]')).toThrow(invalid);
    wrong(join(folder, 'nowhere.json')).toThrow(invalid);
  });
});
