import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, credentialsOf, EventPublisher } from '../connectors/index.ts';
import { call, machine, quantileOf, startApp, until, withScratch } from './rig.ts';

const GROUPS = Number(process.env.BENCH_GROUPS ?? 200);
const EVENTS_A_MINUTE = Number(process.env.BENCH_EVENTS ?? 4_000);
const WINDOWS = Number(process.env.BENCH_WINDOWS ?? 120);
/** Events published a second; 0: as fast as the service applies them, with at most `AHEAD_EVENTS` waiting. */
const RATE = Number(process.env.BENCH_RATE ?? 5_000);
/** Without that bound the latency would be that of the backlog, which grows for as long as the bench lasts. */
const AHEAD_EVENTS = Number(process.env.BENCH_AHEAD ?? 10_000);
const CHUNK_EVENTS = 500;
const LOOK_MS = 10;
/** Windows before the first anomaly: detectors learn. */
const LEARNED = 30;
const MINUTE_MS = 60_000;
/** Of the watermark. */
const OUT_OF_ORDERNESS_MS = 30_000;
const PORT = 43_222;

/**
 * From the moment at which the event that closes a window is published to that at which a NATS subscriber has the
 * anomaly of the window, while events are taken in. Event time runs ahead of the
 * clock by as much as a minute of it has events.
 */
export async function anomalyLatencyBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  return await withScratch(async (folder) => {
    const app = await startApp({ DATA_DIR: folder, NATS_PORT: String(PORT) });
    const url = `nats://127.0.0.1:${PORT}`;
    const files = credentialsOf(folder);
    const as = (file: string) => connectNats({ url, ...nkey(file), name: 'millrace-bench' });
    const [link, reader] = [await as(files.service), await as(files.reader)];
    try {
      return await measure(app, link, reader);
    } finally {
      await reader.close();
      await link.close();
      await app.stop();
    }
  });
}

const nkey = (file: string) => ({ credentials: { kind: 'nkey' as const, file } });

type Link = Awaited<ReturnType<typeof connectNats>>;

async function measure(app: Awaited<ReturnType<typeof startApp>>, link: Link, reader: Link): Promise<object> {
  const begin_ms = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - (WINDOWS + 5) * MINUTE_MS;
  await call(app, '/anomalies/register', {
    ...{ metric: 'revenue', group_by: ['campaign'], window: '1m', method: 'zscore', sensitivity: 0.99 },
    since: new Date(begin_ms + LEARNED * MINUTE_MS).toISOString(),
  });
  const arrived = new Map<number, number>();
  const explained = new Map<number, number>();
  reader.connection.subscribe('anomalies.>', {
    callback: (_, message) => {
      const { type, start } = message.json<{ type: string; start: string }>();
      const into =
        type === 'anomaly.detected' ? arrived : type === 'anomaly.explained' ? explained : undefined;
      into?.set(Date.parse(start), performance.now());
    },
  });
  await reader.connection.flush();
  const publisher = new EventPublisher(link);
  const closed = new Map<number, number>();
  const started_ms = performance.now();
  for (let minute = 0; minute < WINDOWS; minute++) {
    const start_ms = begin_ms + minute * MINUTE_MS;
    const spike = minute < LEARNED ? -1 : minute % GROUPS;
    // The event at which the watermark passes the end of the window before.
    const closing = Math.ceil((OUT_OF_ORDERNESS_MS / MINUTE_MS) * EVENTS_A_MINUTE);
    const messages = Array.from({ length: EVENTS_A_MINUTE }, (_, at) => {
      const group = at % GROUPS;
      const channel = ['web', 'app', 'shop'][Math.floor(at / GROUPS) % 3];
      const amount =
        group === spike && channel === 'web' ? 200_000 : 1_000 + (((minute * 31 + at * 7) % 41) - 20) * 5;
      const time = new Date(start_ms + Math.floor((at / EVENTS_A_MINUTE) * MINUTE_MS)).toISOString();
      const id = `${minute}-${at}`;
      const event = { event_id: id, type: 'order.created', time, order_id: id, currency: 'EUR', amount };
      return {
        subject: 'events.default.x',
        payload: Buffer.from(JSON.stringify({ ...event, channel, campaign: `c${group}` })),
      };
    });
    const sent = minute * EVENTS_A_MINUTE;
    if (RATE > 0) await sleep(Math.max(0, started_ms + (sent * 1_000) / RATE - performance.now()));
    for (let from = 0; from < messages.length; from += CHUNK_EVENTS) {
      if (RATE === 0) await keepsUp(app, sent + from);
      const chunk = messages.slice(from, from + CHUNK_EVENTS);
      await publisher.publishAll(chunk);
      if (from < closing && closing <= from + chunk.length)
        closed.set(start_ms - MINUTE_MS, performance.now());
    }
  }
  const events_per_s = Math.round((WINDOWS * EVENTS_A_MINUTE * 1_000) / (performance.now() - started_ms));
  await sleep(2_000);
  const since = (heard: ReadonlyMap<number, number>): readonly number[] =>
    [...closed].flatMap(([start_ms, at_ms]) => {
      const heard_ms = heard.get(start_ms);
      return heard_ms === undefined ? [] : [heard_ms - at_ms];
    });
  const [latencies_ms, causes_ms] = [since(arrived), since(explained)];
  const ms = (of: readonly number[], q: number): number => Math.round(quantileOf(of, q));
  const expected = WINDOWS - LEARNED - 1;
  return {
    events_per_s,
    groups: GROUPS,
    expected,
    heard: latencies_ms.length,
    ...{ p50_ms: ms(latencies_ms, 0.5), p99_ms: ms(latencies_ms, 0.99) },
    ...{ explained: causes_ms.length, cause_p50_ms: ms(causes_ms, 0.5), cause_p99_ms: ms(causes_ms, 0.99) },
  };
}

/** Waits until no more events wait than may. */
async function keepsUp(app: Parameters<typeof call>[0], sent: number): Promise<void> {
  const isNear = async (): Promise<boolean> => {
    const { ingest } = await call<{ ingest: { position: number }[] }>(app, '/diagnostics');
    const position = ingest[0]?.position ?? 0;
    return sent - position <= AHEAD_EVENTS;
  };
  if (sent > AHEAD_EVENTS) await until(isNear, LOOK_MS, 60_000);
}
