import {
  cubes,
  filter,
  flatMap,
  map,
  toCallback,
  toJetStream,
  toTable,
  toWindowTable,
} from '../operators/index.ts';
import {
  type BoundedCase,
  DAILY_STEP_MS,
  DAY_MS,
  KEYS,
  keyOf,
  LIVE,
  type Tick,
  timeOf,
} from './bounded-state.ts';

type TableItem = Tick & { readonly isGone: boolean };

const DIMENSIONS = ['customer'];

export const tableCases: readonly BoundedCase[] = [
  {
    name: 'to-table, rows deleted',
    build: (ticks) =>
      ticks.pipe(
        // Each row is deleted when 10,000 others have come.
        flatMap<Tick, TableItem>('rows', {
          each: (tick, push) => {
            push({ ...tick, isGone: false });
            push({ ...tick, key: `key-${tick.index - LIVE}`, isGone: true });
          },
        }),
        filter('live', ({ isGone, index }: TableItem) => isGone || index < KEYS - LIVE),
        toTable<TableItem>('op', { keyOf, timeOf, value: (item) => (item.isGone ? undefined : item) }),
      ),
    step_ms: 1,
    rest_rows: 0,
  },
  {
    name: 'to-window-table',
    build: (ticks) =>
      ticks.pipe(
        toWindowTable('op', {
          keyOf,
          windowOf: ({ time_ms }: Tick) => ({ start_ms: time_ms, end_ms: time_ms + LIVE / 2 }),
          retain_ms: LIVE / 2,
        }),
      ),
    step_ms: 1,
    rest_rows: 0,
  },
  {
    name: 'cubes, every granularity with retain_ms',
    build: (ticks) =>
      ticks.pipe(
        map('rows', ({ key, time_ms }: Tick) => ({
          scope: 'shop',
          time_ms,
          unit: '',
          dimensions: [key],
          mask: 1,
          sums: [0, 1],
          observed: [],
          member: -1,
        })),
        cubes('op', {
          dimensions: DIMENSIONS,
          cubes: [
            { name: 'total', dimensions: [], mask: 1 },
            { name: 'customer', dimensions: DIMENSIONS, mask: 1 },
          ],
          granularities: [
            { name: '1m', bucket_ms: 60_000, retain_ms: DAY_MS },
            { name: '1d', bucket_ms: DAY_MS, retain_ms: DAY_MS },
          ],
          measures: 1,
          cells_per_day: 1_000_000,
          delta_max_cells: 20_000,
          fold_max_entries: 10_000,
          fold_max_commits: 10,
        }),
      ),
    step_ms: DAILY_STEP_MS,
    drain_ms: 4 * DAY_MS,
    drain_commits: 100,
    rest_rows: 0,
    // Values of dimensions, up to 100,000.
    max_rest_mb: 24,
  },
  {
    name: 'to-jetstream',
    build: (ticks) => ticks.pipe(toJetStream('op', { subject: 's' })),
    step_ms: 1,
    rest_rows: 1,
    drain_commits: 10,
  },
  {
    name: 'to-callback',
    build: (ticks) => ticks.pipe(toCallback('op', {})),
    step_ms: 1,
    rest_rows: 1,
    drain_commits: 10,
  },
];
