import type { Cancel, Dictionary, LogSchema, RowBatch, ScanPlan } from '../../engine/index.ts';
import { ChunkRows, groupKey, type WatchedRule } from '../../operators/index.ts';
import { columnOf } from '../filters/index.ts';
import { rowSchema } from '../rows/index.ts';
import { PulseReader, RULE_COLUMNS, type RuleReader } from './rule-reader.ts';

/** What a scan adds up for a rule. Plain data. */
export interface ScanSums {
  /** By the `groupKey` of groups, then the number of the bucket: sums. */
  readonly cells: Record<string, Record<string, number[]>>;
  /** Events by the number of the bucket. */
  readonly pulse: Record<string, number>;
}

/** Chunks as a family's sources give them. */
type Scan = (plan: ScanPlan, take: (chunk: Parameters<ChunkRows['of']>[0]) => void) => void;

/** Adds the rows of a plan up, as the cubes of a rule do. */
export class RuleScan {
  readonly #rule: WatchedRule;
  readonly #schema: LogSchema;
  readonly #dictionary: Dictionary;
  readonly #places: readonly number[];
  readonly #itemColumns: Int32Array;
  readonly #itemPlace: readonly number[];
  readonly sums: ScanSums = { cells: {}, pulse: {} };

  constructor(rule: WatchedRule, custom: readonly string[], dictionary: Dictionary) {
    this.#rule = rule;
    this.#schema = rowSchema(custom);
    this.#dictionary = dictionary;
    const { dimensions } = rule.cube;
    this.#places = dimensions.map((name) => columnOf(name, custom)?.column ?? -1);
    const items = dimensions.map((name) => columnOf(name, custom)?.item ?? -1);
    this.#itemColumns = Int32Array.from(items.filter((item) => item >= 0));
    this.#itemPlace = items.map((item) => this.#itemColumns.indexOf(item));
  }

  read(plan: ScanPlan, scan: Scan, cancel: Cancel): void {
    const reader = this.#rule.cube.reader as RuleReader;
    const pulse = new PulseReader();
    const texts = [...this.#rule.cube.dimensions, ...reader.texts];
    const rows = new ChunkRows(this.#schema, this.#dictionary, RULE_COLUMNS, texts);
    scan(plan, (chunk) => {
      cancel.check();
      const batch = rows.of(chunk, plan.request);
      reader.open(batch);
      pulse.open(batch);
      for (let row = 0; row < batch.length; row++) {
        if (pulse.read(row) > 0) this.#count(batch.time_ms[row] as number);
        this.#addRow(reader, batch, row);
      }
    });
  }

  #count(time_ms: number): void {
    const bucket = Math.floor(time_ms / this.#rule.pulse_ms);
    this.sums.pulse[bucket] = (this.sums.pulse[bucket] ?? 0) + 1;
  }

  #addRow(reader: RuleReader, batch: RowBatch, row: number): void {
    if (this.#itemColumns.length === 0 || (batch.itemCount[row] as number) === 0) {
      const additions = reader.read(row);
      if (additions > 0) this.#add(reader, batch, row, additions, undefined);
      return;
    }
    const groups = reader.group(row, this.#itemColumns);
    for (let group = 0; group < groups; group++) {
      const additions = reader.readGroup(group);
      if (additions > 0) this.#add(reader, batch, row, additions, group);
    }
  }

  #add(reader: RuleReader, batch: RowBatch, row: number, additions: number, group: number | undefined): void {
    const text = (code: number): string => this.#dictionary.textOf(code);
    const values = this.#places.map((column, at) => {
      const place = this.#itemPlace[at] as number;
      if (group !== undefined && place >= 0)
        return text(reader.groupCodes[group * this.#itemColumns.length + place] as number);
      return text((batch.columns.codes[column] as Int32Array)[row] as number);
    });
    const currency = this.#rule.byCurrency
      ? text((batch.columns.codes[reader.currency] as Int32Array)[row] as number)
      : undefined;
    const key = groupKey({ values, currency });
    const bucket = Math.floor((batch.time_ms[row] as number) / this.#rule.cube.bucket_ms);
    const cells = this.sums.cells[key] ?? {};
    const sums = cells[bucket] ?? new Array<number>(reader.measures).fill(0);
    this.sums.cells[key] = cells;
    cells[bucket] = sums;
    for (let at = 0; at < additions; at++) {
      const measure = reader.measure[at] as number;
      sums[measure] = (sums[measure] as number) + (reader.value[at] as number);
    }
  }
}

export const writeScan = (sums: ScanSums): Uint8Array => Buffer.from(JSON.stringify(sums));
export const readScan = (bytes: Uint8Array): ScanSums =>
  JSON.parse(Buffer.from(bytes).toString()) as ScanSums;

/** The sums of two parts of a plan. */
export function mergeScans(a: Uint8Array, b: Uint8Array): Uint8Array {
  const merged = readScan(a);
  const other = readScan(b);
  for (const [bucket, events] of Object.entries(other.pulse))
    merged.pulse[bucket] = (merged.pulse[bucket] ?? 0) + events;
  for (const [key, cells] of Object.entries(other.cells)) {
    const own = merged.cells[key] ?? {};
    merged.cells[key] = own;
    for (const [bucket, sums] of Object.entries(cells))
      own[bucket] = sums.map((sum, measure) => sum + (own[bucket]?.[measure] ?? 0));
  }
  return writeScan(merged);
}
