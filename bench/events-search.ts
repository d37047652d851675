import {
  type FinderParts,
  type FindRequest,
  findEvents,
  inlineSelector,
  openEvents,
  parseCondition,
  rowSchema,
  wordsOf,
} from '../analytics/index.ts';
import { connectNats, StreamPayloads, startEmbeddedNats } from '../connectors/index.ts';
import { Dictionary, LogWriter, openLmdbStore, RowBatch } from '../engine/index.ts';
import { appendEvent, BENCH_TERMS } from './event-rows.ts';
import { fill, machine, withScratch } from './rig.ts';
import { type TrafficOptions, traffic } from './traffic.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 200_000);
const COMMIT_ROWS = 50_000;
const TENANT = 'default';

interface Question {
  readonly query?: unknown;
  readonly text?: string;
  readonly order?: 'asc' | 'desc';
}

const QUESTIONS: Readonly<Record<string, Question>> = {
  newest_page: {},
  by_customer: { query: { field: 'customer_id', eq: 'c-77' } },
  by_id: { query: { field: 'event_id', eq: 'ev-1-0000000100' } },
  common_text: { text: 'sku-1 klarna' },
  rare_amount: { query: { field: 'amount', eq: 1_234_567 } },
  rare_text: { text: 'nowhere to be found' },
};

/** Searches of a stream of many events in a real server: by columns, by payloads, by full text. */
export async function eventsSearchBench(): Promise<object> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    try {
      // Over a month.
      const step_ms = Math.floor((30 * 86_400_000) / EVENTS);
      const options = { seed: 1, start_ms: Date.UTC(2025, 7, 1), step_ms, disorder_ms: 5_000 };
      process.stdout.write(`${machine()}\npublishing ${EVENTS} events over a month\n`);
      const { average_bytes } = await fill(nats.server, EVENTS, options);
      const link = await connectNats({ ...nats.server, name: 'millrace-bench' });
      try {
        const selector = inlineSelector(logOf(`${folder}/log`, options));
        const payloads = new StreamPayloads({
          link,
          stream: 'EVENTS',
          subjectOf: (name) => `events.${name}.>`,
        });
        const decoder = new TextDecoder();
        const parts: FinderParts = {
          selector,
          payloads,
          terms: BENCH_TERMS,
          reader:
            ({ data }) =>
            () =>
              decoder.decode(data),
        };
        const figures: Record<string, object> = {};
        for (const [name, question] of Object.entries(QUESTIONS)) figures[name] = await ask(parts, question);
        return { events: EVENTS, average_bytes: Math.round(average_bytes), ...figures };
      } finally {
        await link.close();
      }
    } finally {
      await nats.stop();
    }
  });
}

/** The log of the stream's events, on disk. */
function logOf(path: string, options: TrafficOptions): () => ReturnType<typeof openEvents> {
  const schema = rowSchema();
  const store = openLmdbStore(path, { durable: false });
  const tables = { segments: store.table('segments'), chunks: store.table('chunks') };
  const writer = new LogWriter(tables, schema);
  const batch = new RowBatch(schema, new Dictionary());
  const next = traffic(options);
  for (let sequence = 1; sequence <= EVENTS; sequence++) {
    appendEvent(batch, TENANT, next(), sequence);
    if (batch.length < COMMIT_ROWS && sequence < EVENTS) continue;
    writer.append(batch);
    store.transaction(() => writer.commit(tables));
    batch.clear();
  }
  return () => openEvents(tables, schema, batch.dictionary);
}

/** One page: the time of the second of two, for the first one warms what is compiled. */
async function ask(parts: FinderParts, { query, text, order = 'desc' }: Question): Promise<object> {
  const request: FindRequest = {
    tenant: TENANT,
    start_ms: 0,
    end_ms: Number.MAX_SAFE_INTEGER,
    upTo: EVENTS,
    order,
    limit: 100,
    condition: query === undefined ? { kind: 'and', of: [] } : parseCondition(query, BENCH_TERMS),
    words: text === undefined ? [] : wordsOf(text),
    payloads_max: 2 * EVENTS,
    isOver: () => false,
  };
  const { signal } = new AbortController();
  await findEvents(parts, request, signal);
  const began_ms = performance.now();
  const { events, scanned, complete } = await findEvents(parts, request, signal);
  const ms = performance.now() - began_ms;
  return {
    ms: Math.round(ms * 10) / 10,
    found: events.length,
    complete,
    rows: scanned.rows,
    payloads_read: scanned.payloads_read,
    payloads_per_s: Math.round((scanned.payloads_read / ms) * 1_000),
  };
}
