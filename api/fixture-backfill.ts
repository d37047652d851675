import type { CellReport } from '../analytics/index.ts';
import type { BackfillPort } from './http/index.ts';

const NOTHING: CellReport = {
  ...{ equal: 0, changed: 0, added: 0, gone: 0, days_full: 0 },
  ...{ cubes_added: [], cubes_gone: [], examples: [] },
};

/** A backfill that builds nothing: generation 1 is current, and 2 was. */
export function fakeBackfill(over: Partial<BackfillPort> = {}): BackfillPort {
  const info = {
    reason: 'a test',
    options: {},
    started_at_ms: 0,
    since_ms: 1_000,
    position: 7,
    size_bytes: 4_096,
  };
  const built = { replaced: 1, isActive: true, different: [], cells: NOTHING };
  return {
    build: () => Promise.resolve({ generation: 2, ...built }),
    discard: () => Promise.resolve(),
    plan: () =>
      Promise.resolve({
        ...{ messages: 100, read_bytes: 25_000, state_bytes: 12_000 },
        ...{ rate_per_s: 50, is_rate_measured: true },
      }),
    list: () => [
      { ...info, generation: 1, state: 'current' },
      { ...info, generation: 2, state: 'former' },
    ],
    activate: (generation) => Promise.resolve({ generation, ...built, records: 0, same: true, pause_ms: 1 }),
    shrink: () => Promise.resolve({ generation: 2, ...built, records: 0, same: true, pause_ms: 1 }),
    remove: () => Promise.resolve(),
    recount: () => Promise.resolve({ generation: 1, cells: NOTHING, fixed: 0, rows: 0, days: 0 }),
    ...over,
  };
}
