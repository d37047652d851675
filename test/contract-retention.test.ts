import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const DAY_MS = 86_400_000;
const RETENTION_DAYS = 30;
const TENANT = 'shop';
let service: ContractService;

beforeAll(async () => {
  service = await ContractService.start(scratch, { env: { RETENTION_DAYS: `${RETENTION_DAYS}` } });
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

it('an event before the cut is refused by HTTP, and a dead letter of the stream', async () => {
  const order = (days: number, more: object = {}) =>
    service.event({
      order_id: `o-${days}`,
      time: new Date(Date.now() - days * DAY_MS).toISOString(),
      ...more,
    });
  const today_ms = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const day = (days: number): string => new Date(today_ms + days * DAY_MS).toISOString();
  const range = { start: day(-100), end: day(1) };
  // Nothing is forgotten yet.
  const first = await service.http(TENANT, JSON.stringify([order(50), order(5), order(0)]));
  expect(first.json).toMatchObject({ accepted: 3, rejected: [] });
  await service.instance.untilApplied();
  const refused = await until(
    async () => {
      // Each moves the watermark, and with it the cut.
      await service.http(TENANT, JSON.stringify(order(0)));
      await service.instance.untilApplied();
      const answer = await service.http(TENANT, JSON.stringify(order(50)));
      return answer.status === 422 ? answer : undefined;
    },
    () => 'an event before the cut is refused',
    60_000,
  );
  expect(refused.json).toMatchObject({
    code: 'invalid_event',
    detail: expect.stringContaining('behind_retention'),
  });
  const listed = await service.http(TENANT, JSON.stringify([order(50), order(6)]));
  expect(listed.json).toMatchObject({
    accepted: 1,
    rejected: [{ index: 0, reason: expect.stringMatching(/^behind_retention/) }],
  });
  const upload = await service.send('/ingest/bulk', {
    tenant: TENANT,
    body: `${JSON.stringify(order(50))}\n${JSON.stringify(order(7))}\n`,
    headers: { 'Content-Type': 'application/x-ndjson' },
  });
  expect(await service.job(TENANT, upload.json.job_id)).toMatchObject({
    progress: { accepted: 1, rejected: 1 },
    error_report: [{ line: 1, reason: expect.stringMatching(/^behind_retention/) }],
  });
  await service.stream(TENANT, [order(50), order(8)]);
  await service.instance.untilApplied();
  expect(await service.deadLetters(TENANT)).toEqual(['behind_retention']);
  // Rollups stay; those of today are one order.
  const query = { metrics: ['orders_count'], ...range };
  const kept = await service.kpis(TENANT, query);
  expect([kept.groups[0]?.totals, kept.meta.warnings]).toEqual([{ orders_count: 6 }, []]);
  expect(kept.meta.source).toMatch(/^rollup:/);
  // What only the log could say is refused rather than said in part.
  const asked = { ...query, filters: { status: null } };
  const answer = await service.post(TENANT, '/kpis/query', asked);
  expect([answer.status, answer.json.code]).toEqual([422, 'behind_retention']);
  const inside = { ...asked, start: day(-RETENTION_DAYS + 1) };
  expect((await service.kpis(TENANT, inside)).groups[0]?.totals).toEqual({ orders_count: 5 });
});
