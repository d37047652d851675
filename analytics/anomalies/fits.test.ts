import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { type FitPlace, fitOfRequest } from '../../operators/index.ts';
import { SHOP, type ShopState } from '../fixture-shop.ts';
import { anomaliesOf, hourText, REVENUE_RULE, ruledShop, ruledState, settleRules } from './fixture-rules.ts';
import { RULE_KIND } from './index.ts';

const RULE = { ...REVENUE_RULE, method: 'prophet', since: hourText(60) };
const RULES = { anomaly_rule_1: RULE, anomaly_rule_2: { ...RULE, group_by: [], window: '15m' } };
const EVENTS = ruledShop(0, 110, [{ country: 'GB', from: 80, to: 84, factor: 0.1 }]);

interface Waiting {
  readonly request: Uint8Array;
  readonly made: (model: Uint8Array | undefined) => void;
}

/** Makes fits when it is told, in any order; some cannot be made. */
class SlowPlace implements FitPlace {
  readonly waiting: Waiting[] = [];
  begun = 0;
  refused = 0;
  readonly #max: number;
  readonly #random: SeededRandom;

  constructor(max: number, seed: number) {
    this.#max = max;
    this.#random = new SeededRandom(seed);
  }

  begin(request: Uint8Array, made: Waiting['made']) {
    if (this.waiting.length >= this.#max) {
      this.refused++;
      return undefined;
    }
    const wanted = { request: request.slice(), made };
    this.waiting.push(wanted);
    this.begun++;
    const cancel = (): void => {
      const at = this.waiting.indexOf(wanted);
      if (at >= 0) this.waiting.splice(at, 1);
    };
    return { cancel };
  }

  /** Ends one. */
  end(): void {
    const [next] = this.waiting.splice(this.#random.int(0, this.waiting.length - 1), 1);
    next?.made(this.#random.chance(0.2) ? undefined : fitOfRequest(next.request));
  }
}

const textsOf = (waiting: readonly Waiting[]): readonly string[] =>
  waiting.map(({ request }) => Buffer.from(request).toString('base64')).sort();

/** Commits until nothing is left to do, with fits that are made between the commits. */
function settle(state: ShopState, place: SlowPlace): void {
  do {
    settleRules(state);
    if (place.waiting.length > 0) place.end();
  } while (place.waiting.length > 0 || state.driver.wantsBarrier);
}

/** What is known of all series, byte by byte; codes of groups go by the order of arrival. */
function seriesOf({ driver }: ShopState): readonly string[] {
  return driver.disk
    .reader()
    .snapshot((table) =>
      Array.from(table('anomalies/series').scan({}), ({ value }) => Buffer.from(value).toString('base64')),
    )
    .sort();
}

async function besideState(place: SlowPlace, shuffle?: number): Promise<ShopState> {
  const state = await ruledState(EVENTS, RULES, {
    topology: { fits: place },
    commit_events: 45,
    ...(shuffle === undefined ? {} : { shuffle }),
  });
  settle(state, place);
  return state;
}

describe('fits beside the task', () => {
  it('come to the same as fits in it, however slow they are, where some fail and few may wait', async () => {
    const inline = await ruledState(EVENTS, RULES);
    expect(anomaliesOf(inline).length).toBeGreaterThan(0);
    for (const [max, shuffle] of [
      [1, undefined],
      [2, 3],
    ] as const) {
      const place = new SlowPlace(max, max);
      const beside = await besideState(place, shuffle);
      expect(place.begun).toBeGreaterThan(10);
      if (max === 1) expect(place.refused).toBeGreaterThan(0);
      expect(anomaliesOf(beside)).toEqual(anomaliesOf(inline));
      expect(seriesOf(beside)).toEqual(seriesOf(inline));
    }
  });

  it('are waited for by the windows that need them, and not by the task', async () => {
    const place = new SlowPlace(100, 7);
    const state = await ruledState(EVENTS, RULES, { topology: { fits: place } });
    expect(place.waiting.length).toBeGreaterThan(0);
    expect(anomaliesOf(state)).toEqual([]);
    // Nothing is at work: it is woken by the last of them.
    expect(state.driver.wantsBarrier).toBe(false);
    settle(state, place);
    expect(anomaliesOf(state).length).toBeGreaterThan(0);
  });

  it('are begun again after a restart in the middle of them, and dropped with their rule', async () => {
    const inline = await ruledState(EVENTS, RULES);
    const place = new SlowPlace(100, 9);
    let { driver } = await ruledState(EVENTS, RULES, { topology: { fits: place } });
    let restarts = 0;
    while (place.waiting.length > 0) {
      const lost = place.waiting.splice(0);
      driver = await driver.restart();
      settleRules({ driver } as ShopState);
      // The same, of the same committed history.
      expect(textsOf(place.waiting)).toEqual(textsOf(lost));
      // What a task that is gone has made is of no use.
      for (const { request, made } of lost) made(request);
      while (place.waiting.length > 0) place.end();
      settleRules({ driver } as ShopState);
      restarts++;
    }
    expect(restarts).toBeGreaterThan(2);
    const restarted = { driver } as ShopState;
    expect(anomaliesOf(restarted)).toEqual(anomaliesOf(inline));
    expect(seriesOf(restarted)).toEqual(seriesOf(inline));

    const dropped = new SlowPlace(100, 1);
    const short = await ruledState(EVENTS, RULES, { topology: { fits: dropped } });
    expect(dropped.waiting.length).toBeGreaterThan(0);
    for (const id of Object.keys(RULES)) short.driver.control.remove(RULE_KIND, SHOP, id);
    settleRules(short);
    expect(dropped.waiting).toEqual([]);
  });
});
