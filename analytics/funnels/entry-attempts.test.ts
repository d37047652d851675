import { expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { evaluateFunnel, type FunnelResult, type FunnelRules } from '../../operators/index.ts';
import { sizes } from '../../test/long.ts';
import { ATTEMPT, AttemptRows } from '../kept-attempts/index.ts';
import { KeptEvents } from '../kept-events/index.ts';
import { EntryAttempts, SLOW_MAX_EVENTS } from './entry-attempts.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { KeptFunnelEvents } from './kept-funnel-events.ts';

const seed = Number(process.env.FUNNEL_SEED ?? 11);
const STEPS = 4;
/** Of the random events; those of one entity. */
const SPAN_MS = 120;

/** A funnel of four steps, each with a test of its own, and at times two exclusions. */
function randomPlan(random: SeededRandom, isPlain: boolean): FunnelPlan {
  const effect = (): 'drop_attempt' | 'drop_user' => random.pick(['drop_attempt', 'drop_user'] as const);
  const exclusions = isPlain
    ? []
    : [
        { from: 1, to: 2, effect: effect() },
        { from: 1, to: STEPS, effect: effect() },
      ].slice(0, random.int(0, 2));
  const rules: FunnelRules = {
    ...{ steps: STEPS, exclusions, attribution: undefined },
    window_ms: random.int(0, SPAN_MS),
    order: isPlain ? 'ordered' : random.pick(['ordered', 'strict', 'any'] as const),
    entry: random.pick(['latest', 'first'] as const),
    ties: random.pick(['convert', 'strict_increase'] as const),
    ...{ start_ms: Number.NEGATIVE_INFINITY, end_ms: Number.POSITIVE_INFINITY },
  };
  const stepsOf = [1, 2, 4, 8, 0, 0];
  // One event fills several steps.
  if (random.int(0, 2) === 0) stepsOf[0] = 1 | (1 << random.int(1, STEPS - 1));
  return {
    ...{ rules, tests: [], stepsOf, exclusionsOf: [0, 0, 0, 0, 1, 2] },
    scan: { start_ms: rules.start_ms, end_ms: rules.end_ms },
  };
}

function randomEvents(random: SeededRandom, hasTies: boolean, isHeld: boolean): KeptEvents {
  const events = new KeptEvents({ codes: isHeld ? 1 : 0, hashes: 0 });
  const times = Array.from({ length: random.int(1, 14) }, () => random.int(0, SPAN_MS));
  const sorted = (hasTies ? times : [...new Set(times)]).toSorted((a, b) => a - b);
  for (const time_ms of sorted) {
    const place = events.append(time_ms, 1 << random.int(0, hasTies ? 5 : 3), 1);
    if (isHeld) events.held[place] = random.int(0, 3) === 0 ? 2 : 1;
  }
  return events;
}

/** What the rows say of a range: the one row that counts in it. */
function standing(rows: AttemptRows, rules: FunnelRules, watermark_ms: number): FunnelResult | undefined {
  const { values, stride, count } = rows;
  const { start_ms, end_ms, steps, window_ms } = rules;
  const found: FunnelResult[] = [];
  for (let at = 0; at < count * stride; at += stride) {
    const row = values.subarray(at, at + stride);
    const [time_ms = 0, after_ms = 0, until_ms = 0, furthest = 0] = row;
    const counts = after_ms < start_ms && start_ms <= time_ms && time_ms < end_ms && end_ms <= until_ms;
    if (!counts) continue;
    const times_ms = [time_ms];
    for (let step = 1; step < furthest; step++)
      times_ms.push((times_ms[step - 1] as number) + (row[ATTEMPT.durations + step - 1] as number));
    const open = time_ms + window_ms > watermark_ms;
    const status = furthest === steps ? 'converted' : open ? 'in_progress' : 'dropped';
    found.push({ status, furthest, times_ms });
  }
  expect(found.length).toBeLessThan(2);
  return found[0];
}

it.each([
  { ofWhat: 'plain ordered funnels', isPlain: true, hasTies: false },
  { ofWhat: 'funnels of every kind, and events of one time', isPlain: false, hasTies: true },
])(`say for every range which attempt counts: $ofWhat (seed ${seed})`, ({ isPlain, hasTies }) => {
  const random = new SeededRandom(seed);
  let [entered, without] = [0, 0];
  for (let run = 0; run < sizes.random_funnels * 4; run++) {
    const plan = randomPlan(random, isPlain);
    const isHeld = !isPlain && random.int(0, 1) === 1;
    const attempts = new EntryAttempts(plan, isHeld);
    for (let entity = 0; entity < 3; entity++) {
      const events = randomEvents(random, hasTies, isHeld);
      const rows = new AttemptRows(STEPS - 1);
      expect(attempts.of(events, rows)).toBe(true);
      const general = new KeptFunnelEvents(plan).all(events);
      for (let range = 0; range < 12; range++) {
        const start_ms = random.int(-1, SPAN_MS);
        const end_ms = range === 0 ? Number.POSITIVE_INFINITY : random.int(start_ms + 1, SPAN_MS + 2);
        const rules = { ...plan.rules, start_ms, end_ms };
        const watermark_ms = random.int(0, 2 * SPAN_MS);
        const expected = evaluateFunnel(general, rules, watermark_ms);
        const context = JSON.stringify({ run, entity, start_ms, end_ms, plan, general });
        expect(standing(rows, rules, watermark_ms), context).toEqual(expected);
        if (expected === undefined) without++;
        else entered++;
      }
    }
  }
  expect(Math.min(entered, without)).toBeGreaterThan(500);
});

it('leave entities with many events to those who ask, where these take long', () => {
  const random = new SeededRandom(seed);
  const many = new KeptEvents({ codes: 0, hashes: 0 });
  for (let at = 0; at <= SLOW_MAX_EVENTS; at++) many.append(at, 1, 1);
  const plain = randomPlan(random, true);
  const rows = new AttemptRows(STEPS - 1);
  expect(new EntryAttempts(plain, false).of(many, rows)).toBe(true);
  expect(rows.count).toBe(SLOW_MAX_EVENTS + 1);
  const strict = { ...plain, rules: { ...plain.rules, order: 'strict' as const } };
  expect(new EntryAttempts(strict, false).of(many, rows)).toBe(false);
});
