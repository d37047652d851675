import { setImmediate as turn } from 'node:timers/promises';
import {
  type Condition,
  type FinderParts,
  type FoundEvent,
  fieldIn,
  findEvents,
  type Members,
  messageParts,
  own,
  type StoredMessage,
  tenantOfSubject,
} from '../../../analytics/index.ts';
import type { Erased } from '../../../runtime/index.ts';
import { type Counting, isBare } from './remains.ts';

/** Events of a page. */
const PAGE = 500;
/** Characters of an id that is looked for as a word. */
const WORD_MIN_CHARS = 4;
/** Messages that are looked at before others have their turn. */
const TURN_MESSAGES = 500;

export interface Person {
  readonly tenant: string;
  readonly customer_id: string;
  /** What they are called where they were erased already. */
  readonly pseudonym: string;
  /** The last sequence that is looked at. */
  readonly upTo: number;
}

const isOfWord = (byte: number | undefined): boolean =>
  byte !== undefined && /[\w.-]/.test(String.fromCharCode(byte));

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * What belongs to a person: events that name them, and events of their orders and sessions that name nobody and say more
 * than what numbers are made of.
 */
export class PersonsOwn implements Erased {
  readonly tenant: string;
  readonly #customer_id: string;
  readonly #quoted: string;
  readonly #orders: ReadonlySet<string>;
  readonly #sessions: ReadonlySet<string>;
  readonly #counting: Counting;

  constructor(
    { tenant, customer_id }: Person,
    entities: { readonly orders: ReadonlySet<string>; readonly sessions: ReadonlySet<string> },
    counting: Counting,
  ) {
    this.tenant = tenant;
    this.#customer_id = customer_id;
    this.#quoted = JSON.stringify(customer_id);
    this.#orders = entities.orders;
    this.#sessions = entities.sessions;
    this.#counting = counting;
  }

  owns(event: Members): boolean {
    const named = own(event, 'customer_id');
    // What is no text is no valid id, but may be theirs all the same.
    if (named != null && named !== '') return String(named) === this.#customer_id;
    return this.isLinked(event) && !isBare(event, this.#counting);
  }

  /** Whether something is about an order or a session of theirs. */
  isLinked(of: Members): boolean {
    return this.#orders.has(textOf(own(of, 'order_id'))) || this.#sessions.has(textOf(own(of, 'session_id')));
  }

  /** By the id as a word; one of a few characters only where it stands in quotes, for it may mean anything. */
  mentions(bytes: Uint8Array): boolean {
    if (this.quotes(bytes)) return true;
    const id = this.#quoted.slice(1, -1);
    if (id.length < WORD_MIN_CHARS) return false;
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = all.indexOf(id); at >= 0; at = all.indexOf(id, at + 1))
      if (!isOfWord(all[at - 1]) && !isOfWord(all[at + Buffer.byteLength(id)])) return true;
    return false;
  }

  /** Whether the id stands in quotes. */
  quotes(bytes: Uint8Array): boolean {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(this.#quoted);
  }

  /** Whether something of a message is theirs. */
  isIn(message: Pick<StoredMessage, 'data' | 'header' | 'headers'>): boolean {
    return messageParts(message).parts.some(({ bytes, members }) =>
      members === undefined ? this.mentions(bytes) : this.owns(members),
    );
  }
}

/**
 * What is a person's, by the events that the log knows: those that name the customer, and those that name what they are
 * called since they were erased. So an erasure that was interrupted finds the orders whose first events it has replaced.
 */
export async function ownOf(
  finder: FinderParts,
  person: Person,
  counting: Counting,
  signal: AbortSignal,
): Promise<PersonsOwn> {
  const [orders, sessions] = [new Set<string>(), new Set<string>()];
  const named = fieldIn('customer_id', ['customer_id'], [person.customer_id, person.pseudonym]);
  for await (const event of eventsOf(finder, person, named, signal)) {
    const { order_id, session_id } = event.ids;
    if (textOf(order_id) !== '') orders.add(textOf(order_id));
    if (textOf(session_id) !== '') sessions.add(textOf(session_id));
  }
  return new PersonsOwn(person, { orders, sessions }, counting);
}

/**
 * The messages with something of a person. The whole stream is read, and what the archive has of it: repeats,
 * conflicting ones and rubbish are in no log.
 */
export async function messagesOf(
  { payloads }: FinderParts,
  whose: PersonsOwn,
  upTo: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const found: number[] = [];
  let looks = 0;
  const first = await payloads.firstSequence({ fresh: true });
  if (first > upTo) return found;
  for await (const message of payloads.read(first, upTo, undefined, signal)) {
    if (tenantOfSubject(message.subject) === whose.tenant && whose.isIn(message))
      found.push(message.sequence);
    if (++looks % TURN_MESSAGES === 0) await turn();
  }
  return found;
}

/** Events whose payloads are there. */
async function* eventsOf(
  finder: FinderParts,
  { tenant, upTo }: Person,
  condition: Condition,
  signal: AbortSignal,
): AsyncIterable<FoundEvent> {
  const request = {
    ...{ tenant, upTo, condition, order: 'asc' as const, limit: PAGE, words: [], withDisplaced: true },
    ...{ start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER, payloads_max: Number.MAX_SAFE_INTEGER },
    isOver: () => false,
  };
  for (let after: Awaited<ReturnType<typeof findEvents>>['next']; ; ) {
    const page = await findEvents(finder, { ...request, after }, signal);
    for (const event of page.events) if (event.text !== null) yield event;
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** By message and part, whether the event counts: of those of some messages that have a row. */
export async function inForce(
  finder: FinderParts,
  { tenant, upTo }: Person,
  sequences: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, boolean>> {
  const range = { start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER, upTo };
  const rows = await finder.selector.select(
    tenant,
    {
      ...{ ...range, order: 'asc', tests: [], withColumns: false, rows_max: Number.POSITIVE_INFINITY },
      ...{ sequences: Float64Array.from(sequences).sort(), limit: 10_000 * sequences.length },
    },
    signal,
  );
  const displaced = new Set(
    (await finder.selector.displaced(tenant, range, signal)).map(
      ({ sequence, part }) => `${sequence}/${part}`,
    ),
  );
  const places = Array.from({ length: rows.length }, (_, at) => `${rows.sequence[at]}/${rows.part[at]}`);
  return new Map(places.map((place) => [place, !displaced.has(place)]));
}
