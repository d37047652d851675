import { describe, expect, it } from 'vitest';
import { kpiQuerySchema } from './kpi-schema.ts';

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };

describe('kpiQuerySchema', () => {
  const issues = (query: object): string[] => {
    const parsed = kpiQuerySchema.safeParse({ ...DAY, metrics: ['revenue'], ...query });
    return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'));
  };

  it("takes the spec's example", () => {
    const example = {
      metrics: ['orders_count', 'revenue_gross'],
      start: '2025-08-01T00:00:00Z',
      end: '2025-08-31T23:59:59Z',
      granularity: '1d',
      group_by: ['country'],
      filters: { channel: ['web', 'mobile'] },
      aggregation: 'sum',
    };
    expect(kpiQuerySchema.parse(example)).toMatchObject({ ...example, limit: 100 });
  });

  it('refuses what it does not know, with the path', () => {
    expect(issues({})).toEqual([]);
    expect(issues({ metrics: ['nope'] })).toEqual(['metrics.0']);
    expect(issues({ metrics: [] })).toEqual(['metrics']);
    expect(issues({ granularity: '1D' })).toEqual(['granularity']);
    expect(issues({ group_by: ['country', 'country'] })).toEqual(['group_by']);
    expect(issues({ group_by: ['channel', 'country', 'sku', 'category', 'campaign'] })).toEqual(['group_by']);
    expect(issues({ filters: { region: 'x' } })).toEqual(['filters']);
    expect(issues({ filters: { country: [] } })).toEqual(['filters.country']);
    expect(issues({ currency: 'eur' })).toEqual(['currency']);
    expect(issues({ max_staleness: '5 s' })).toEqual(['max_staleness']);
    expect(issues({ limit: 1_001 })).toEqual(['limit']);
    expect(issues({ surprise: 1 })).toEqual(['']);
    expect(
      issues({
        max_staleness: '500ms',
        force_fresh: true,
        dry_run: false,
        min_position: { EVENTS: { 0: 5 } },
      }),
    ).toEqual([]);
  });
});
