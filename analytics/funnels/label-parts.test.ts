import { describe, expect, it } from 'vitest';
import type { QueryKind } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { randomRows } from '../kpis/fixture-rows.ts';
import { KpiStore } from '../kpis/fixture-store.ts';
import type { KpiSettings, OpenSources } from '../kpis/index.ts';
import type { FamilyAnswer } from '../query-head/index.ts';
import type { FunnelShared } from './funnel-scan.ts';
import { type FunnelQuery, funnelKind } from './index.ts';
import type { FunnelWork } from './kept-plan.ts';

type Kind = QueryKind<FunnelQuery, FunnelShared, FunnelWork, FamilyAnswer>;

const nothingKept = () => ({
  find: () => undefined,
  attempts: () => undefined,
  open: () => {
    throw new Error('nothing is kept');
  },
});

/** The kind with its entities divided as those of a large query are. */
const inParts =
  (of: number) =>
  (settings: KpiSettings, open: OpenSources): Kind => {
    const kind = funnelKind(settings, open, nothingKept);
    return {
      ...kind,
      plan: (context, query) => {
        const plan = kind.plan(context, query);
        const parts = plan.parts.flatMap((part) =>
          Array.from({ length: of }, (_, index) => ({
            ...part,
            work: { ...part.work, share: { index, of } },
          })),
        );
        return { ...plan, parts };
      },
    };
  };

const START_MS = Date.UTC(2025, 0, 1);
const steps = (...types: readonly string[]) => types.map((event) => ({ event }));

describe('events as labels', () => {
  it.each(seedsOf(1, 2))('give the same numbers as rows, in parts and as it was (seed %i)', async (seed) => {
    const rows = randomRows({ seed, events: 3_000, start_ms: START_MS, end_ms: START_MS + 20 * 86_400_000 });
    const store = await KpiStore.of(rows, { commit_rows: 211 });
    for (const asked of [
      { steps: steps('visit', 'order.created') },
      { steps: steps('visit', 'visit', 'order.created', 'refund.issued'), window: '30d' },
      { steps: steps('order.created', 'payment.succeeded'), entry: 'first', ties: 'strict_increase' },
      { steps: steps('visit', 'order.created'), order: 'any', exclusions: [{ event: 'refund.issued' }] },
      { steps: steps('visit', 'order.created'), order: 'strict' },
    ]) {
      for (const as_of of [{ EVENTS: { 0: 1_000 } }, { EVENTS: { 0: 3_000 } }]) {
        const query = {
          start: '2025-01-03T00:00:00Z',
          end: '2025-01-15T00:00:00Z',
          as_of,
          explain: true,
          ...asked,
        };
        const ask = (of: number, more: object): FamilyAnswer => store.run(inParts(of), { ...query, ...more });
        const byRows = ask(1, { hold_constant: ['session_id'] });
        const [whole, parts, rowParts] = [ask(1, {}), ask(8, {}), ask(4, { hold_constant: ['session_id'] })];
        expect([byRows, whole].map(({ explain }) => explain?.way)).toEqual(['rows', 'labels']);
        expect(whole.body).toEqual(byRows.body);
        expect(parts.body).toEqual(byRows.body);
        expect(rowParts.body).toEqual(byRows.body);
        expect(byRows.body.entered).toBeGreaterThan(5);
      }
    }
  });
});
