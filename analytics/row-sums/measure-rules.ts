import { CONTRIBUTIONS, type Contribution, MARK, type Measure, NUMBER } from '../rows/index.ts';

/**
 * How a row counts for a measure (`CONTRIBUTIONS`), in the terms of a scan. What a row that has the mark adds, times
 * its sign:
 * - `count`: 1.
 * - `amount`: a number column; none counts 0.
 * - `units`: the quantities of its items.
 * - `observed`: 1 where the number column has a value.
 */
export type MeasureKind = 'count' | 'amount' | 'units' | 'observed';

export interface MeasureRule {
  /** Bit of the mark that a row must have. */
  readonly mark: number;
  readonly kind: MeasureKind;
  /** Index of the number column; -1 for `count` and `units`. */
  readonly column: number;
  /** What a group of a row's items takes of it. */
  readonly byItems: Contribution['byItems'];
}

const RULES: ReadonlyMap<Measure, MeasureRule> = new Map(
  CONTRIBUTIONS.map(({ mark, measure, source, byItems }) => {
    const kind = source === 'one' ? 'count' : source === 'units' ? 'units' : 'amount';
    const column = source === 'one' || source === 'units' ? -1 : NUMBER[source];
    return [measure, { mark: MARK[mark], kind, column, byItems }];
  }),
);

/** Money whose single amounts can be aggregated otherwise than by their sum. */
export type Distribution =
  | 'revenue_gross'
  | 'revenue_paid'
  | 'refund'
  | 'discount'
  | 'shipping'
  | 'tax'
  | 'revenue_cancelled';

export function ruleOf(measure: Measure): MeasureRule {
  const rule = RULES.get(measure);
  if (rule === undefined) throw new Error(`no row counts for ${measure}`);
  return rule;
}

/** How many rows have the amount. */
export function observedRule(name: Distribution): MeasureRule {
  return { ...ruleOf(name), kind: 'observed' };
}
