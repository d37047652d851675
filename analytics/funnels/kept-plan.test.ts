import { expect, it } from 'vitest';
import type { Plan, QueryContext, RunView } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import type { KeptInfo } from '../kept-events/index.ts';
import type { FunnelShared } from './funnel-scan.ts';
import { adhocFunnelSchemaOf } from './index.ts';
import { keptFunnelOf } from './kept-funnel.ts';
import { planKept } from './kept-plan.ts';

const query = adhocFunnelSchemaOf().parse({
  steps: [{ event: 'visit' }, { event: 'order.created' }],
  ...{ start: '2025-01-01T00:00:00Z', end: '2025-02-01T00:00:00Z' },
});
const stored = { ...query, funnel: { id: 'f', name: 'f', revision: 1 } };
const info = { meaning: keptFunnelOf(query, []).meaning, from_ms: -8.64e15, id: 1 } as KeptInfo;

/** A plan over so many rows and kept records. */
function planned(rows: number, records: number, asked = stored) {
  const work = { plan: { request: { start_ms: 0 } } } as EntityWork;
  const scan = {
    ...{ kind: 'k', rows, bytes: 0, source: 'scan', cost_ms: rows / 20_000, explain: { way: 'labels' } },
    ...{ narrow: [], shared: {} as FunnelShared },
    parts: [{ reads: 'immutable', rows, cost_ms: 1, work }],
  } satisfies Plan<FunnelShared, EntityWork>;
  const kept = {
    find: () => info,
    attempts: () => undefined,
    open: () => ({ recordCount: records, stored_bytes: records * 100 }) as RunView,
  };
  const { source, explain, parts } = planKept(scan, asked, {
    ...{ context: { scope: 's' } as QueryContext, kept, custom: [] },
  });
  return { source, why: explain.not_incremental, parts: parts.length };
}

it('reads what is kept unless a scan of the range takes less', () => {
  expect(planned(10_000_000, 200_000)).toEqual({ source: 'incremental', why: undefined, parts: 1 });
  // In a moment, whatever a scan takes.
  expect(planned(10, 10_000).source).toBe('incremental');
  expect(planned(100_000, 200_000)).toMatchObject({
    ...{ source: 'scan', why: 'a scan of this range takes less' },
  });
  // Where events become objects, there is more to do.
  expect(planned(1_000_000, 200_000).source).toBe('incremental');
  expect(planned(1_000_000, 200_000, { ...stored, order: 'any' })).toMatchObject({ source: 'scan' });
  const adhoc = planned(10_000_000, 10, query as typeof stored);
  expect(adhoc).toMatchObject({ source: 'scan', why: 'the funnel is not stored' });
});
