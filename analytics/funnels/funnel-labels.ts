import { EntityEvents, EVENT_LABELS, FurthestAttempts, NOT_PLAIN } from '../../engine/index.ts';
import { EventLabels } from './event-labels.ts';
import type { FunnelCounter } from './funnel-counts.ts';
import { ENTITY_HASH } from './funnel-events.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { type FunnelPart, planOfQuery, visitFunnel, watermarkOf } from './funnel-scan.ts';
import { filledBy, rowTests } from './funnel-tests.ts';
import { LabelAttempts } from './label-attempts.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

/** Counts each entity of the part that is in the funnel. */
export function countFunnel(part: FunnelPart, counter: FunnelCounter): void {
  const { sources, shared, work, custom, cancel } = part;
  if (shared.way === 'rows') {
    visitFunnel(part, (result) => counter.add(result));
    return;
  }
  const { share, plan: scanned } = work;
  const plan = planOfQuery(shared.query);
  const check = (): void => cancel.check();
  const labels = new EventLabels({
    tests: rowTests(plan, custom, sources.dictionary),
    request: scanned.request,
  });
  const events = new EntityEvents({
    ...{ entity: ENTITY_HASH[shared.query.entity], labels, share },
    rows: Math.ceil(scanned.rows / share.of),
  });
  sources.scan(scanned, (chunk) => {
    check();
    events.add(chunk);
  });
  countEvents(events, plan, counter, { watermark_ms: watermarkOf(shared), check });
  events.end();
}

function countEvents(
  events: EntityEvents,
  plan: FunnelPlan,
  counter: FunnelCounter,
  { watermark_ms, check }: { readonly watermark_ms: number; readonly check: () => void },
): void {
  const { rules } = plan;
  const attempts = new LabelAttempts(plan, watermark_ms);
  const one = (_hi: number, _lo: number, own: Float64Array, count: number): void => {
    const result = attempts.of(own, count);
    if (result !== undefined) counter.add(result);
  };
  if (!OrderedAttempts.takes(rules, [])) {
    events.visit(one, check);
    return;
  }
  const { times } = counter;
  const furthest = new FurthestAttempts({ ...rules, stepOf: stepsOfLabels(plan), times });
  const openAfter_ms = watermark_ms - rules.window_ms;
  furthest.visit(events, (reached) => counter.addReached(reached, openAfter_ms), one, check);
}

/** By label of `EventLabels`: the one step that its events fill. */
function stepsOfLabels({ stepsOf }: FunnelPlan): Uint8Array {
  const steps = new Uint8Array(EVENT_LABELS).fill(NOT_PLAIN);
  for (let bits = 1; bits < EVENT_LABELS / 2; bits++) {
    const filled = filledBy(stepsOf, bits);
    if (filled !== 0 && (filled & (filled - 1)) === 0) steps[bits << 1] = 32 - Math.clz32(filled);
  }
  return steps;
}
