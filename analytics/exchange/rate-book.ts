import { ByteReader, ByteWriter, type KvTable, prefixEnd } from '../../engine/index.ts';
import type { AnnouncedRate } from '../events/index.ts';
import { addRate, rateAt, setRate } from '../query/index.ts';

/** Changes that wait for a commit. */
const STAGED_MAX = 10_000;

/** What an `fx.rate` event announces; an empty `rate` where it announces none. */
export type HeldRate = Pick<AnnouncedRate, 'base' | 'quote' | 'rate'>;
export const NOTHING_ANNOUNCED: HeldRate = { base: '', quote: '', rate: '' };

/** An event that announces a rate: it counts from the sequence on, or no more. */
export interface RateEvent {
  readonly tenant: string;
  /** The words of the event's id. */
  readonly id: Uint8Array;
  readonly time_ms: number;
  readonly sequence: number;
  readonly held: HeldRate;
}

/**
 * Rates by pair and time, and which events they are of, so that one can be taken back: then the greatest stands that
 * another event of the same pair and time announces, or none.
 *
 * `rates`: tenant, base, quote (ordered strings), time (u48 ms) to the history of the rate. `sources`: the same with the
 * words of an event's id, to its rate. `events`: the words to what the event announces that counts.
 */
export class RateBook {
  readonly #tables: Readonly<Record<'rates' | 'events' | 'sources', KvTable>>;
  readonly #requestBarrier: () => void;
  #staged: (RateEvent & { readonly counts: boolean })[] = [];
  /** Of events whose changes wait, by their words; undefined: none counts. */
  readonly #held = new Map<string, HeldRate | undefined>();

  constructor(tables: Readonly<Record<'rates' | 'events' | 'sources', KvTable>>, requestBarrier: () => void) {
    this.#tables = tables;
    this.#requestBarrier = requestBarrier;
  }

  count(event: RateEvent): void {
    this.#stage(event, true);
  }

  takeBack(event: RateEvent): void {
    this.#stage(event, false);
  }

  #stage(event: RateEvent, counts: boolean): void {
    this.#staged.push({ ...event, counts });
    this.#held.set(textOf(event.id), counts ? event.held : undefined);
    if (this.#staged.length > STAGED_MAX) this.#requestBarrier();
  }

  /** What the event of an id announces that counts; undefined where none is known. */
  find(id: Uint8Array): HeldRate | undefined {
    const key = textOf(id);
    if (this.#held.has(key)) return this.#held.get(key);
    const stored = this.#tables.events.get(id);
    if (stored === undefined) return undefined;
    const reader = new ByteReader(stored);
    return { base: reader.string(), quote: reader.string(), rate: reader.string() };
  }

  /** Inside the commit. */
  commit(): void {
    for (const change of this.#staged) this.#apply(change);
    this.#staged = [];
    this.#held.clear();
  }

  #apply({ tenant, id, time_ms, sequence, held, counts }: RateEvent & { readonly counts: boolean }): void {
    const { rates, events, sources } = this.#tables;
    if (counts) {
      events.put(id, new ByteWriter().string(held.base).string(held.quote).string(held.rate).copy());
    } else events.remove(id);
    if (held.rate === '') return;
    const key = rateKey(tenant, held, time_ms);
    const source = new ByteWriter().bytes(key).bytes(id).copy();
    if (counts) {
      sources.put(source, new ByteWriter().string(held.rate).copy());
      const value = addRate(rates.get(key), sequence, held.rate);
      if (value !== undefined) rates.put(key, value);
      return;
    }
    sources.remove(source);
    const former = rates.get(key);
    const known = former === undefined ? undefined : rateAt(former, Number.POSITIVE_INFINITY);
    if (former === undefined || known !== held.rate) return;
    const next = this.#greatest(key);
    if (next !== known) rates.put(key, setRate(former, sequence, next));
  }

  #greatest(key: Uint8Array): string | undefined {
    const end = prefixEnd(key);
    let best: Uint8Array | undefined;
    for (const { value } of this.#tables.sources.scan({ start: key, ...(end === undefined ? {} : { end }) }))
      best = addRate(best, 0, new ByteReader(value).string()) ?? best;
    return best === undefined ? undefined : rateAt(best, Number.POSITIVE_INFINITY);
  }
}

const textOf = (id: Uint8Array): string => Buffer.from(id).toString('latin1');

function rateKey(tenant: string, { base, quote }: HeldRate, time_ms: number): Uint8Array {
  return new ByteWriter().orderedString(tenant).orderedString(base).orderedString(quote).u48(time_ms).copy();
}
