import { describe, expect, it } from 'vitest';
import type { SourceRecord } from '../engine/index.ts';
import { disordered, NexmarkGenerator } from '../examples/nexmark/generator.ts';
import { MemorySource, packMessages } from '../examples/nexmark/memory-source.ts';
import { EVERYTHING, encodeEvent, nexmarkDecoder, type Projection } from '../examples/nexmark/messages.ts';
import type { Auction, Bid, NexmarkEvent, Person } from '../examples/nexmark/model.ts';

const EVENTS = 5_000;
const generator = new NexmarkGenerator({ seed: 3, events_per_s: 100 });
const events = [...generator.events(EVENTS)];
const ofKind = <K extends NexmarkEvent['kind']>(kind: K) =>
  events.filter((event): event is Extract<NexmarkEvent, { kind: K }> => event.kind === kind);
const persons: readonly Person[] = ofKind('person');
const auctions: readonly Auction[] = ofKind('auction');
const bids: readonly Bid[] = ofKind('bid');
const [anyBid] = bids as readonly [Bid];

/** What the decoder makes of some texts: events, or the code of a rejection. */
function decodeAll(texts: readonly string[], projection: Projection = EVERYTHING): unknown[] {
  const run = nexmarkDecoder(projection)();
  const out: unknown[] = [];
  for (const [index, text] of texts.entries()) {
    const record: SourceRecord = {
      sequence: index + 1,
      subject: 's',
      data: Uint8Array.from(Buffer.from(text)),
      hasHeaders: false,
      header: () => undefined,
    };
    run(record, 0, {
      accept: (event) => void out.push(event),
      reject: (_, { code }) => void out.push(code),
    });
  }
  return out;
}

describe('generator', () => {
  it('gives persons, auctions and bids as 1 : 3 : 46, with ids that rise by one', () => {
    expect([persons.length, auctions.length, bids.length]).toEqual([100, 300, 4_600]);
    expect(persons.map(({ id }) => id)).toEqual(persons.map((_, index) => 1_000 + index));
    expect(auctions.map(({ id }) => id)).toEqual(auctions.map((_, index) => 1_000 + index));
  });

  it('is a function of the seed and the event number', () => {
    const again = new NexmarkGenerator({ seed: 3, events_per_s: 100 });
    for (const n of [0, 1, 4, 49, 50, 4_999]) expect(again.event(n)).toEqual(events[n]);
    const other = new NexmarkGenerator({ seed: 4, events_per_s: 100 });
    expect(other.event(4)).not.toEqual(events[4]);
  });

  it('has hot auctions, bidders and sellers', () => {
    const share = (hits: readonly boolean[]): number => hits.filter(Boolean).length / hits.length;
    expect(share(bids.map(({ auction }) => auction % 100 === 0))).toBeCloseTo(0.5, 1);
    expect(share(bids.map(({ bidder }) => bidder % 100 === 1))).toBeCloseTo(0.75, 1);
    expect(share(auctions.map(({ seller }) => seller % 100 === 0))).toBeCloseTo(0.75, 1);
    expect(share(bids.map(({ channel }) => !channel.startsWith('channel-')))).toBeCloseTo(0.5, 1);
  });

  it('spreads prices over six powers of ten', () => {
    const logs = bids.map(({ price }) => Math.log10(price));
    expect(Math.min(...logs)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...logs)).toBeLessThanOrEqual(8);
    expect(logs.reduce((sum, log) => sum + log, 0) / logs.length).toBeCloseTo(5, 0);
  });

  it('names only ids near the newest', () => {
    let newest = 999;
    for (const event of events) {
      if (event.kind === 'auction') newest = event.id;
      if (event.kind !== 'bid') continue;
      expect(event.auction).toBeLessThanOrEqual(Math.max(newest, 999) + 10);
      expect(event.auction).toBeGreaterThanOrEqual(newest - 100);
    }
  });

  it('is out of order within the bound only', () => {
    const shuffled = disordered(events, 5, 2_000);
    expect(shuffled).not.toEqual(events);
    expect(new Set(shuffled)).toEqual(new Set(events));
    let newest_ms = 0;
    for (const { dateTime } of shuffled) {
      expect(newest_ms - dateTime).toBeLessThanOrEqual(2_000);
      newest_ms = Math.max(newest_ms, dateTime);
    }
    expect(disordered(events, 5, 2_000)).toEqual(shuffled);
  });
});

describe('messages', () => {
  it('are JSON', () => {
    const { kind: _, ...bid } = anyBid;
    expect(JSON.parse(encodeEvent(anyBid))).toEqual({ event_type: 2, bid });
  });

  it('decode to the events that they were made of', () => {
    expect(decodeAll(events.map(encodeEvent))).toEqual(events);
  });

  it('decode in any other layout of JSON', () => {
    const spaced = events
      .slice(0, 200)
      .map((event) => JSON.stringify(JSON.parse(encodeEvent(event)), null, 1));
    expect(decodeAll(spaced)).toEqual(events.slice(0, 200));
    const { kind: _, ...bid } = anyBid;
    const reversed = Object.fromEntries(Object.entries(bid).reverse());
    expect(decodeAll([JSON.stringify({ bid: reversed, event_type: 2, auction: null })])).toEqual([anyBid]);
  });

  it('decode with escapes and letters beyond ASCII', () => {
    const odd: Bid = { ...anyBid, channel: 'q"u\\o\n', url: 'é/ü', extra: '\u{1f600}' };
    expect(decodeAll([encodeEvent(odd)])).toEqual([odd]);
    expect(decodeAll([encodeEvent(odd)], { kinds: ['bid'], bidText: 'none' })).toEqual([odd]);
  });

  it('decode only what is asked for', () => {
    const texts = events.map(encodeEvent);
    expect(decodeAll(texts, { ...EVERYTHING, kinds: ['person'] })).toEqual(persons);
    const numbers = bids.map((bid) => ({ ...bid, channel: '', url: '', extra: '' }));
    expect(decodeAll(texts, { kinds: ['bid'], bidText: 'none' })).toEqual(numbers);
    const channels = bids.map((bid) => ({ ...bid, url: '', extra: '' }));
    expect(decodeAll(texts, { kinds: ['bid'], bidText: 'channel' })).toEqual(channels);
  });

  it('that are no events are rejected', () => {
    const text = encodeEvent(anyBid);
    const broken = [
      '',
      '{',
      'null',
      '[]',
      '{"event_type":3,"bid":{}}',
      '{"event_type":2,"bid":null}',
      text.slice(0, -1),
      `${text}}`,
      text.replace('"price":', '"price":"'),
      text.replace(/"price":\d+/, '"price":-'),
      text.replace(/"price":\d+/, '"price":1.5'),
      text.replace(/"price":\d+/, '"price":12345678901234567890'),
      text.replace('"channel"', '"chanel"'),
    ];
    expect(decodeAll(broken)).toEqual(broken.map(() => 'not_a_nexmark_event'));
  });
});

describe('memory source', () => {
  it('gives its messages once, from where it is started', async () => {
    const source = new MemorySource(packMessages(events, 10_000));
    const texts: string[] = [];
    await source.start(10);
    for (let taken = 1; taken > 0; ) {
      const records = await source.take({ max: 700, wait_ms: 0 });
      taken = records.length;
      for (const { data, sequence } of records) {
        expect(sequence).toBe(texts.length + 11);
        texts.push(Buffer.from(data).toString());
      }
    }
    expect(texts).toEqual(events.slice(10).map(encodeEvent));
    expect(source.state().caughtUp).toBe(true);
  });
});
