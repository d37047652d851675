import { MAX_QUERY_ROWS, MAX_SKIPPED_ROWS } from '../engine/index.ts';
import type { Guide } from './guide.ts';
import { aggregatesGuide } from './guide-aggregates.ts';

/** The overview pages, in the order in which they are listed. */
export const guides: readonly Guide[] = [
  { name: 'event-time' },
  { name: 'windows' },
  aggregatesGuide,
  {
    name: 'query-table',
    values: () => ({
      max_rows: MAX_QUERY_ROWS.toLocaleString('en'),
      max_skipped_rows: String(MAX_SKIPPED_ROWS + 1),
    }),
  },
  { name: 'detectors' },
];
