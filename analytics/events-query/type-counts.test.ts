import { expect, it } from 'vitest';
import { StoredLog } from './fixture-stored-log.ts';
import { countTypes } from './type-counts.ts';

const NEVER = { isCancelled: () => false, check: () => {} };

it('counts each event of the tenant once, however the log lies and in whatever parts it is read', () => {
  const log = new StoredLog();
  const kind = countTypes(() => log);
  const context = {
    table: () => {
      throw new Error('no tables');
    },
    ...{ scope: 'a', progress: undefined, now_ms: 0 },
  };
  const count = (rows_max: number) => {
    const plan = kind.plan(context, { rows_max });
    const parts = plan.parts.flatMap(({ work }) =>
      work.chunks.map((chunk) => ({ ...work, chunks: [chunk] })),
    );
    const bytes = parts.map((part) => kind.partial(context, plan, part, NEVER));
    const sum = bytes.length === 0 ? undefined : bytes.reduce((a, b) => kind.merge(b, a));
    return kind.finish(context, plan, sum);
  };
  expect(count(1_000)).toEqual({ types: [], scanned_rows: 0, complete: true });
  let sequence = 0;
  const times = (type: string, events: number, tenant = 'a'): void => {
    for (let at = 0; at < events; at++)
      log.add(tenant, { event_id: `e-${++sequence}`, type, time: '2025-09-01T10:00:00Z' }, sequence, 0);
  };
  times('visit', 40);
  times('order.creatd', 7);
  times('other', 5, 'b');
  // A correction is no event.
  log.correct(++sequence);
  times('visit', 3);
  const types = [
    { type: 'visit', count: 43 },
    { type: 'order.creatd', count: 7 },
  ];
  expect(count(1_000)).toMatchObject({ types, complete: true });
  log.merge();
  expect(count(1_000)).toMatchObject({ types, complete: true });
  const some = count(1);
  expect(some.complete).toBe(false);
  expect(some.scanned_rows).toBeGreaterThan(0);
});
