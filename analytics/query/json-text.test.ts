import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { toJsonText } from './json-text.ts';

describe('toJsonText', () => {
  it('writes bigints as integers', () => {
    expect(toJsonText({ a: 9_007_199_254_740_993n, b: [-1n, 'x"y', undefined, null], c: undefined })).toBe(
      '{"a":9007199254740993,"b":[-1,"x\\"y",null,null]}',
    );
    expect(toJsonText({ big: 1n, at: new Date(0), no: () => 1, nan: Number.NaN })).toBe(
      '{"big":1,"at":"1970-01-01T00:00:00.000Z","nan":null}',
    );
  });

  it('is JSON.stringify for everything else, with a bigint beside it too', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.stringify(value);
        expect(toJsonText(value)).toBe(plain);
        expect(toJsonText({ value, one: 1n })).toBe(`{"value":${plain},"one":1}`);
      }),
    );
  });
});
