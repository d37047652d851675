import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import { itLong } from './it-long.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const TENANT = 'default';
const PERSON = 'person-7f3a91';
const MAIL = 'jane.roe.7f3a91@example.com';
const LIMIT_MS = 120_000;
const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-08T00:00:00Z' };
let service: ContractService;

const at = (minute: number): string => new Date(Date.UTC(2025, 7, 2, 9, minute)).toISOString();

/** Three customers; the first is the person. Some of the person's events name the order or the session only. */
function events(): readonly object[] {
  return [PERSON, 'c-2', 'c-3'].flatMap((customer, index) => {
    const ids = { order_id: `o-${index}`, session_id: `s-${index}` };
    const data = { email: index === 0 ? MAIL : `${customer}@example.com` };
    return [
      {
        event_id: `v-${index}`,
        type: 'visit',
        time: at(1),
        session_id: ids.session_id,
        channel: 'web',
        data,
      },
      {
        ...{ event_id: `o-${index}`, type: 'order.created', time: at(5), customer_id: customer, ...ids },
        ...{ amount: 1_000 + index, currency: 'EUR', country: 'DE', data },
        items: [{ sku: 'A', name: `for ${data.email}`, quantity: 2, unit_price: 500 }],
      },
      {
        event_id: `p-${index}`,
        type: 'payment.succeeded',
        time: at(9),
        order_id: ids.order_id,
        amount: 900,
        data,
      },
      {
        event_id: `x-${index}`,
        type: 'order.created',
        time: at(20),
        customer_id: customer,
        amount: 7,
        currency: 'EUR',
      },
    ];
  });
}

const QUERIES: readonly (readonly [string, object])[] = [
  [
    '/kpis/query',
    {
      ...RANGE,
      metrics: [
        'orders_count',
        'revenue_gross',
        'revenue_paid',
        'customers_new',
        'customers_active',
        'sessions',
      ],
      group_by: ['country', 'channel'],
      granularity: '1d',
    },
  ],
  ['/kpis/query', { ...RANGE, metrics: ['orders_count', 'revenue_gross', 'units_sold'], group_by: ['sku'] }],
  ['/cohorts/adhoc-retention', { ...RANGE, periods: 2 }],
  [
    '/funnels/adhoc',
    { ...RANGE, steps: [{ event: 'order.created' }, { event: 'payment.succeeded' }], window: '1d' },
  ],
];

async function numbers(): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const [path, body] of QUERIES) {
    const { status, json } = await service.post(TENANT, path, { ...body, force_fresh: true });
    expect({ path, status }).toEqual({ path, status: 200 });
    const { meta: _, query_id: __, calculated_at: ___, ...rest } = json as Record<string, unknown>;
    answers.push(JSON.stringify(rest));
  }
  return answers;
}

async function filesWith(folder: string, text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(text)) found.push(path);
  }
  return found;
}

beforeAll(async () => {
  service = await ContractService.start(scratch);
}, LIMIT_MS);

afterAll(async () => {
  await service.stop();
  await scratch.clean();
}, LIMIT_MS);

describe('the erasure of a person', () => {
  it('leaves every number, and nothing of the person in stream and state', {
    timeout: LIMIT_MS,
  }, async () => {
    const [first, ...others] = events();
    await service.nats(TENANT, JSON.stringify(first));
    // A message with events of several persons, and some by themselves.
    await service.nats(TENANT, JSON.stringify(others.slice(0, 6)));
    for (const event of others.slice(6)) await service.nats(TENANT, JSON.stringify(event));
    const before = await numbers();
    expect(before[0]).toContain('"customers_new":3');

    const made = await service.post(TENANT, `/customers/${PERSON}/erase`, {});
    expect(made.status).toBe(202);
    const { job_id } = made.json as { job_id: string };
    expect(made.text).not.toContain(PERSON);
    let job: Record<string, unknown> = {};
    await until(
      async () => {
        job = (await service.get(TENANT, `/jobs/${job_id}`)).json as Record<string, unknown>;
        return ['succeeded', 'failed'].includes(String(job.status)) || undefined;
      },
      () => 'the erasure ends',
      LIMIT_MS,
    );
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    expect(job.result).toMatchObject({
      stream: { messages_deleted: 2, events_replaced: 4, events_of_others_moved: 3 },
    });
    expect(await numbers()).toEqual(before);

    // What is left of an event says nothing of the person; others' events are whole.
    const left = (await service.get(TENANT, '/events/o-0')).text;
    expect(left).toContain('erased_');
    expect(left).not.toContain(MAIL);
    expect((await service.get(TENANT, '/events/o-1')).text).toContain('c-2@example.com');
    const gone = (await service.get(TENANT, `/events?customer_id=${PERSON}`)).json as { events: unknown[] };
    expect(gone.events).toEqual([]);
    for (const text of [MAIL, PERSON])
      expect(
        (await filesWith(join(service.dataDir, 'state'), text)).length + (await streamFilesWith(text)),
      ).toBe(0);
  });

  itLong(
    'is not lost events, and survives a state built anew from the stream',
    {
      timeout: LIMIT_MS,
    },
    async () => {
      const before = await numbers();
      const made = await service.post(TENANT, '/jobs/backfill', { mode: 'shadow', activate: 'auto' });
      expect(made.status).toBe(202);
      const { job_id } = made.json as { job_id: string };
      let job: Record<string, unknown> = {};
      await until(
        async () => {
          job = (await service.get(TENANT, `/jobs/${job_id}`)).json as Record<string, unknown>;
          return ['succeeded', 'failed'].includes(String(job.status)) || undefined;
        },
        () => 'the backfill ends',
        LIMIT_MS,
      );
      expect(job).toMatchObject({ status: 'succeeded', error: null });
      expect(await numbers()).toEqual(before);
      const gaps = (await service.get(TENANT, '/gaps')).json as { gaps: unknown[] };
      expect(gaps.gaps).toEqual([]);
    },
  );
});

/** Files of the stream of events: deleted bytes are overwritten when the server writes the block. */
async function streamFilesWith(text: string): Promise<number> {
  const found = await filesWith(service.dataDir, text);
  return found.filter((path) => /streams.EVENTS.msgs/.test(path)).length;
}
