import { ByteWriter, MemoryDisk } from '../../engine/index.ts';
import {
  addExact,
  type CubeDefinition,
  cardinalityKey,
  DeltaEncoder,
  distinctOf,
  distributionOf,
  emptyCell,
  emptyDetail,
  INLINE_DETAIL_BYTES,
  recentKey,
  writeCell,
  writeCellKey,
  writeDetail,
} from '../../operators/index.ts';
import {
  D,
  DEFAULT_CUBES,
  DISTRIBUTIONS,
  type Dimension,
  GRANULARITIES,
  M,
  MEASURES,
  type Measure,
} from '../model/index.ts';
import { type KpiQueryInput, kpiQuerySchema } from './kpi-schema.ts';
import { type KpiContext, type KpiResult, runKpiQuery, type Tables } from './kpis.ts';

/** What one event adds to the cubes. For tests: the rollup by brute force. */
export interface Fact {
  readonly at: string | number;
  readonly unit?: string;
  readonly dimensions?: Partial<Record<Dimension, string>>;
  readonly sums?: Partial<Record<Measure, number | bigint>>;
  /** Members of the distinct set. */
  readonly members?: readonly number[];
  /** Which cubes take it; all by default. */
  readonly mask?: number;
}

export const TENANT = 'acme';
export const CONTEXT: KpiContext = { watermark_ms: null, cubes: DEFAULT_CUBES };

export function timeOf({ at }: Fact): number {
  return typeof at === 'number' ? at : Date.parse(at);
}

/** A snapshot in which the facts are rolled up: sums, amounts as distributions, members. */
export class CubeStore {
  readonly #store = new MemoryDisk().open();
  readonly tables: Tables = (name) => this.#store.table(name);

  constructor(facts: readonly Fact[] = [], cubes: readonly CubeDefinition[] = DEFAULT_CUBES) {
    this.#store.transaction(() => {
      for (const cube of cubes) for (const index of GRANULARITIES.keys()) this.#write(facts, cube, index);
    });
  }

  #write(facts: readonly Fact[], cube: CubeDefinition, granularity: number): void {
    const width_ms = GRANULARITIES[granularity]?.bucket_ms ?? 1;
    const cells = new Map<string, Fact[]>();
    for (const fact of facts) {
      if (((fact.mask ?? 15) & cube.mask) === 0) continue;
      const bucket_ms = Math.floor(timeOf(fact) / width_ms) * width_ms;
      const values = cube.dimensions.map((name) => fact.dimensions?.[name as Dimension] ?? '');
      const unit = fact.unit ?? '';
      const key = writeCellKey(new ByteWriter(), {
        scope: TENANT,
        cube: cube.name,
        granularity,
        bucket_ms,
        values,
        unit,
      });
      const id = key.copy().toString('latin1');
      cells.set(id, [...(cells.get(id) ?? []), fact]);
    }
    for (const [id, members] of cells) this.#put(Buffer.from(id, 'latin1'), members);
  }

  #put(key: Buffer, facts: readonly Fact[]): void {
    const cell = emptyCell(MEASURES.length);
    const detail = emptyDetail();
    for (const { sums = {} } of facts) {
      for (const measure of MEASURES)
        cell.sums[M[measure]] = addExact(cell.sums[M[measure]] ?? 0, sums[measure] ?? 0);
    }
    for (const name of DISTRIBUTIONS) {
      const amounts = facts.flatMap(({ sums = {} }) =>
        sums[name] === undefined ? [] : [Number(sums[name])],
      );
      if (amounts.length > 0) detail.distributions[D[name]] = distributionOf(amounts);
    }
    for (let index = 0; index < detail.distributions.length; index++)
      detail.distributions[index] ??= undefined;
    detail.distinct = distinctOf(facts.flatMap(({ members = [] }) => members));
    const writer = new ByteWriter();
    writeDetail(writer, detail);
    const bytes = writer.copy();
    cell.spilled = bytes.length > INLINE_DETAIL_BYTES;
    if (cell.spilled) this.#store.table('cubes/details').put(key, bytes);
    const row = new ByteWriter();
    writeCell(row, cell, cell.spilled ? undefined : bytes);
    this.#store.table('cubes/cells').put(key, row.view());
  }

  /** As a commit that is not folded into cells yet: one entry for each fact. */
  recent(commit: number, facts: readonly Fact[], cubes: readonly CubeDefinition[] = DEFAULT_CUBES): this {
    this.#store.transaction(() => {
      for (const cube of cubes) {
        const encoder = new DeltaEncoder();
        encoder.reset();
        const known: string[] = [];
        for (const fact of facts)
          if (((fact.mask ?? 15) & cube.mask) !== 0) encode(encoder, fact, cube, known);
        if (encoder.entries === 0) continue;
        this.#store.table('cubes/recent').put(recentKey(TENANT, cube.name, commit), encoder.finish());
      }
    });
    return this;
  }

  rate(base: string, quote: string, at: string, rate: string): this {
    const key = new ByteWriter().orderedString(TENANT).orderedString(base).orderedString(quote);
    this.#store.transaction(() =>
      this.#store.table('fx-rates/rates').put(key.u48(Date.parse(at)).copy(), Buffer.from(rate)),
    );
    return this;
  }

  overflow(cube: string, day: string, otherRows: number): this {
    const value = new ByteWriter().varint(100_000).varint(otherRows).copy();
    const key = cardinalityKey(TENANT, cube, Date.parse(day));
    this.#store.transaction(() => this.#store.table('cubes/cardinality').put(key, value));
    return this;
  }

  query(query: KpiQueryInput, context: Partial<KpiContext> = {}): KpiResult {
    return runKpiQuery(this.tables, TENANT, kpiQuerySchema.parse(query), { ...CONTEXT, ...context });
  }
}

function encode(encoder: DeltaEncoder, fact: Fact, cube: CubeDefinition, known: string[]): void {
  const { sums = {}, members = [] } = fact;
  const texts = [
    fact.unit ?? '',
    ...cube.dimensions.map((name) => fact.dimensions?.[name as Dimension] ?? ''),
  ];
  const id = JSON.stringify(texts);
  const number = known.includes(id) ? known.indexOf(id) : known.push(id) - 1;
  if (encoder.begin(Math.floor(timeOf(fact) / 60_000) * 60_000, 0, number, -1)) {
    for (const text of texts) encoder.text(text);
  }
  const values = MEASURES.map((measure) => [M[measure], sums[measure] ?? 0] as const).filter(
    ([, value]) => value !== 0,
  );
  encoder.sums(values.reduce((mask, [measure]) => mask + 2 ** measure, 0));
  for (const [, value] of values) encoder.sum(addExact(value, 0));
  const observed = DISTRIBUTIONS.flatMap((name) =>
    sums[name] === undefined ? [] : [D[name], Number(sums[name])],
  );
  if (observed.length + members.length === 0) return;
  encoder.detail(observed.length / 2);
  for (let at = 0; at < observed.length; at += 2)
    encoder.observe(observed[at] as number, observed[at + 1] as number);
  encoder.members(members.length);
  for (const member of members) encoder.member(member);
}

/** An `order.created` of an amount. */
export function order(
  at: string | number,
  amount: number | bigint,
  unit = 'GBP',
  more: Partial<Fact> = {},
): Fact {
  return { at, unit, ...more, sums: { orders: 1, revenue_gross: amount, ...more.sums } };
}
