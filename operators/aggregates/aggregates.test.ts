import { describe, expect, expectTypeOf, it } from 'vitest';
import { ByteReader, ByteWriter, SeededRandom, stringCodec } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import {
  type Aggregate,
  type AggregateSpec,
  filtered,
  mapResult,
  type ResultOf,
  resolveAggregate,
} from './aggregates.ts';
import { collect, first, last, topK } from './aggregates-items.ts';
import { avg, count, max, min, sum, sumExact, variance } from './aggregates-numeric.ts';
import { distinct, distinctApprox, quantiles } from './aggregates-sets.ts';

interface Sale {
  readonly amount: number;
  readonly time_ms: number;
}

const sale = (amount: number, time_ms = 0): Sale => ({ amount, time_ms });
const amountOf = ({ amount }: Sale): number => amount;

/** All at once, in the order given. */
function of<S extends AggregateSpec<Sale>>(spec: S, sales: readonly Sale[]): ResultOf<S> {
  const aggregate = resolveAggregate<Sale, S>(spec);
  return aggregate.result(
    sales.reduce((acc, event) => aggregate.add(acc, event, event.time_ms), aggregate.init()),
  );
}

/** In any order, in parts that are stored, read back and merged. */
function inParts<S extends AggregateSpec<Sale>>(spec: S, sales: readonly Sale[], seed: number) {
  const aggregate = resolveAggregate<Sale, S>(spec);
  const random = new SeededRandom(seed);
  const bytesOf = (acc: unknown): Buffer => {
    const writer = new ByteWriter();
    aggregate.codec.write(writer, acc);
    return writer.copy();
  };
  let parts: unknown[] = [aggregate.init()];
  for (const event of random.shuffled(sales)) {
    if (random.chance(0.3)) parts.push(aggregate.init());
    const at = random.int(0, parts.length - 1);
    parts[at] = aggregate.add(parts[at], event, event.time_ms);
    if (random.chance(0.2)) {
      // Reading a result or storing it changes nothing.
      aggregate.result(parts[at]);
      parts[at] = aggregate.codec.read(new ByteReader(bytesOf(parts[at])));
    }
  }
  parts = random.shuffled(parts);
  const untouched = parts.slice(1).map(bytesOf);
  const merged = parts.slice(1).reduce((a, b) => aggregate.merge(a, b), parts[0]);
  expect(parts.slice(1).map(bytesOf)).toEqual(untouched);
  return { result: aggregate.result(merged), bytes: bytesOf(merged) };
}

/** value · 2^1000, for a value with no bits below 2^-970. */
function thousandBits(value: number): bigint {
  return value < 2 ** 53 ? BigInt(value * 2 ** 970) << 30n : BigInt(value) << 1000n;
}

/** The next double after a positive one, or the one before it. */
function neighbour(value: number, step: bigint): number {
  if (value === 0) return 0;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigUint64(0, view.getBigUint64(0) + step);
  return view.getFloat64(0);
}

const amounts = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e100, max: 1e100 }).map((amount) => amount + 0),
  fc.constantFrom(0.1, -0.1, 1e16, -1e16, 2 ** 60),
);
const sales = fc.array(fc.record({ amount: amounts, time_ms: fc.integer({ min: -5, max: 5 }) }), {
  maxLength: 25,
});

const everything = {
  count: count(),
  sum: sum(amountOf),
  min: min(amountOf),
  max: max(amountOf),
  avg: avg(amountOf),
  variance: variance(amountOf),
  sample: variance(amountOf, 'sample'),
  distinct: distinct(amountOf),
  few: distinct(amountOf, { max_values: 3 }),
  approx: distinctApprox(amountOf),
  quantiles: quantiles(amountOf, [0, 0.25, 0.5, 0.99, 1]),
  first: first<Sale>(),
  last: last<Sale>(),
  top: topK(3, amountOf),
  all: collect<Sale>(100),
  some: collect<Sale>(2),
  positive: filtered((event: Sale) => event.amount > 0, count()),
  spread: mapResult(quantiles(amountOf, [0, 1]), ([low = 0, high = 0]) => high - low),
};

describe('every aggregate', () => {
  for (const [name, aggregate] of Object.entries(everything)) {
    it(`${name}: order, parts and storage play no part, in the result and in the stored bytes`, () => {
      fc.assert(
        fc.property(sales, fc.integer(), fc.integer(), (items, seed, other) => {
          const one = inParts(aggregate, items, seed);
          const two = inParts(aggregate, items, other);
          expect(one).toEqual(two);
          expect(one.result).toEqual(of(aggregate, items));
        }),
        { numRuns: 150 },
      );
    });
  }

  it('says what it keeps: state of one is not that of another', () => {
    const { few, some, spread, sample, positive, ...named } = everything;
    const kinds = Object.values(named).map(
      (aggregate) => resolveAggregate<Sale, AggregateSpec<Sale>>(aggregate).kind,
    );
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kinds).not.toContain('custom');
    expect(positive.kind).toBe('filtered count');
    expect(resolveAggregate<Sale, AggregateSpec<Sale>>({ a: count(), b: { c: first<Sale>() } }).kind).toBe(
      '{a: count, b: {c: first}}',
    );
  });

  it('takes back what it added, where it can', () => {
    const spec = { n: count(), total: sum(amountOf), mean: avg(amountOf), spread: variance(amountOf) };
    const aggregate = resolveAggregate<Sale, typeof spec>(spec);
    fc.assert(
      fc.property(sales, sales, (kept, gone) => {
        let acc = aggregate.init();
        for (const event of [...gone, ...kept]) acc = aggregate.add(acc, event, event.time_ms);
        for (const event of gone) acc = aggregate.retract?.(acc, event, event.time_ms);
        expect(aggregate.result(acc)).toEqual(of(spec, kept));
      }),
    );
    expect(
      resolveAggregate<Sale, AggregateSpec<Sale>>({ n: count(), m: max(amountOf) }).retract,
    ).toBeUndefined();
  });
});

describe('numbers', () => {
  it('a sum is exact and rounded once', () => {
    expect(
      of(
        sum(amountOf),
        Array.from({ length: 10 }, () => sale(0.1)),
      ),
    ).toBe(1);
    expect(
      of(
        sum(amountOf),
        [1e100, 1, -1e100].map((amount) => sale(amount)),
      ),
    ).toBe(1);
    expect(
      of(
        sum(amountOf),
        [2 ** 53 - 1, 2 ** 53 - 1, -(2 ** 53 - 1)].map((amount) => sale(amount)),
      ),
    ).toBe(2 ** 53 - 1);
    expect(of(sum(amountOf), [sale(Number.NaN), sale(1)])).toBeNaN();
    expect(of(sum(amountOf), [sale(Number.POSITIVE_INFINITY), sale(1)])).toBe(Number.POSITIVE_INFINITY);
    expect(of(sum(amountOf), [])).toBe(0);
  });

  it('a sum is the nearest double of the rational sum', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ digits: fc.maxSafeInteger(), shift: fc.nat(60) }), { maxLength: 20 }),
        (items) => {
          const scaled = items.reduce(
            (total, { digits, shift }) => total + (BigInt(digits) << BigInt(60 - shift)),
            0n,
          );
          const values = items.map(({ digits, shift }) => sale(digits / 2 ** shift));
          expect(of(sum(amountOf), values)).toBe(Number(scaled) / 2 ** 60 + 0);
        },
      ),
    );
  });

  it('sumExact has no limit, and refuses what is not exact', () => {
    const spec = sumExact(({ amount }: Sale) => (amount > 10 ? BigInt(amount) * 10n ** 20n : amount));
    expect(of(spec, [sale(11), sale(1), sale(-2)])).toBe(11n * 10n ** 20n - 1n);
    expect(() => of(sumExact(amountOf), [sale(0.5)])).toThrow(RangeError);
  });

  it('mean and variance, also where a naive formula cancels', () => {
    const values = [4, 7, 13, 16].map((amount) => sale(amount + 1e9));
    expect(of(avg(amountOf), values)).toBe(1e9 + 10);
    expect(of(variance(amountOf), values)).toBe(22.5);
    expect(of(variance(amountOf, 'sample'), values)).toBe(30);
    expect(
      of(
        variance(amountOf),
        [0.1, 0.2, 0.3, 0.4].map((amount) => sale(amount)),
      ),
    ).toBeCloseTo(0.0125, 15);
    expect(of(variance(amountOf), [sale(5)])).toBe(0);
    expect(of(variance(amountOf, 'sample'), [sale(5)])).toBeNaN();
    expect(of({ a: avg(amountOf), v: variance(amountOf), m: min(amountOf) }, [])).toEqual({
      a: Number.NaN,
      v: Number.NaN,
      m: Number.NaN,
    });
  });

  it('a variance is the nearest double of the rational variance, however far apart the values are', () => {
    expect(of(variance(amountOf), [sale(-1e16), sale(4.3476843261074944e-123)])).toBe(2.5e31);
    fc.assert(
      fc.property(
        fc.array(fc.record({ digits: fc.maxSafeInteger(), power: fc.integer({ min: -450, max: 400 }) }), {
          minLength: 1,
          maxLength: 20,
        }),
        (items) => {
          const n = BigInt(items.length);
          const scaled = items.map(({ digits, power }) => BigInt(digits) << BigInt(power + 450));
          const total = scaled.reduce((a, b) => a + b, 0n);
          const squares = scaled.reduce((a, b) => a + b * b, 0n);
          // The variance is numerator / denominator.
          const numerator = n * squares - total * total;
          const denominator = (n * n) << 900n;
          const values = items.map(({ digits, power }) => sale(digits * 2 ** power));
          const found = of(variance(amountOf), values);
          const doubled = numerator << 1001n;
          const around = (step: bigint): bigint => thousandBits(neighbour(found, step)) + thousandBits(found);
          expect(doubled >= around(-1n) * denominator && doubled <= around(1n) * denominator).toBe(true);
        },
      ),
    );
  });

  it('quantiles are within one per cent, fractions and negative values included', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.double({ noNaN: true, min: -1e6, max: 1e6 }).filter((x) => x === 0 || Math.abs(x) > 1e-6),
          { minLength: 1 },
        ),
        fc.double({ noNaN: true, min: 0, max: 1 }),
        (values, q) => {
          const [found = Number.NaN] = of(
            quantiles(amountOf, [q]),
            values.map((amount) => sale(amount)),
          );
          const exact = values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] as number;
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.0101);
        },
      ),
    );
    expect(of(quantiles(amountOf, [0.5]), [])).toEqual([Number.NaN]);
    expect(() => quantiles(amountOf, [1.5])).toThrow(RangeError);
  });
});

describe('sets and items', () => {
  it('distinct says when there are more than its limit; the approximation is close', () => {
    const many = Array.from({ length: 30_000 }, (_, index) => sale(index % 20_000));
    expect(of(distinct(amountOf), many)).toBe(10_001);
    expect(of(distinct(amountOf, { max_values: 20_000 }), many)).toBe(20_000);
    expect(Math.abs(of(distinctApprox(amountOf), many) - 20_000)).toBeLessThan(20_000 * 0.03);
    const mixed = ({ amount }: Sale) => (amount === 0 ? '1' : amount === 1 ? 1 : true);
    expect(of(distinct(mixed), [sale(0), sale(1), sale(2), sale(0)])).toBe(3);
    for (const max_values of [0, -1, 1.5, Number.NaN]) {
      expect(() => distinct(amountOf, { max_values })).toThrow(RangeError);
    }
  });

  it('text that UTF-8 does not tell apart is counted apart, stored or not', () => {
    const texts = ['\ud800', '\ud801', '\ufffd', 'x'.repeat(100), '\0'];
    const textOf = ({ amount }: Sale): string => texts[amount] ?? '';
    const spec = { exact: distinct(textOf), approx: distinctApprox(textOf) };
    const { result } = inParts(
      spec,
      texts.map((_, index) => sale(index)),
      1,
    );
    expect(result).toEqual({ exact: 5, approx: 5 });
  });

  it('a smaller limit counts for what was stored with a larger one', () => {
    const of3 = resolveAggregate<Sale, AggregateSpec<Sale>>({
      top: topK(3, amountOf),
      d: distinct(amountOf),
    });
    const spec = { top: topK(2, amountOf), d: distinct(amountOf, { max_values: 1 }) };
    const of2 = resolveAggregate<Sale, typeof spec>(spec);
    const writer = new ByteWriter();
    of3.codec.write(
      writer,
      [3, 1, 2].map((amount) => sale(amount)).reduce((acc, event) => of3.add(acc, event, 0), of3.init()),
    );
    const reader = new ByteReader(writer.copy());
    expect(of2.result(of2.codec.read(reader))).toEqual({ top: [sale(3), sale(2)], d: 2 });
    expect(reader.remaining).toBe(0);
  });

  it('NaN ranks below all numbers, -0 as 0', () => {
    const ranked = [Number.NaN, Number.NEGATIVE_INFINITY, -0, 0, 1];
    const items = ranked.map((_, index) => sale(index));
    const spec = topK(5, ({ amount }: Sale) => ranked[amount] as number);
    for (let seed = 0; seed < 20; seed++) {
      const { result, bytes } = inParts(spec, items, seed);
      expect(result.map(amountOf)).toEqual([4, 2, 3, 1, 0]);
      expect(bytes).toEqual(inParts(spec, items, seed + 100).bytes);
    }
  });

  it('first, last, top and collect go by time and rank; ties by what is stored', () => {
    const items = [sale(5, 2), sale(3, 1), sale(4, 1), sale(9, 3), sale(8, 3)];
    expect(of(first<Sale>(), items)).toEqual(sale(3, 1));
    expect(of(last<Sale>(), items)).toEqual(sale(8, 3));
    expect(of(first<Sale>(), [])).toBeUndefined();
    expect(of(topK(2, amountOf), items)).toEqual([sale(9, 3), sale(8, 3)]);
    expect(
      of(
        topK(1, () => Number.NaN),
        items,
      ),
    ).toEqual([sale(3, 1)]);
    expect(of(collect<Sale>(3), items)).toEqual([sale(3, 1), sale(4, 1), sale(5, 2)]);
    expect(() => collect(0)).toThrow(RangeError);
  });

  it('items are stored by a codec of their own', () => {
    const spec = collect<string>(10, { codec: stringCodec });
    const writer = new ByteWriter();
    spec.codec?.write(writer, spec.add(spec.init(), 'x', 1));
    expect(writer.length).toBe(1 + 8 + 2);
  });
});

describe('composition', () => {
  it('has the type of its parts, at any depth, with an aggregate of a user among them', () => {
    const longest: Aggregate<Sale, string, string> = {
      init: () => '',
      add: (acc, { amount }) => (String(amount).length > acc.length ? String(amount) : acc),
      merge: (a, b) => (b.length > a.length ? b : a),
      result: (acc) => acc,
    };
    const result = of(
      { orders: count(), money: { revenue: sum(amountOf), best: topK(1, amountOf) }, longest },
      [sale(7), sale(100)],
    );
    expectTypeOf(result).toEqualTypeOf<{
      orders: number;
      money: { revenue: number; best: Sale[] };
      longest: string;
    }>();
    expect(result).toEqual({ orders: 2, money: { revenue: 107, best: [sale(100)] }, longest: '100' });
  });

  it('an aggregate may be an instance of a class', () => {
    class Product implements Aggregate<Sale, number, number> {
      readonly #unit = 1;
      init(): number {
        return this.#unit;
      }
      add(acc: number, { amount }: Sale): number {
        return acc * amount;
      }
      merge(a: number, b: number): number {
        return a * b;
      }
      result(acc: number): number {
        return acc / this.#unit;
      }
    }
    expect(
      of({ product: new Product(), large: filtered((event: Sale) => event.amount > 2, new Product()) }, [
        sale(2),
        sale(3),
      ]),
    ).toEqual({
      product: 6,
      large: 3,
    });
  });
});
