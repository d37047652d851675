import { normalType } from '../events/index.ts';
import { CODE, MARK } from '../rows/index.ts';
import { dimensionFilter, filtersOf, type LogTexts } from './filter.ts';
import type { Filters } from './filter-schema.ts';

/** Events of one type, with filters on their dimensions. */
export interface EventRule {
  readonly event: string;
  readonly filters?: Filters | undefined;
}

/** A test of one code column of a row; `item`: its column of items, -1 for none. */
export interface RuleCondition {
  readonly code: number;
  readonly item?: number;
  readonly accepts: (code: number) => boolean;
}

/** What rows meet that pass all filters. */
export function filterConditions(
  filters: Filters | undefined,
  custom: readonly string[],
  dictionary: Pick<LogTexts, 'textOf'>,
): RuleCondition[] {
  return filtersOf(filters ?? {}).map((filter) => {
    const { column, item, accepts } = dimensionFilter(filter, custom, dictionary);
    return { code: column, item, accepts };
  });
}

const ORDER = normalType('order.created');

/**
 * What the rows of such events meet, all of it. An order that is sent again is one order: of `order.created` only the
 * event at which the order counts is meant.
 */
export function eventConditions(
  { event, filters }: EventRule,
  custom: readonly string[],
  dictionary: Pick<LogTexts, 'textOf'>,
): RuleCondition[] {
  const type = normalType(event);
  return [
    type === ORDER
      ? { code: CODE.marks, accepts: (marks) => (marks & MARK.orders) !== 0 }
      : { code: CODE.type, accepts: (code) => normalType(dictionary.textOf(code)) === type },
    ...filterConditions(filters, custom, dictionary),
  ];
}
