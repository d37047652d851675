import type { Dictionary } from '../../engine/index.ts';
import { normalType } from '../events/index.ts';
import { QueryError } from '../query/index.ts';
import { columnOf, type DimensionColumn } from './dimensions.ts';
import type { Filter, Filters } from './filter-schema.ts';
import { SEGMENT_COLUMN, segmentsOfText } from './segment-filter.ts';

/** Accepted values of a dimension, or refused ones; '' is none. */
export interface AskedFilter {
  readonly dimension: string;
  readonly not: boolean;
  readonly values: ReadonlySet<string>;
}

/** The texts of codes: of the log's dictionary, and of segments that are laid over it. */
export type LogTexts = Pick<Dictionary, 'textOf' | 'find' | 'isFull' | 'limit'>;

/** A test of a dimension's codes. */
export interface DimensionFilter extends DimensionColumn {
  readonly accepts: (code: number) => boolean;
}

export function filtersOf(filters: Filters): AskedFilter[] {
  return Object.entries(filters).flatMap(([dimension, given]) => {
    if (given === undefined) return [];
    const isNot = isNegation(given);
    const values = isNot ? given.not : given;
    const texts = (Array.isArray(values) ? values : [values]).map((value) => value ?? '');
    return [{ dimension, not: isNot, values: new Set(texts) }];
  });
}

function isNegation(filter: Filter): filter is Extract<Filter, { not: unknown }> {
  return typeof filter === 'object' && filter !== null && !Array.isArray(filter);
}

/** Throws QueryError `unknown_dimension`. */
export function requireColumn(dimension: string, custom: readonly string[]): DimensionColumn {
  const column = columnOf(dimension, custom);
  if (column !== undefined) return column;
  const message = `There is no dimension "${dimension}".`;
  throw new QueryError('unknown_dimension', message, [{ path: 'group_by', message }]);
}

/** A filter on rows; `dictionary` has the texts of the log. */
export function dimensionFilter(
  filter: AskedFilter,
  custom: readonly string[],
  dictionary: Pick<LogTexts, 'textOf'>,
): DimensionFilter {
  const column = requireColumn(filter.dimension, custom);
  const test = column.column === SEGMENT_COLUMN ? segmentTest(filter) : textTest(filter);
  // Each code is looked up once: many chunks have the same values.
  const known = new Map<number, boolean>();
  const accepts = (code: number): boolean => {
    let accepted = known.get(code);
    if (accepted === undefined) {
      accepted = test(dictionary.textOf(code));
      known.set(code, accepted);
    }
    return accepted;
  };
  return { ...column, accepts };
}

/** Whether the segments of a text have one of those that are asked for; '' asks for customers of none. */
function segmentTest({ not, values }: AskedFilter): (text: string) => boolean {
  return (text) => {
    const segments = segmentsOfText(text);
    const has =
      segments.some(({ id, name }) => values.has(id) || values.has(name)) ||
      (segments.length === 0 && values.has(''));
    return has !== not;
  };
}

/** Whether a filter accepts a text. Types are compared in their normal form. */
export function textTest({ dimension, not, values }: AskedFilter): (text: string) => boolean {
  if (dimension !== 'type') return (text) => values.has(text) !== not;
  const normal = new Set([...values].map(normalType));
  return (text) => normal.has(normalType(text)) !== not;
}
