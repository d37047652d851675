import { jetstream } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Condition,
  type FinderParts,
  findEvents,
  inlineSelector,
  openEvents,
  type PartReader,
  parseCondition,
  rowSchema,
  wordsOf,
} from '../analytics/index.ts';
import { appendEvent, BENCH_TERMS } from '../bench/event-rows.ts';
import {
  connectNats,
  ensureStreams,
  type NatsLink,
  openManager,
  StreamPayloads,
} from '../connectors/index.ts';
import { Dictionary, LogWriter, MemoryDisk, RowBatch } from '../engine/index.ts';
import { startTestNats, type TestNats } from './nats.ts';

const TENANT = 'shop';
const MESSAGES = 4_000;
const PURGED = 1_000;
const { signal } = new AbortController();

interface Sent {
  readonly event_id: string;
  readonly country: string;
  readonly note: string;
  readonly sequence: number;
}

let nats: TestNats;
let link: NatsLink;
let parts: FinderParts;
const sent: Sent[] = [];

/** Every tenth message holds two events. */
const readParts: PartReader = ({ data }) => {
  const value = JSON.parse(Buffer.from(data).toString()) as unknown;
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return (part) => (part < all.length ? JSON.stringify(all[part]) : undefined);
};

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  await ensureStreams(link);
  const schema = rowSchema();
  const store = new MemoryDisk().open();
  const tables = { segments: store.table('segments'), chunks: store.table('chunks') };
  const writer = new LogWriter(tables, schema);
  const batch = new RowBatch(schema, new Dictionary());
  for (let sequence = 1; sequence <= MESSAGES; sequence++) {
    const events = Array.from({ length: sequence % 10 === 0 ? 2 : 1 }, (_, part) => ({
      event_id: `e-${sequence}-${part}`,
      type: 'visit',
      // Their times are not in the order of the stream.
      time: new Date(Date.UTC(2025, 7, 1) + ((sequence * 1_777) % MESSAGES) * 60_000 + part).toISOString(),
      country: sequence % 500 === 3 ? 'IS' : 'GB',
      note: sequence % 250 === 7 ? 'a needle in hay' : 'hay',
    }));
    for (const [part, event] of events.entries()) {
      appendEvent(batch, TENANT, JSON.stringify(event), sequence);
      batch.part[batch.length - 1] = part;
      sent.push({ ...event, sequence });
    }
    const payload = JSON.stringify(events.length === 1 ? events[0] : events);
    if (sequence === MESSAGES) await jetstream(link.connection).publish(`events.${TENANT}.x`, payload);
    else link.connection.publish(`events.${TENANT}.x`, payload);
  }
  writer.append(batch);
  store.transaction(() => writer.commit(tables));
  parts = {
    selector: inlineSelector(() => openEvents(tables, schema, batch.dictionary)),
    payloads: new StreamPayloads({ link, stream: 'EVENTS', subjectOf: (name) => `events.${name}.>` }),
    reader: readParts,
    terms: BENCH_TERMS,
  };
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

const find = (condition: Condition, text = '') =>
  findEvents(
    parts,
    {
      tenant: TENANT,
      start_ms: 0,
      end_ms: Number.MAX_SAFE_INTEGER,
      upTo: MESSAGES,
      order: 'asc',
      limit: 1_000,
      condition,
      words: wordsOf(text),
      payloads_max: 1_000_000,
      isOver: () => false,
    },
    signal,
  );

const by = (query: unknown): Condition => parseCondition(query, BENCH_TERMS);
const idsIn = (found: Awaited<ReturnType<typeof find>>): string[] =>
  found.events.map(({ text }) => (JSON.parse(text ?? '{}') as Sent).event_id).sort();
const idsOf = (passes: (event: Sent) => boolean): string[] =>
  sent
    .filter(passes)
    .map(({ event_id }) => event_id)
    .sort();

describe('events in a real server', () => {
  it('are found by columns, by their payloads and by words', async () => {
    expect(idsIn(await find(by({ field: 'country', eq: 'IS' })))).toEqual(
      idsOf(({ country }) => country === 'IS'),
    );
    const noted = await find(by({ field: 'data.note', contains: 'NEEDLE' }));
    expect(idsIn(noted)).toEqual(idsOf(({ note }) => note.includes('needle')));
    const found = await find(by({ not: { field: 'country', eq: 'IS' } }), 'needle HAY');
    expect(idsIn(found)).toEqual(idsOf(({ note, country }) => note.includes('needle') && country !== 'IS'));
    expect(found.scanned.payloads_read).toBeGreaterThanOrEqual(MESSAGES);
  });

  it('say what is behind the retention', async () => {
    const manager = await openManager(link);
    await manager.streams.purge('EVENTS', { seq: PURGED + 1 });
    await manager.streams.deleteMessage('EVENTS', 1_003);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const listed = await find(by({ field: 'country', eq: 'IS' }));
    expect(listed.events.map(({ sequence, missing }) => [sequence, missing]).sort()).toEqual([
      [1_003, 'deleted'],
      [1_503, undefined],
      [2_003, undefined],
      [2_503, undefined],
      [3, 'retention'],
      [3_003, undefined],
      [3_503, undefined],
      [503, 'retention'],
    ]);
    const searched = await find(by({ field: 'note', prefix: 'a needle' }));
    expect(idsIn(searched)).toEqual(
      idsOf(({ note, sequence }) => note.includes('needle') && sequence > PURGED),
    );
    expect(searched.scanned.payloads_missing).toBe(
      sent.filter(({ sequence }) => sequence <= PURGED).length + 1,
    );
  });
});
