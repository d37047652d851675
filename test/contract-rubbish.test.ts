import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_TIME, ContractService, JSON_TYPE, type RawAnswer } from './contract-service.ts';
import { CUSTOM, ShopTraffic } from './contract-traffic.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const TENANT = 'shop';
let service: ContractService;

beforeAll(async () => {
  service = await ContractService.start(scratch, { env: { CUSTOM_DIMENSIONS: CUSTOM } });
  await service.stream(TENANT, new ShopTraffic(4).events(120));
  await service.instance.untilApplied();
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

describe('rubbish', () => {
  const deep = (levels: number): unknown =>
    Array.from({ length: levels }).reduce<unknown>((inner) => ({ not: inner }), { field: 'a', eq: 1 });
  const many = Array.from({ length: 20_000 }, (_, at) => `v-${at}`);
  const kpi = { metrics: ['revenue'], ...ALL_TIME };
  const bodies: readonly (readonly [path: string, body: unknown])[] = [
    ...[
      ...[deep(17), deep(500), { and: [] }, { and: many }, { field: 'a', in: many }, { field: '', eq: 1 }],
      ...[
        { field: 'a'.repeat(5_000), eq: 1 },
        { field: 'items[999999999999].sku', eq: 1 },
        { field: '__proto__', eq: 1 },
      ],
      ...[
        { field: 'a', range: {} },
        { field: 'time', range: { gt: 'never' } },
        null,
        [],
        5,
        '',
        { __proto__: null },
      ],
    ].map((query) => ['/events/search', { query }] as const),
    ...[
      ...[
        { text: '' },
        { text: ' '.repeat(500) },
        { text: many.join(' ') },
        { text: '\ud800' },
        { text: 'a', limit: 1e9 },
      ],
      ...[
        { cursor: 'AAAA' },
        { cursor: '%' },
        { as_of: { EVENTS: { 0: 1e18 } } },
        { as_of: { EVENTS: { 7: 1 } } },
      ],
      ...[{ max_scan: 0 }, { from: 'x' }, { from: '2025-01-02T00:00:00Z', to: '2025-01-01T00:00:00Z' }],
      ...[
        { explain: true, query: { field: 'a' } },
        { dry_run: true, query: deep(400) },
        { explain: true, cursor: 'x' },
      ],
    ].map((body) => ['/events/search', body] as const),
    ...[
      ...[{ query_id: 'q_x' }, { query_id: `q_${'A'.repeat(500)}` }, { query_id: '' }, { query_id: 5 }, {}],
      ...[
        { EVENTS: { 0: -1 } },
        { EVENTS: { 0: 9_007_199_254_740_991 } },
        { EVENTS: { x: 1 } },
        { __proto__: { 0: 1 } },
        'now',
      ],
    ].map((as_of) => ['/kpis/query', { ...kpi, as_of }] as const),
    ...[
      ...[
        { explain: true, metrics: ['x'] },
        { dry_run: true, start: 'x' },
        { explain: true, currency: 'XXX' },
      ],
      ...[
        { filters: { country: many } },
        { filters: { country: { not: { not: 'DE' } } } },
        { group_by: ['order_id'] },
      ],
      ...[
        { group_by: many },
        { granularity: '1m', start: '1970-01-01T00:00:00Z' },
        { timezone: '../etc/passwd' },
      ],
    ].map((members) => ['/kpis/query', { ...kpi, ...members }] as const),
  ];
  const paths = [
    ...[
      '/events?cursor=%00',
      '/events?cursor=AAAA',
      '/events?limit=-1',
      '/events?as_of=x',
      '/events?as_of=99999999999999999999',
    ],
    ...[
      '/events?as_of={"EVENTS":{"0":"x"}}',
      '/events?type=%ff',
      '/events?explain=maybe',
      '/events?from=&to=',
    ],
    ...[
      '/events/%00',
      '/events/%ff',
      `/events/${'x'.repeat(5_000)}`,
      '/events/..%2f..%2fkeys',
      '/kpis/summary?dry_run=x',
    ],
    ...['/diagnostics?limit=1e9', '/events?sku=__proto__', `/events?country=${'x'.repeat(2_000)}`],
  ];

  it('is refused, or answered, and never a 5xx', async () => {
    const statuses = new Map<number, number>();
    const take = (what: string, { status, text, json }: RawAnswer): void => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect(status, `${what}: ${text.slice(0, 300)}`).toBeLessThan(500);
      if (status >= 400) expect(json, what).toMatchObject({ code: expect.any(String), status });
    };
    for (const [path, body] of bodies)
      take(`${path} ${JSON.stringify(body)?.slice(0, 200)}`, await service.post(TENANT, path, body));
    for (const path of paths) take(path, await service.get(TENANT, path));
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 404, 422]));
  });

  it('and clients that leave do not keep others from their answers', async () => {
    const body = JSON.stringify({ query: { field: 'data.note', contains: 'nothing of the kind' } });
    const left = Array.from({ length: 40 }, async (_, at) => {
      const leaving = new AbortController();
      const asked = service.send(
        '/events/search',
        { tenant: TENANT, body, headers: JSON_TYPE },
        { signal: leaving.signal },
      );
      setTimeout(() => leaving.abort(), at);
      await asked.catch(() => undefined);
    });
    await Promise.all(left);
    // A place is free when the server has seen that its client left.
    const answer = await until(
      async () => {
        const { status, json } = await service.post(TENANT, '/events/search', JSON.parse(body));
        return status === 200 ? json : undefined;
      },
      () => 'a search has a place',
      30_000,
    );
    expect(answer).toMatchObject({ events: [], meta: { scanned: { complete: true } } });
    expect((await service.instance.health()).status).toBe('ok');
  });
});
