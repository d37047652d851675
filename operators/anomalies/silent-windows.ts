import { ByteReader, ByteWriter, type KvTable } from '../../engine/index.ts';
import { anomalyId } from './anomaly-rows.ts';
import type { Silence } from './silence.ts';
import type { FoundAnomaly, ToldAnomalies } from './told-anomalies.ts';
import type { WatchedRule } from './watched-rule.ts';

/** The metric and the rule of a silence, as records and subjects name it. */
export const SILENCE_METRIC = 'events';
const INDEX_BIAS = 2 ** 40;

/** The silent windows of one rule; one rule of a scope tells of them. */
export class SilentWindows {
  readonly #table: KvTable;
  readonly #told: ToldAnomalies;
  readonly #rule: WatchedRule;
  readonly #slot: number;
  isTold = false;

  constructor(table: KvTable, told: ToldAnomalies, rule: WatchedRule, slot: number) {
    this.#table = table;
    this.#told = told;
    this.#rule = rule;
    this.#slot = slot;
  }

  #key(index: number): Uint8Array {
    return new ByteWriter()
      .u32(this.#slot)
      .u48(index + INDEX_BIAS)
      .copy();
  }

  /** Those of [from, to). */
  between(from: number, to: number): ReadonlySet<number> {
    const found = new Set<number>();
    for (const { key } of this.#table.scan({ start: this.#key(from), end: this.#key(to) }))
      found.add(new ByteReader(key.subarray(4)).u48() - INDEX_BIAS);
    return found;
  }

  /** Inside a commit. Gives the first window of [from, to) that is otherwise than it was; `next` is the first open one. */
  learn(silence: Silence, from: number, to: number, next: number, now_ms: number): number | undefined {
    const before = this.between(from, to);
    let changed: number | undefined;
    for (let index = from; index < to; index++) {
      const expected = silence.expectedOf(index);
      if ((expected !== undefined) === before.has(index)) continue;
      changed ??= index;
      if (expected === undefined) this.#table.remove(this.#key(index));
      else this.#table.put(this.#key(index), new ByteWriter().f64(expected).view());
    }
    if (this.isTold) this.#tell(from, to, next, now_ms);
    return changed;
  }

  #expectedOf(index: number): number | undefined {
    const value = this.#table.get(this.#key(index));
    return value === undefined ? undefined : new ByteReader(value).f64();
  }

  /** Each stretch of silent windows that touches [from, to) is one anomaly; those that are none are taken back. */
  #tell(from: number, to: number, next: number, now_ms: number): void {
    const { grid, scope, alertFrom_ms } = this.#rule;
    let start = from;
    while (this.#expectedOf(start - 1) !== undefined) start--;
    const found = new Set<string>();
    const closed_ms = grid.startOf(next);
    let end = to;
    for (
      let index = start;
      index < end || (index < next && this.#expectedOf(index - 1) !== undefined);
      index++
    ) {
      if (this.#expectedOf(index) === undefined) continue;
      let last = index;
      while (last + 1 < next && this.#expectedOf(last + 1) !== undefined) last++;
      const anomaly = this.#anomaly(index, last, last + 1 === next);
      found.add(anomaly.id);
      if (anomaly.end_ms > alertFrom_ms) this.#told.settle(scope, anomaly, closed_ms, now_ms);
      index = last;
      end = Math.max(end, last + 1);
    }
    for (const record of this.#told.between(scope, grid.startOf(start), grid.startOf(end)))
      if (record.kind === 'silence' && !found.has(record.id))
        this.#told.retract(scope, record, closed_ms, now_ms);
    if (from > this.#rule.first && start === from) this.#endBefore(from, closed_ms, now_ms);
  }

  /** A silence that lasted to the last judged window is over. */
  #endBefore(from: number, closed_ms: number, now_ms: number): void {
    if (this.#expectedOf(from) !== undefined) return;
    let first = from - 1;
    while (this.#expectedOf(first - 1) !== undefined) first--;
    if (this.#expectedOf(first) === undefined) return;
    this.#told.settle(this.#rule.scope, this.#anomaly(first, from - 1, false), closed_ms, now_ms);
  }

  #anomaly(first: number, last: number, isOpen: boolean): FoundAnomaly {
    const { grid, scope } = this.#rule;
    const [start_ms, end_ms] = [grid.startOf(first), grid.startOf(first + 1)];
    const expected = this.#expectedOf(first) ?? 0;
    const group = JSON.stringify([]);
    const since = new Date(start_ms).toISOString().replace('.000Z', 'Z');
    return {
      id: anomalyId({ scope, rule_id: SILENCE_METRIC, group, start_ms }),
      ...{ kind: 'silence', rule_id: SILENCE_METRIC, metric: SILENCE_METRIC, direction: 'low' },
      state: isOpen ? 'open' : 'ended',
      ...{ start_ms, end_ms, until_ms: grid.startOf(last + 1) },
      ...{ group: {}, currency: null, severity: 'high' },
      ...{ value: 0, expected, lower: expected, upper: expected, score: 0 },
      text:
        `Events are missing in the window from ${since} (usually at least ${Math.round(expected)}): they are late, ` +
        'lost, or their source stands. No metric is judged meanwhile.',
    };
  }
}
