import { afterAll, expect, it } from 'vitest';
import { ANOMALIES_STREAM, openManager } from '../connectors/index.ts';
import { ContractService } from './contract-service.ts';
import { ADMIN_KEY, until } from './process.ts';
import { Scratch } from './scratch.ts';

const TENANT = 'default';
const MINUTE_MS = 60_000;
const COUNTRIES = ['GB', 'DE', 'FR'] as const;
/** Minutes before the test: all events lie behind the clock, as those of a stream that is read late. */
const FIRST_MINUTE = -180;
const BASE_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const TEST_MS = 300_000;

const scratch = new Scratch();
afterAll(() => scratch.clean());

/** Orders of three countries, four a minute; ten times as large where a country has its spike. */
function orders(from: number, to: number, spikes: Readonly<Record<number, string>>): object[] {
  const events: object[] = [];
  for (let minute = from; minute < to; minute++) {
    for (const [at, country] of COUNTRIES.entries()) {
      for (let order = 0; order < 4; order++) {
        const time_ms = BASE_MS + minute * MINUTE_MS + order * 15_000 + at * 1_000;
        const plain = 1_000 + ((minute * 7 + order * 5 + at) % 13) * 10;
        events.push({
          event_id: `o-${minute}-${country}-${order}`,
          type: 'order.created',
          time: new Date(time_ms).toISOString(),
          order_id: `o-${minute}-${country}-${order}`,
          ...{ country, currency: 'EUR', amount: spikes[minute] === country ? plain * 10 : plain },
        });
      }
    }
  }
  return events;
}

interface Told {
  readonly sequence: number;
  readonly type: string;
  readonly country: string | undefined;
}

/** Reads server-sent events behind `seen` until `enough`, then leaves. */
async function follow(
  url: string,
  seen: number,
  enough: (told: readonly Told[]) => boolean,
): Promise<Told[]> {
  const leave = new AbortController();
  const response = await fetch(`${url}/v1/order-analytics/anomalies/stream`, {
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'X-Tenant-ID': TENANT, 'Last-Event-ID': String(seen) },
    signal: leave.signal,
  });
  expect(response.status).toBe(200);
  const told: Told[] = [];
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, id] = /^id: (\d+)$/m.exec(block) ?? [];
        const [, data] = /^data: (.*)$/m.exec(block) ?? [];
        if (id === undefined || data === undefined) continue;
        const { type, group } = JSON.parse(data) as { type: string; group: Record<string, string> };
        told.push({ sequence: Number(id), type, country: group.country });
      }
      if (enough(told)) return told;
    }
  } finally {
    leave.abort();
  }
  throw new Error(`the stream ended after ${JSON.stringify(told)}`);
}

const detected = (told: readonly Told[]): string[] =>
  told.flatMap(({ type, country }) =>
    type === 'anomaly.detected' && country !== undefined ? [country] : [],
  );

it(
  'a client of server-sent events that drops misses nothing and hears nothing twice, across a kill -9',
  async () => {
    const dataDir = await scratch.dir('anomalies');
    let service = await ContractService.start(scratch, { dataDir });
    const rule = await service.post(TENANT, '/anomalies/register', {
      ...{ metric: 'revenue', group_by: ['country'], window: '1m', method: 'zscore', sensitivity: 0.99 },
      since: new Date(BASE_MS - 100 * MINUTE_MS).toISOString(),
    });
    expect(rule.status).toBe(201);
    const spikes = { [-90]: 'GB', [-80]: 'DE', [-40]: 'FR' };
    await service.stream(TENANT, orders(FIRST_MINUTE, -60, spikes) as Record<string, unknown>[]);
    const { url } = await service.instance.listening;
    const first = await follow(url, 0, (told) => told.length > 0);
    expect(detected(first.slice(0, 1))).toEqual(['GB']);
    const killed = service.instance.kill();
    await service.link.close();
    await killed;
    service = await ContractService.start(scratch, { dataDir });
    await service.stream(TENANT, orders(-60, -30, spikes) as Record<string, unknown>[]);
    const again = await service.instance.listening;
    const seen = first.at(-1)?.sequence ?? 0;
    const rest = await follow(again.url, seen, (told) => detected(told).includes('FR'));
    const all = [...first, ...rest];
    expect([...new Set(detected(all))].sort()).toEqual(['DE', 'FR', 'GB']);
    expect(detected(all)).toHaveLength(3);
    const sequences = all.map(({ sequence }) => sequence);
    const last = sequences.at(-1) ?? 0;
    // Every message of the stream once, and in its order.
    expect(sequences).toEqual(Array.from({ length: last }, (_, at) => at + 1));
    await until(
      async () => {
        const { state } = await (await openManager(service.link)).streams.info(ANOMALIES_STREAM.name);
        return state.last_seq >= last ? true : undefined;
      },
      () => 'the stream has them',
      30_000,
    );
    await service.stop();
  },
  TEST_MS,
);
