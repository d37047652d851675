import type { FunnelEvent } from '../../operators/index.ts';
import type { KeptEvents } from '../kept-events/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { filledBy } from './funnel-tests.ts';

const FEW_BITS = 256;

/** The steps, or exclusions, that an event fills, by the tests that it passes. */
export class FilledBy {
  /** Where these are among the first. */
  readonly #few: Uint32Array;
  readonly #byTest: readonly number[];
  readonly #known = new Map<number, number>();

  constructor(byTest: readonly number[]) {
    this.#byTest = byTest;
    this.#few = Uint32Array.from({ length: FEW_BITS }, (_, bits) => filledBy(byTest, bits));
  }

  of(bits: number): number {
    if (bits < FEW_BITS) return this.#few[bits] as number;
    const known = this.#known.get(bits);
    if (known !== undefined) return known;
    const filled = filledBy(this.#byTest, bits);
    this.#known.set(bits, filled);
    return filled;
  }
}

/** Kept events of an entity as those that funnels of every kind are evaluated over. */
export class KeptFunnelEvents {
  readonly #steps: FilledBy;
  readonly #exclusions: FilledBy;

  constructor({ stepsOf, exclusionsOf }: Pick<FunnelPlan, 'stepsOf' | 'exclusionsOf'>) {
    this.#steps = new FilledBy(stepsOf);
    this.#exclusions = new FilledBy(exclusionsOf);
  }

  all({ count, time_ms, bits, held, words }: KeptEvents): FunnelEvent[] {
    const events: FunnelEvent[] = [];
    for (let at = 0; at < count; at++) {
      const own = bits[at] as number;
      events.push({
        ...{ time_ms: time_ms[at] as number, id: '' },
        steps: this.#steps.of(own),
        exclusions: this.#exclusions.of(own),
        // Equal where the held values are.
        hold: words === 0 ? '' : held.subarray(at * words, (at + 1) * words).join(),
        group: '',
      });
    }
    return events;
  }
}
