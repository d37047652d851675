import { expect, it } from 'vitest';
import { runChaos } from './chaos.ts';
import type { Fault } from './faults.ts';

/** A publisher that claims an acknowledgement which it never got: the check has to see it. */
const LIE: Fault = {
  kind: 'lie',
  strike: async ({ ledger }) => {
    ledger.sent('acme', Date.now()).acknowledged_ms = Date.now();
  },
};

it('counts each acknowledged order once through kills and damage, and sees an order that is not there', async () => {
  const kinds = ['service-killed', 'server-killed', 'bits-flipped'];
  const result = await runChaos({ seed: 5, minutes: 5, max_faults: 4, kinds, more: [LIE] });
  expect(result.faults).toBe(4);
  expect(Object.keys(result.kinds).sort()).toEqual([...kinds, 'lie'].sort());
  expect(result.failures).toEqual([
    expect.stringMatching(/^lie: acme: a fresh answer has \d+ orders, \d+ were/),
  ]);
  // What answers say of their freshness is checked too: where one came during the lie, it was caught as well.
  const faults = Object.values(result.violations).flatMap(({ during }) => Object.keys(during));
  expect(faults.filter((kind) => kind !== 'lie')).toEqual([]);
  expect(result.answers_checked).toBeGreaterThan(3);
});
