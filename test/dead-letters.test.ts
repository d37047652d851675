import { afterAll, expect, it } from 'vitest';
import { connectNats, type EventMessage, EventPublisher } from '../connectors/index.ts';
import { sizes } from './long.ts';
import { type Millrace, stateDigestOf, until } from './process.ts';
import { Scratch } from './scratch.ts';

/** One event in a hundred is bad, in five shapes; mended and sent again the state is as if they had been right. */

const COUNT = sizes.mended_events;
const PATIENTLY_MS = 300_000;
const scratch = new Scratch();
afterAll(() => scratch.clean());

type Json = Readonly<Record<string, unknown>>;

const right = (at: number): Json => ({
  ...{ event_id: `e${at}`, type: at % 4 === 3 ? 'payment.succeeded' : 'order.created' },
  time: new Date(Date.UTC(2025, 2, 1) + at * 600_000).toISOString(),
  ...{ order_id: `o${at - (at % 4 === 3 ? 1 : 0)}`, customer_id: `c${at % 97}`, currency: 'EUR' },
  ...{ amount: 1_000 + (at % 913), country: at % 3 === 0 ? 'DE' : 'FR', channel: 'web' },
});

const without = (event: Json, name: string): Json =>
  Object.fromEntries(Object.entries(event).filter(([member]) => member !== name));

/** What a source made of an event, and how it is mended. */
const SHAPES: readonly {
  readonly bad: (event: Json) => Json;
  readonly mend: Json;
  readonly isIt: (shape: readonly string[]) => boolean;
}[] = [
  {
    bad: (event) => ({ ...event, amount: (Number(event.amount) / 100).toFixed(2) }),
    mend: {
      mapping: {
        rules: [{ flat: true, event: { currency: 'currency', amount: { path: 'amount', as: 'money' } } }],
      },
    },
    isIt: (shape) => shape.includes('amount: text') && shape.includes('event_id: text'),
  },
  {
    bad: (event) => ({ ...without(event, 'time'), created: Date.parse(String(event.time)) / 1_000 }),
    mend: {
      mapping: { rules: [{ flat: true, event: { time: { path: 'created', format: 'epoch_s' } } }] },
      patch: { created: null },
    },
    isIt: (shape) => shape.some((path) => path.startsWith('created: ')),
  },
  {
    bad: (event) => ({ ...without(event, 'event_id'), key: event.event_id }),
    mend: {
      mapping: { rules: [{ flat: true, event: { event_id: 'key' } }] },
      patch: { key: null },
    },
    isIt: (shape) => shape.includes('key: text'),
  },
  {
    bad: (event) => ({ ...event, channel: 7 }),
    mend: { patch: { channel: 'web' } },
    isIt: (shape) => shape.includes('channel: integer'),
  },
  {
    bad: (event) => ({ envelope: event }),
    mend: {
      mapping: {
        rules: [
          {
            event: Object.fromEntries(
              ['event_id', 'type', 'time', 'order_id', 'customer_id', 'currency', 'country', 'channel']
                .map((name): [string, unknown] => [name, `envelope.${name}`])
                .concat([['amount', { path: 'envelope.amount', as: 'minor' }]]),
            ),
          },
        ],
      },
    },
    isIt: (shape) => shape.includes('envelope.event_id: text'),
  },
];

const isBad = (at: number): boolean => at % 100 === 41;
const messageOf = (at: number, event: Json): EventMessage => ({
  subject: `events.default.k${at % 50}`,
  payload: Buffer.from(JSON.stringify(event)),
});

async function publish(service: Millrace, eventOf: (at: number) => Json): Promise<void> {
  const { nats } = await service.listening;
  const link = await connectNats({ ...nats, name: 'dead-letters-test' });
  try {
    const publisher = new EventPublisher(link);
    for (let from = 0; from < COUNT; from += 1_000) {
      const length = Math.min(1_000, COUNT - from);
      await publisher.publishAll(Array.from({ length }, (_, at) => messageOf(from + at, eventOf(from + at))));
    }
  } finally {
    await link.close();
  }
  await service.untilApplied();
}

async function finished(service: Millrace, job_id: unknown): Promise<Json> {
  return until(
    async () => {
      const { json } = await service.request('GET', `/jobs/${String(job_id)}`);
      return json.status === 'succeeded' || json.status === 'failed' ? json : undefined;
    },
    () => `the job ends: ${service.output}`,
    PATIENTLY_MS,
  );
}

const post = (service: Millrace, path: string, body: unknown) => service.request('POST', path, { body });

it('bad events in five shapes, mended and sent again twice, leave the state of a right stream', {
  timeout: 600_000,
}, async () => {
  const rightDir = await scratch.dir('letters-right');
  const rightly = await scratch.start({ dataDir: rightDir });
  await publish(rightly, right);
  const wanted = await stateDigestOf(rightDir);
  await rightly.terminate();

  const dataDir = await scratch.dir('letters');
  const service = await scratch.start({ dataDir });
  const bads = Array.from({ length: COUNT }, (_, at) => at).filter(isBad);
  await publish(service, (at) =>
    isBad(at) ? (SHAPES[Math.floor(at / 100) % SHAPES.length]?.bad(right(at)) ?? {}) : right(at),
  );
  type Group = { readonly group: string; readonly count: number; readonly shape: readonly string[] };
  const groupsNow = async (): Promise<readonly Group[]> =>
    (await service.request('GET', '/dead-letters/groups')).json.groups as readonly Group[];
  const groups = await until(
    async () => {
      const found = await groupsNow();
      return found.reduce((sum, { count }) => sum + count, 0) === bads.length ? found : undefined;
    },
    () => `all dead letters are there: ${service.output}`,
    PATIENTLY_MS,
  );
  expect(groups.length).toBe(SHAPES.length);

  const resend = async (again: boolean): Promise<readonly Json[]> => {
    const results: Json[] = [];
    for (const { group, shape } of groups) {
      const { mend } = SHAPES.find(({ isIt }) => isIt(shape)) ?? {};
      expect(mend, shape.join('; ')).toBeDefined();
      const body = { filter: { group }, ...mend };
      if (!again) {
        const tried = await post(service, '/dead-letters/try', body);
        expect(tried.json).toMatchObject({ failed: 0, complete: true, failures: [] });
      }
      const made = await post(service, '/dead-letters/resend', again ? { ...body, again } : body);
      expect([made.status, made.json.code]).toEqual([202, undefined]);
      results.push((await finished(service, made.json.job_id)).result as Json);
    }
    await service.untilApplied();
    return results;
  };
  const sumOf = (results: readonly Json[]): number =>
    results.reduce((sum, { events }) => sum + Number(events), 0);

  expect((await stateDigestOf(dataDir)).tables).not.toEqual(wanted.tables);
  expect(sumOf(await resend(false))).toBe(bads.length);
  expect((await stateDigestOf(dataDir)).tables).toEqual(wanted.tables);
  expect(await groupsNow()).toEqual([]);
  // Resolved ones are left alone, and where they are sent all the same nothing changes.
  expect(sumOf(await resend(false))).toBe(0);
  expect(sumOf(await resend(true))).toBe(bads.length);
  expect((await stateDigestOf(dataDir)).tables).toEqual(wanted.tables);
  const resolved = await service.request('GET', '/dead-letters?state=resolved&limit=1000');
  const listed = resolved.json.dead_letters as readonly { readonly resolved_by: string | null }[];
  expect(listed.length).toBe(Math.min(1_000, bads.length));
  expect(listed.every(({ resolved_by }) => /^job_[0-9a-f]{32}$/.test(resolved_by ?? ''))).toBe(true);
});
