/** What queries take as a dimension for the segments that the row's customer is in. It is no column of the log. */
export const SEGMENT = 'segment';
/** Its place among the code columns: rows have it where a query's segments are laid over them. */
export const SEGMENT_COLUMN = -1;

/** How a segment is told apart. Filters may name it by either. */
export interface SegmentName {
  readonly id: string;
  readonly name: string;
}

const BETWEEN = '\u001e';
const WITHIN = '\u001f';

/** The segments of a customer as the text of a code; '' for none. */
export function segmentText(segments: readonly SegmentName[]): string {
  return segments.map(({ id, name }) => `${id}${WITHIN}${name}`).join(BETWEEN);
}

export function segmentsOfText(text: string): SegmentName[] {
  return text === ''
    ? []
    : text.split(BETWEEN).map((one) => {
        const [id = '', name = ''] = one.split(WITHIN);
        return { id, name };
      });
}

/** Names of the segments of a text: what answers show as values; a text of something else is itself. */
export function segmentLabels(text: string): readonly string[] {
  return text.includes(WITHIN) ? segmentsOfText(text).map(({ name }) => name) : [text];
}

/** Values with one segment each: a customer of several segments counts for each of them. `dimensions` are theirs. */
export function bySegment(
  values: readonly string[],
  dimensions: readonly string[],
  custom: readonly string[],
): readonly (readonly string[])[] {
  const place = custom.includes(SEGMENT) ? -1 : dimensions.indexOf(SEGMENT);
  if (place < 0) return [values];
  return segmentLabels(values[place] ?? '').map((label) => values.with(place, label));
}

/** What was counted by values, with one segment each. Totals are to be made before: groups then overlap. */
export function splitBySegment<T extends { readonly values: readonly string[] }>(
  counts: readonly T[],
  dimensions: readonly string[],
  custom: readonly string[],
): T[] {
  return counts.flatMap((count) =>
    bySegment(count.values, dimensions, custom).map((values) => ({ ...count, values })),
  );
}
