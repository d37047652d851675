import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, type EventMessage, JetStreamSource } from '../connectors/index.ts';
import { queryTable, SeededRandom } from '../engine/index.ts';
import { run } from '../index.ts';
import {
  DISORDER_MS,
  MINUTE_MS,
  type Order,
  PAY_WITHIN_MS,
  type Payment,
  type Settled,
  settling,
  type Takings,
  takingsTable,
} from './library-crash-topology.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { publishRetrying } from './retrying-publisher.ts';

const CHILD = resolve(import.meta.dirname, '../dist/test/library-crash-child.js');
const STREAMS = { SETTLED: ['settled.>'] };
const START_MS = Date.UTC(2026, 2, 1);
const ORDERS = 6_000;
const STEP_MS = 100;
const KILLS = 5;
const SHOPS = ['oslo', 'rome', 'bern'];
const TIMEOUT_MS = 600_000;

const children = new Set<ChildProcess>();
let nats: TestNats;
let dataDir: string;

beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-library-crash-'));
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

interface Traffic {
  readonly orders: readonly Order[];
  readonly payments: readonly Payment[];
}

/** Every fourth order is not paid, some are paid twice, some too late. */
function traffic(random: SeededRandom): Traffic {
  const orders = Array.from({ length: ORDERS }, (_, index) => ({
    order: `o${index}`,
    shop: random.pick(SHOPS),
    at: START_MS + index * STEP_MS,
  }));
  const payments = orders.flatMap(({ order, shop, at }) =>
    Array.from({ length: random.pick([0, 1, 1, 2]) }, (_, index) => ({
      payment: `${order}-p${index}`,
      order,
      shop,
      cents: random.int(1, 10_000),
      at: at + random.pick([0, 1, 400, PAY_WITHIN_MS, PAY_WITHIN_MS + 1]),
    })),
  );
  return { orders, payments };
}

/** What the topology has to say, worked out from the set. */
function settledOf({ orders, payments }: Traffic): Settled[] {
  const byOrder = new Map<string, Payment[]>();
  for (const payment of payments) {
    byOrder.set(payment.order, [...(byOrder.get(payment.order) ?? []), payment]);
  }
  return orders.flatMap(({ order, shop, at }): Settled[] => {
    const paid = (byOrder.get(order) ?? []).filter((payment) => payment.at - at <= PAY_WITHIN_MS);
    if (paid.length === 0) return [{ order, shop, payment: null, cents: 0, at }];
    return paid.map(({ payment, cents }) => ({ order, shop, payment, cents, at }));
  });
}

function takingsOf(settled: readonly Settled[]): Record<string, Takings> {
  const byMinute: Record<string, Takings> = {};
  for (const { shop, at, payment, cents } of settled) {
    const key = `${shop} ${Math.floor(at / MINUTE_MS) * MINUTE_MS}`;
    const { paid, unpaid, cents: sum } = byMinute[key] ?? { paid: 0, unpaid: 0, cents: 0 };
    const isPaid = payment !== null;
    byMinute[key] = { paid: paid + Number(isPaid), unpaid: unpaid + Number(!isPaid), cents: sum + cents };
  }
  return byMinute;
}

/** Late by less than the topology allows, and a third of it twice; far ahead at the end, so that time moves on. */
function messagesOf(random: SeededRandom, { orders, payments }: Traffic): EventMessage[] {
  const end_ms = START_MS + ORDERS * STEP_MS + 3_600_000;
  const last = { order: 'last', shop: 'last', at: end_ms };
  const all = [
    ...orders.map((order) => ({ subject: 'orders.shop', event: order })),
    ...payments.map((payment) => ({ subject: 'payments.shop', event: payment })),
  ]
    .flatMap((message) => (random.chance(0.3) ? [message, message] : [message]))
    .map((message) => ({ ...message, at_ms: message.event.at + random.int(0, DISORDER_MS - 1) }))
    .sort((a, b) => a.at_ms - b.at_ms);
  const ends = [
    { subject: 'orders.shop', event: last },
    { subject: 'payments.shop', event: { ...last, order: 'none', payment: 'last', cents: 0 } },
  ];
  return [...all, ...ends].map(({ subject, event }) => ({
    subject,
    payload: Buffer.from(JSON.stringify(event)),
  }));
}

/** A process that runs the topology. */
function launch(): ChildProcess {
  const child = spawn(process.execPath, [CHILD, dataDir, nats.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await exited;
}

async function results(): Promise<string[]> {
  const link = await connectNats({ url: nats.url, name: 'test-results' });
  const source = new JetStreamSource({ link, stream: 'SETTLED' });
  try {
    const { firstSequence, lastSequence } = await source.facts();
    await source.start(firstSequence - 1);
    const texts: string[] = [];
    for (let sequence = firstSequence - 1; sequence < lastSequence; ) {
      const records = await source.take({ max: 1_000, wait_ms: 1_000 });
      for (const { data } of records) texts.push(Buffer.from(data).toString());
      sequence = records.at(-1)?.sequence ?? sequence;
    }
    return texts;
  } finally {
    await source.stop();
    await link.close();
  }
}

it(
  `a topology of two sources, a join, windows and a sink is exact through ${KILLS} kills`,
  async () => {
    const random = new SeededRandom(7);
    const set = traffic(random);
    const settled = settledOf(set);
    const messages = messagesOf(random, set);
    // Streams must be there before the first message.
    await (await run(settling, { dataDir, natsUrl: nats.url, streams: STREAMS })).stop();
    let child = launch();
    let published = 0;
    const feeding = publishRetrying(messages, {
      chunk: 200,
      pause_ms: 60,
      target: () => Promise.resolve(nats),
      onProgress: (count) => {
        published = count;
      },
    });
    for (let killed = 0; killed < KILLS; killed++) {
      const moment = Math.floor(((killed + random.int(1, 9) / 10) * messages.length) / KILLS);
      while (published < moment) await sleep(10);
      await sleep(random.int(0, 300));
      await kill(child);
      child = launch();
    }
    await feeding;
    await kill(child);

    const running = await run(settling, { dataDir, natsUrl: nats.url, streams: STREAMS });
    try {
      await running.caughtUp(60_000);
      const wanted = takingsOf(settled);
      const found: Record<string, Takings> = {};
      for (const key of SHOPS) {
        const answer = queryTable(running.reader, takingsTable, {
          kind: 'window',
          key,
          start_ms: START_MS,
          end_ms: START_MS + ORDERS * STEP_MS,
        });
        if (!answer.ok) throw new Error(answer.message);
        for (const { start_ms, value } of answer.values) found[`${key} ${start_ms}`] = value;
      }
      expect(found).toEqual(wanted);
      // Sends follow the commit.
      const lines = settled.map((each) => JSON.stringify(each));
      let sent = await results();
      for (let wait = 0; wait < 600 && sent.length < lines.length; wait++) {
        await sleep(100);
        sent = await results();
      }
      expect(sent.sort()).toEqual(lines.sort());
    } finally {
      await running.stop();
    }
  },
  TIMEOUT_MS,
);
