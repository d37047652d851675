import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AlertFact, foldAlert } from './alert-fold.ts';
import { type AlertRules, alertSchemaOf } from './alert-schema.ts';

const HOUR_MS = 3_600_000;
const at = (hour: number): string => new Date(hour * HOUR_MS).toISOString();

/** An anomaly of the hours [from, to); open: it still goes on. */
function anomaly(country: string, from: number, to: number, more: Partial<AlertFact> = {}): AlertFact {
  return {
    ...{ id: `${country}-${from}`, kind: 'metric', rule_id: 'anomaly_rule_1', metric: 'revenue' },
    ...{ state: 'ended', start_ms: from * HOUR_MS, end_ms: (from + 1) * HOUR_MS, until_ms: to * HOUR_MS },
    ...{
      group: { country },
      currency: 'EUR',
      direction: 'low',
      value: 1,
      expected: 2,
      lower: 1.5,
      upper: 2.5,
    },
    ...{ score: 4, severity: 'medium', text: `${country} is low` },
    ...more,
  };
}

function told(given: object, facts: readonly AlertFact[]): readonly string[] {
  return foldAlert(alertOf(given), facts).events.map(
    ({ phase, time_ms, group }) => `${phase} ${group.country ?? '-'} ${time_ms / HOUR_MS}`,
  );
}

const alertOf = (given: object) => ({
  tenant: 't',
  id: 'alert_1',
  body: alertSchemaOf([]).parse({ condition: { anomaly: {} }, since: at(0), ...given }) as AlertRules,
});

describe('an alert', () => {
  it('tells each group of its begin and its end', () => {
    expect(told({}, [anomaly('GB', 10, 12), anomaly('DE', 11, 13)])).toEqual([
      'firing GB 11',
      'firing DE 12',
      'recovered GB 16',
      'recovered DE 17',
    ]);
  });

  it('tells all groups as one where it is asked to', () => {
    const facts = [anomaly('GB', 10, 12), anomaly('DE', 11, 12), anomaly('FR', 30, 31, { state: 'open' })];
    expect(told({ group_by: [] }, facts)).toEqual(['firing - 11', 'recovered - 16', 'firing - 31']);
  });

  it('waits until it has lasted, for the end of a silence, and for that of a cool-down', () => {
    const facts = [anomaly('GB', 10, 15)];
    expect(told({ for_windows: 3 }, facts)).toEqual(['firing GB 13', 'recovered GB 19']);
    expect(told({ for_windows: 6 }, facts)).toEqual([]);
    expect(told({ silence: [{ until: at(14) }] }, facts)).toEqual(['firing GB 14', 'recovered GB 19']);
    expect(told({ silence: [{ until: at(16) }] }, facts)).toEqual([]);
    expect(told({ silence: [{ until: at(16), group: { country: 'DE' } }] }, facts)).toHaveLength(2);
    const again = [anomaly('GB', 10, 11), anomaly('GB', 20, 21), anomaly('GB', 40, 41)];
    expect(told({ cooldown_seconds: 20 * 3_600, notify_recovery: false }, again)).toEqual([
      'firing GB 11',
      'firing GB 41',
    ]);
  });

  it('is about what its condition says', () => {
    const facts = [anomaly('GB', 10, 11), anomaly('DE', 10, 11, { severity: 'high', direction: 'high' })];
    const about = (condition: object): number => told({ condition: { anomaly: condition } }, facts).length;
    expect(about({ min_severity: 'high' })).toBe(2);
    expect(about({ direction: 'low', metric: 'revenue', rule_id: 'anomaly_rule_1' })).toBe(2);
    expect([about({ metric: 'aov' }), about({ rule_id: 'other' })]).toEqual([0, 0]);
    expect(told({ since: at(11) }, facts)).toEqual([]);
    expect(
      told(
        {},
        facts.map((fact) => ({ ...fact, state: 'retracted' as const })),
      ),
    ).toEqual([]);
    const own = facts.map((fact) => ({ ...fact, rule_id: 'alert_2' }));
    expect(told({}, own)).toEqual([]);
  });

  it('tells as windows close what it tells at the end', () => {
    const anomalies = fc.uniqueArray(
      fc.record({
        country: fc.constantFrom('GB', 'DE'),
        from: fc.nat(60),
        length: fc.integer({ min: 1, max: 9 }),
      }),
      { maxLength: 8, selector: ({ country, from }) => `${country}-${Math.floor(from / 14)}` },
    );
    const options = fc.record({
      for_windows: fc.integer({ min: 1, max: 4 }),
      cooldown_seconds: fc.nat(40).map((hours) => hours * 3_600),
      silence: fc.array(
        fc.record({ from: fc.nat(60), length: fc.integer({ min: 1, max: 12 }) }).map(({ from, length }) => ({
          ...{ from: at(from), until: at(from + length) },
        })),
        { maxLength: 2 },
      ),
      grouped: fc.boolean(),
    });
    fc.assert(
      fc.property(anomalies, options, (given, { grouped, ...rest }) => {
        const alert = alertOf({ ...rest, ...(grouped ? { group_by: [] } : {}) });
        // Those of a group lie apart, as a rule's do.
        const facts = given.map(({ country, from, length }) => {
          const start = Math.floor(from / 14) * 14 + (from % 2);
          return anomaly(country, start, start + Math.min(length, 9));
        });
        const seen = new Map<string, string>();
        for (let hour = 0; hour <= 100; hour++) {
          for (const event of foldAlert(alert, factsAt(facts, hour)).events) {
            const said = JSON.stringify([event.phase, event.time_ms, event.facts.map(({ id }) => id)]);
            // Once told, it stays what was told, and it was told at its time.
            if (!seen.has(event.id)) expect(event.time_ms).toBe(hour * HOUR_MS);
            expect(seen.get(event.id) ?? said).toBe(said);
            seen.set(event.id, said);
          }
        }
        const all = foldAlert(alert, facts).events.map(({ id }) => id);
        expect([...seen.keys()].sort()).toEqual([...all].sort());
      }),
      { seed: 11, numRuns: 100 },
    );
  });
});

/** What a live run knows when the window before an hour has closed. */
function factsAt(facts: readonly AlertFact[], hour: number): readonly AlertFact[] {
  return facts
    .filter(({ end_ms }) => end_ms <= hour * HOUR_MS)
    .map((fact) => ({
      ...fact,
      until_ms: Math.min(fact.until_ms, hour * HOUR_MS),
      state: fact.until_ms + 4 * HOUR_MS <= hour * HOUR_MS ? 'ended' : 'open',
    }));
}
