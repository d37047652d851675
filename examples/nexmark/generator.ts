import { SeededRandom } from '../../index.ts';
import type { Auction, Bid, NexmarkEvent, Person } from './model.ts';

/**
 * Events of Nexmark (Tucker, Tufte, Papadimos, Maier: "NEXMark, a Benchmark for Queries over Data Streams"),
 * with the proportions and distributions of Apache Beam's generator, which Flink's benchmark uses too. Event
 * number n is a function of the seed and n alone.
 */
export interface GeneratorOptions {
  readonly seed: number;
  /** Event time of event 0, ms. */
  readonly start_ms: number;
  /** Events in a second of event time. */
  readonly events_per_s: number;
}

export const DEFAULT_GENERATOR: GeneratorOptions = {
  seed: 1,
  start_ms: Date.UTC(2015, 6, 15),
  events_per_s: 10_000,
};

/** Of each 50 events the first is a person, three are auctions, and the rest are bids. */
const PERSONS = 1;
const AUCTIONS = 3;
const BIDS = 46;
const ROUND = PERSONS + AUCTIONS + BIDS;

export const FIRST_PERSON_ID = 1_000;
export const FIRST_AUCTION_ID = 1_000;
export const FIRST_CATEGORY_ID = 10;
const CATEGORIES = 5;

/** One of so many auctions has a seller other than the hot one; and so on. */
const HOT_SELLERS = 4;
const HOT_AUCTIONS = 2;
const HOT_BIDDERS = 4;
const HOT_CHANNELS = 2;
/** One of so many ids is hot, at any time the newest such. */
const HOT_ID_STEP = 100;
/** Ids that are not there yet but may be named already: events seem swapped in time. */
const ID_LEAD = 10;
const ACTIVE_PERSONS = 1_000;
const OPEN_AUCTIONS = 100;

const PERSON_BYTES = 200;
const AUCTION_BYTES = 500;
const BID_BYTES = 100;

const STATES = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'];
const CITIES = 'Phoenix,Los Angeles,San Francisco,Boise,Portland,Bend,Redmond,Seattle,Kent,Cheyenne'.split(
  ',',
);
const FIRST_NAMES = 'Peter,Paul,Luke,John,Saul,Vicky,Kate,Julie,Sarah,Deiter,Walter'.split(',');
const LAST_NAMES = 'Shultz,Abrams,Spencer,White,Bartels,Walton,Smith,Jones,Noris'.split(',');
const CHANNELS = ['Google', 'Facebook', 'Baidu', 'Apple'];
const OTHER_CHANNELS = 10_000;
const PADDING_CHARS = 2 ** 20;
const LETTER_A = 97;
const TWO_32 = 2 ** 32;
/** An odd constant that spreads neighbouring numbers (2^32 over the golden ratio). */
const SPREAD = 0x9e3779b1;

interface Place {
  readonly channel: string;
  readonly url: string;
}

/** Index (from 0) of the newest person when event `n` happens. */
function newestPerson(n: number): number {
  const inRound = Math.min(n % ROUND, PERSONS - 1);
  return Math.floor(n / ROUND) * PERSONS + inRound;
}

/** Index (from 0) of the newest auction when event `n` happens; -1 before the first. */
function newestAuction(n: number): number {
  const inRound = Math.min((n % ROUND) - PERSONS, AUCTIONS - 1);
  return Math.floor(n / ROUND) * AUCTIONS + Math.max(inRound, -1);
}

export class NexmarkGenerator {
  readonly #options: GeneratorOptions;
  readonly #padding: string;
  readonly #hot: readonly Place[];
  readonly #others: readonly Place[];

  constructor(options: Partial<GeneratorOptions> = {}) {
    this.#options = { ...DEFAULT_GENERATOR, ...options };
    const random = new SeededRandom(this.#options.seed);
    this.#padding = letters(random, PADDING_CHARS);
    this.#hot = CHANNELS.map((channel) => ({ channel, url: baseUrl(random) }));
    this.#others = Array.from({ length: OTHER_CHANNELS }, (_, index) => {
      const id = random.chance(0.9) ? `&channel_id=${Math.imul(index, SPREAD) >>> 1}` : '';
      return { channel: `channel-${index}`, url: baseUrl(random) + id };
    });
  }

  /** Event time of event number `n`, ms. */
  timeOf(n: number): number {
    const { start_ms, events_per_s } = this.#options;
    return start_ms + Math.floor((n * 1_000) / events_per_s);
  }

  event(n: number): NexmarkEvent {
    const random = new SeededRandom(Math.imul(this.#options.seed, SPREAD) ^ Math.imul(n + 1, SPREAD));
    const inRound = n % ROUND;
    if (inRound < PERSONS) return this.#person(n, random);
    return inRound < PERSONS + AUCTIONS ? this.#auction(n, random) : this.#bid(n, random);
  }

  *events(count: number, from = 0): Iterable<NexmarkEvent> {
    for (let n = from; n < from + count; n++) yield this.event(n);
  }

  #person(n: number, random: SeededRandom): Person {
    const name = `${random.pick(FIRST_NAMES)} ${random.pick(LAST_NAMES)}`;
    const emailAddress = `${words(random, 7, ' ')}@${words(random, 5, ' ')}.com`;
    const creditCard = Array.from({ length: 4 }, () => String(random.int(0, 9_999)).padStart(4, '0')).join(
      ' ',
    );
    const city = random.pick(CITIES);
    const state = random.pick(STATES);
    const size_bytes = 8 + name.length + emailAddress.length + creditCard.length + city.length + state.length;
    return {
      kind: 'person',
      id: FIRST_PERSON_ID + newestPerson(n),
      name,
      emailAddress,
      creditCard,
      city,
      state,
      dateTime: this.timeOf(n),
      extra: this.#extra(random, size_bytes, PERSON_BYTES),
    };
  }

  #auction(n: number, random: SeededRandom): Auction {
    const newest = newestPerson(n);
    const hotSeller = newest - (newest % HOT_ID_STEP);
    const seller = random.int(1, HOT_SELLERS) > 1 ? hotSeller : anyPerson(n, random);
    const dateTime = this.timeOf(n);
    const horizon_ms = this.timeOf(n + Math.floor((OPEN_AUCTIONS * ROUND) / AUCTIONS)) - dateTime;
    const itemName = words(random, 20, ' ');
    const description = words(random, 100, ' ');
    const initialBid = price(random);
    return {
      kind: 'auction',
      id: FIRST_AUCTION_ID + newestAuction(n),
      itemName,
      description,
      initialBid,
      reserve: initialBid + price(random),
      dateTime,
      expires: dateTime + random.int(1, Math.max(2 * horizon_ms, 1)),
      seller: FIRST_PERSON_ID + seller,
      category: FIRST_CATEGORY_ID + random.int(0, CATEGORIES - 1),
      extra: this.#extra(random, 48 + itemName.length + description.length, AUCTION_BYTES),
    };
  }

  #bid(n: number, random: SeededRandom): Bid {
    const newest = newestAuction(n);
    const hotAuction = newest - (newest % HOT_ID_STEP);
    const auction = random.int(1, HOT_AUCTIONS) > 1 ? hotAuction : anyAuction(n, random);
    const newestBidder = newestPerson(n);
    // Not the same persons as the hot sellers.
    const hotBidder = newestBidder - (newestBidder % HOT_ID_STEP) + 1;
    const bidder = random.int(1, HOT_BIDDERS) > 1 ? hotBidder : anyPerson(n, random);
    const place = random.int(1, HOT_CHANNELS) > 1 ? random.pick(this.#hot) : random.pick(this.#others);
    return {
      kind: 'bid',
      auction: FIRST_AUCTION_ID + auction,
      bidder: FIRST_PERSON_ID + bidder,
      price: price(random),
      channel: place.channel,
      url: place.url,
      dateTime: this.timeOf(n),
      extra: this.#extra(random, 32, BID_BYTES),
    };
  }

  /** Letters that bring an event to its average size, more or less a fifth. */
  #extra(random: SeededRandom, size_bytes: number, average_bytes: number): string {
    const missing = average_bytes - size_bytes;
    if (missing <= 0) return '';
    const spread = Math.round(missing * 0.2);
    const length = missing - spread + random.int(0, 2 * spread);
    const from = random.int(0, PADDING_CHARS - length);
    return this.#padding.slice(from, from + length);
  }
}

function anyPerson(n: number, random: SeededRandom): number {
  const persons = newestPerson(n) + 1;
  const active = Math.min(persons, ACTIVE_PERSONS);
  return persons - active + random.int(0, active + ID_LEAD - 1);
}

function anyAuction(n: number, random: SeededRandom): number {
  const newest = newestAuction(n);
  const oldest = Math.max(newest - OPEN_AUCTIONS, 0);
  return random.int(oldest, newest + ID_LEAD);
}

/** Cents, from 100 to 100 million, evenly spread over the logarithm. */
function price(random: SeededRandom): number {
  return Math.round(10 ** ((random.int(0, TWO_32 - 1) / TWO_32) * 6) * 100);
}

/** 3 to `max_chars - 1` letters, one of 13 a separator. */
function words(random: SeededRandom, max_chars: number, separator: string): string {
  let text = '';
  for (let left = random.int(3, max_chars - 1); left > 0; left--) {
    text += random.chance(1 / 13) ? separator : String.fromCharCode(LETTER_A + random.int(0, 25));
  }
  return text.trim();
}

function letters(random: SeededRandom, chars: number): string {
  const bytes = Buffer.alloc(chars);
  for (let at = 0; at < chars; at++) bytes[at] = LETTER_A + random.int(0, 25);
  return bytes.toString('latin1');
}

function baseUrl(random: SeededRandom): string {
  const directory = (): string => words(random, 5, '_');
  return `https://www.nexmark.com/${directory()}/${directory()}/${directory()}/item.htm?query=1`;
}

/** The events in another order, by the seed: none comes after one that is more than `max_ms` newer. */
export function disordered(events: readonly NexmarkEvent[], seed: number, max_ms: number): NexmarkEvent[] {
  const random = new SeededRandom(seed);
  return events
    .map((event) => ({ event, arrival_ms: event.dateTime + random.int(0, max_ms) }))
    .sort((a, b) => a.arrival_ms - b.arrival_ms)
    .map(({ event }) => event);
}
