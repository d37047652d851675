import type { FunnelRules } from '../../operators/index.ts';
import { normalType } from '../events/index.ts';
import type { EventRule, Filters } from '../filters/index.ts';
import { QueryError, type TimeRange } from '../query/index.ts';
import { type FunnelQuery, windowMs } from './funnel-schema.ts';

/** Events that fill a step or match an exclusion; `also`: further filters. */
export interface FunnelRule extends EventRule {
  readonly also?: Filters | undefined;
}

/** What a row may be. `new_event`: any event of the entity, an order that is sent again aside. */
export type FunnelTest = FunnelRule | 'new_event';

/** A query with what follows from it. */
export interface FunnelPlan {
  readonly rules: FunnelRules;
  /** What rows are tested for; several steps of one event share a test. */
  readonly tests: readonly FunnelTest[];
  /** By test: the steps, and the exclusions, that its rows fill. */
  readonly stepsOf: readonly number[];
  readonly exclusionsOf: readonly number[];
  /** Events of interest lie in [start, end). */
  readonly scan: TimeRange;
}

/** What a plan is made of. */
type PlannedFunnel = Pick<
  FunnelQuery,
  'steps' | 'window' | 'order' | 'entry' | 'ties' | 'exclusions' | 'group_by' | 'attribution'
> &
  Partial<Pick<FunnelQuery, 'filters'>>;

/** Tests are bits of a row: `new_event` takes two of them. */
const MAX_TESTS = 32;

/** Throws QueryError `validation_failed`. */
export function funnelPlan(query: PlannedFunnel, range: TimeRange): FunnelPlan {
  const { steps, exclusions, order, entry, ties } = query;
  const window_ms = windowMs(query.window);
  const tests: FunnelTest[] = [];
  const stepsOf: number[] = [];
  const exclusionsOf: number[] = [];
  const places = new Map<string, number>();
  const testOf = (rule: FunnelRule): number => {
    const name = JSON.stringify([normalType(rule.event), rule.filters ?? {}, rule.also ?? {}]);
    const known = places.get(name) ?? tests.length;
    if (known === tests.length) {
      places.set(name, known);
      tests.push(rule);
      stepsOf.push(0);
      exclusionsOf.push(0);
    }
    return known;
  };
  for (const [at, { event, filters }] of steps.entries()) {
    const place = testOf({ event, filters, also: query.filters });
    stepsOf[place] = (stepsOf[place] as number) | (1 << at);
  }
  for (const [at, { event, filters }] of exclusions.entries()) {
    const place = testOf({ event, filters });
    exclusionsOf[place] = (exclusionsOf[place] as number) | (1 << at);
  }
  if (order === 'strict') tests.push('new_event');
  const max = order === 'strict' ? MAX_TESTS - 2 : MAX_TESTS;
  if (places.size > max) {
    const message = `Steps and exclusions name more than ${max} different events. Ask for fewer.`;
    throw new QueryError('validation_failed', message, [{ path: 'steps', message }]);
  }
  return {
    ...{ tests, stepsOf, exclusionsOf },
    rules: {
      ...{ steps: steps.length, window_ms, order, entry, ties, ...range },
      exclusions: exclusions.map(({ from, to = steps.length, effect }) => ({ from, to, effect })),
      attribution: query.group_by.length === 0 ? undefined : attributionOf(query),
    },
    // The last entry is a millisecond before the range's end, and the end of its window is part of it.
    scan: { start_ms: range.start_ms, end_ms: range.end_ms + window_ms },
  };
}

function attributionOf({ attribution, steps }: PlannedFunnel): 'first_step' | 'last_step' | number {
  if (attribution === 'first_step' || attribution === 'last_step') return attribution;
  const step = Number(attribution.slice('step_'.length));
  if (step <= steps.length) return step;
  const message = `\`attribution\` names step ${step}; the funnel has ${steps.length}.`;
  throw new QueryError('validation_failed', message, [{ path: 'attribution', message }]);
}
