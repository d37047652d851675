import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import { HttpReceiver } from './http-receiver.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const TENANT = 'default';
const MINUTE_MS = 60_000;
/** All events lie behind the clock, as those of a stream that is read late. */
const BASE_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const COUNTRIES = ['GB', 'DE', 'FR'] as const;
const PATIENTLY_MS = 120_000;

const scratch = new Scratch();
let receiver: HttpReceiver;
beforeAll(async () => {
  receiver = await HttpReceiver.start();
});
afterAll(async () => {
  await scratch.clean();
  await receiver?.stop();
});

interface Notice {
  readonly id: string;
  readonly phase: string;
  readonly time: string;
  readonly group: Readonly<Record<string, string>>;
}

/** Four orders a minute and country; ten times as large in the minutes that a country has. */
function orders(from: number, to: number, spikes: Readonly<Record<string, readonly number[]>>): object[] {
  return Array.from({ length: to - from }, (_, at) => from + at).flatMap((minute) =>
    COUNTRIES.flatMap((country, at) =>
      [0, 1, 2, 3].map((order) => ({
        event_id: `o-${minute}-${country}-${order}`,
        type: 'order.created',
        time: new Date(BASE_MS + minute * MINUTE_MS + order * 15_000 + at * 1_000).toISOString(),
        order_id: `o-${minute}-${country}-${order}`,
        ...{ country, currency: 'EUR', amount: spikes[country]?.includes(minute) ? 10_000 : 1_000 },
      })),
    ),
  );
}

it('a live alert tells people what a preview says, once, across a kill -9', async () => {
  const dataDir = await scratch.dir('alerts');
  const env = { WEBHOOK_ALLOW_PRIVATE: '1', WEBHOOK_RETRY_DELAY: '100ms' };
  let service = await ContractService.start(scratch, { dataDir, env });
  const made = await service.post(TENANT, '/alerts', {
    name: 'much revenue',
    condition: { threshold: { metric: 'revenue', group_by: ['country'], window: '1m', above: 20_000 } },
    for_windows: 2,
    cooldown_seconds: 600,
    channels: [{ type: 'slack', url: `${receiver.url}/slack` }],
    since: new Date(BASE_MS - 100 * MINUTE_MS).toISOString(),
  });
  expect([made.status, made.text]).toEqual([201, expect.stringContaining('much revenue')]);
  const id = String(made.json.id);
  // GB twice, the second time in its cool-down; DE for too short; FR behind the crash.
  const spikes = { GB: [-90, -89, -88, -84, -83], DE: [-80], FR: [-40, -39, -38] };
  const send = (from: number, to: number): Promise<unknown> =>
    service.stream(TENANT, orders(from, to, spikes) as Record<string, unknown>[]);
  const slack = (): readonly string[] => receiver.received.map(({ body }) => JSON.parse(body).text as string);
  await send(-180, -60);
  await until(
    () => (slack().length >= 2 ? true : undefined),
    () => `GB is told: ${slack().join('; ')} ${service.instance.output}`,
    PATIENTLY_MS,
  );
  const killed = service.instance.kill();
  await service.link.close();
  await killed;
  service = await ContractService.start(scratch, { dataDir, env });
  await send(-60, -30);
  await until(
    // A notice whose delivery the crash interrupted comes again, with the same words.
    () => (new Set(slack()).size >= 4 ? true : undefined),
    () => `FR is told: ${slack().join('; ')} ${service.instance.output}`,
    PATIENTLY_MS,
  );
  // The log is written behind the notice.
  const told = await until(
    async () => {
      const { json } = await service.get(TENANT, `/alerts/${id}/history`);
      const notices = json.notices as readonly Notice[];
      return notices.length >= 4 ? notices : undefined;
    },
    () => 'four notices are in the history',
    PATIENTLY_MS,
  );
  const live = [...told].reverse();
  expect(live.map(({ phase, group }) => [phase, group.country])).toEqual([
    ['firing', 'GB'],
    ['recovered', 'GB'],
    ['firing', 'FR'],
    ['recovered', 'FR'],
  ]);
  const minute = (at: number): string =>
    new Date(BASE_MS + at * MINUTE_MS).toISOString().replace('.000Z', 'Z');
  expect(live.map(({ time }) => time)).toEqual([-88, -86, -38, -36].map(minute));
  const preview = await service.post(TENANT, '/alerts/preview', { alert_id: id, days: 1 });
  expect(preview.status).toBe(200);
  const previewed = preview.json.notices as readonly Notice[];
  expect(previewed.map(({ id: one }) => one)).toEqual(live.map(({ id: one }) => one));
  expect(new Set(slack()).size).toBe(4);
  await service.stop();
}, 300_000);
