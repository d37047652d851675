import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { type AggregateSpec, type ResultOf, resolveAggregate } from './aggregates.ts';
import { avg, count, max, min, sum, variance } from './aggregates-numeric.ts';

const itself = (value: number): number => value;
const spec = {
  n: count(),
  sum: sum(itself),
  mean: avg(itself),
  population: variance(itself),
  sample: variance(itself, 'sample'),
};
const aggregate = resolveAggregate<number, typeof spec>(spec);

function bytesOf(acc: unknown): Buffer {
  const writer = new ByteWriter();
  aggregate.codec.write(writer, acc);
  return writer.copy();
}

function of<S extends AggregateSpec<number>>(
  one: S,
  added: readonly number[],
  gone: readonly number[] = [],
): ResultOf<S> {
  const resolved = resolveAggregate<number, S>(one);
  const all = added.reduce((acc, value) => resolved.add(acc, value, 0), resolved.init());
  return resolved.result(gone.reduce((acc, value) => resolved.retract?.(acc, value, 0), all));
}

const view = new DataView(new ArrayBuffer(8));

/** A double by its bits. Those of positive ones are in the order of their values. */
function doubleOf(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** A finite double in units of the smallest one, 2^-1074. */
function unitsOf(value: number): bigint {
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const fraction = bits & (2n ** 52n - 1n);
  const units = bits >> 52n === 0n ? fraction : (fraction | (2n ** 52n)) << ((bits >> 52n) - 1n);
  return value < 0 ? -units : units;
}

const LARGEST = 0x7fef_ffff_ffff_ffffn;

/** The double nearest to `units` / `denominator`, ties to even, found by halving. */
function nearest(units: bigint, denominator: bigint): number {
  if (units < 0n) return -nearest(-units, denominator);
  let low = 0n;
  let high = LARGEST + 1n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (unitsOf(doubleOf(middle)) * denominator <= units) low = middle;
    else high = middle;
  }
  const above = low === LARGEST ? 2n ** 2098n : unitsOf(doubleOf(low + 1n));
  const twice = 2n * units;
  const edge = (unitsOf(doubleOf(low)) + above) * denominator;
  // The bits behind those of the largest double are those of Infinity.
  return doubleOf(twice > edge || (twice === edge && low % 2n === 1n) ? low + 1n : low);
}

/** By definition, in rational numbers. */
function byDefinition(values: readonly number[]) {
  const special = values.filter((value) => !Number.isFinite(value)).reduce((a, b) => a + b, 0);
  if (special !== 0) return { sum: special, population: Number.NaN, sample: Number.NaN };
  const units = values.map(unitsOf);
  const n = BigInt(units.length);
  const total = units.reduce((a, b) => a + b, 0n);
  const spread = n * units.reduce((a, b) => a + b * b, 0n) - total * total;
  const over = (freedom: bigint): number =>
    freedom > 0n ? nearest(spread, (n * freedom) << 1074n) : Number.NaN;
  return { sum: nearest(total, 1n), population: over(n), sample: over(n - 1n) };
}

const anyNumber = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: LARGEST }).map(doubleOf) },
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: LARGEST }).map((bits) => -doubleOf(bits)) },
  { weight: 3, arbitrary: fc.maxSafeInteger() },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...[-0, 0.1, 1e308, -1e308, Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324, -5e-324, 2 ** -1022],
      ...[2 ** 970, 2 ** 970 - 2 ** 917, 2 ** 485, -(2 ** 485), 2 ** -480, 2 ** -537, 1.5 * 2 ** -537],
      ...[2 ** 53, 2 ** 53 + 2, 94_906_265, 94_906_266, 94_906_266.5],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY) },
);

describe('sums of numbers of any size', () => {
  it('are those of the definition, wherever each number is added and taken back', () => {
    fc.assert(
      fc.property(
        fc.array(anyNumber, { maxLength: 8 }),
        fc.array(anyNumber, { maxLength: 4 }),
        fc.infiniteStream(fc.nat(99)),
        (kept, gone, dice) => {
          const roll = (): number => dice.next().value as number;
          const changes = [
            ...[...kept, ...gone].map((value) => ({ value, retracts: false, place: roll() })),
            ...gone.map((value) => ({ value, retracts: true, place: roll() })),
          ].sort((a, b) => a.place - b.place);
          const parts: unknown[] = [aggregate.init(), aggregate.init(), aggregate.init()];
          for (const { value, retracts } of changes) {
            const at = roll() % parts.length;
            parts[at] = retracts
              ? aggregate.retract?.(parts[at], value, 0)
              : aggregate.add(parts[at], value, 0);
            if (roll() < 30) parts[at] = aggregate.codec.read(new ByteReader(bytesOf(parts[at])));
          }
          const merged = parts.reduce((a, b) => aggregate.merge(a, b), aggregate.init());
          const { n, mean, ...found } = aggregate.result(merged);
          const expected = byDefinition(kept);
          expect(n).toBe(kept.length);
          expect({ ...found, sum: found.sum + 0 }).toEqual({ ...expected, sum: expected.sum + 0 });
          if (Number.isFinite(expected.sum)) expect(mean + 0).toBe(expected.sum / kept.length + 0);
          const direct = kept.reduce((acc, value) => aggregate.add(acc, value, 0), aggregate.init());
          expect(bytesOf(merged).equals(bytesOf(direct))).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('come back from beyond the range of a double', () => {
    expect(of(sum(itself), [1e308, 1e308, -1e308])).toBe(1e308);
    expect(of(sum(itself), [1e308, 1e308, 1e308], [1e308, 1e308])).toBe(1e308);
    expect(of(sum(itself), [1e308, 1e308])).toBe(Number.POSITIVE_INFINITY);
    expect(of(avg(itself), [1e308, 1e308])).toBe(1e308);
    expect(of(variance(itself), [1e200, -1e200])).toBe(Number.POSITIVE_INFINITY);
    expect(of(variance(itself), [1e154, 1e154])).toBe(0);
    expect(of(variance(itself), [2e-162, -2e-162])).toBe(Number.MIN_VALUE);
    expect(of(variance(itself), [1e-200, -1e-200])).toBe(0);
  });

  it('come back from infinities and NaN', () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect(of({ s: sum(itself), m: avg(itself), v: variance(itself) }, [1, 3, ...odd], odd)).toEqual({
      s: 4,
      m: 2,
      v: 1,
    });
    expect(of(sum(itself), odd, odd.slice(0, 1))).toBeNaN();
    expect(of(sum(itself), odd, odd.slice(0, 2))).toBe(Number.NEGATIVE_INFINITY);
    // JSON may say null where a number should be.
    const nothing = null as unknown as number;
    expect(of(sum(itself), [1, nothing])).toBeNaN();
    expect(of(sum(itself), [1, nothing], [nothing])).toBe(1);
  });

  it('as they were stored before infinities were counted', () => {
    const { codec } = sum(itself);
    for (const special of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bytes = new ByteWriter().u8(4).zigzag(7).f64(special).copy();
      const acc = codec?.read(new ByteReader(bytes));
      expect(acc === undefined ? undefined : sum(itself).result(acc)).toBe(special);
    }
  });
});

describe('least and greatest', () => {
  it('are stored in one form, that of NaN too', () => {
    const bytes = [Number.NaN, Number.POSITIVE_INFINITY - Number.POSITIVE_INFINITY].map((value) => {
      const writer = new ByteWriter();
      const { init, add, codec } = max(itself);
      codec?.write(writer, add(init(), value, 0));
      return writer.copy().toString('hex');
    });
    expect(bytes[0]).toBe(bytes[1]);
    expect(of({ low: min(itself), high: max(itself) }, [0, -0])).toEqual({ low: -0, high: 0 });
    expect(of({ low: min(itself), high: max(itself) }, [-0, 0])).toEqual({ low: -0, high: 0 });
  });
});
