import { expect, it } from 'vitest';
import {
  DICTIONARY_TABLE,
  EVENT_TERMS,
  type FinderParts,
  headerOf,
  inlineSelector,
  messageParts,
  OPERATORS,
  openEvents,
  orderAnalytics,
  readParts,
  rowSchema,
  type StoredMessage,
} from '../../../analytics/index.ts';
import {
  Dictionary,
  ManualClock,
  MemoryDisk,
  SeededRandom,
  type Source,
  type SourceRecord,
  stateDigest,
  Task,
} from '../../../engine/index.ts';
import { sizes } from '../../../test/long.ts';
import { START_MS, TENANTS } from '../../../test/simulated-orders.ts';
import { inForce, messagesOf, ownOf } from './person-events.ts';
import { pseudonymOf, replacementsOf, withoutPerson } from './remains.ts';

const ALWAYS = new AbortController().signal;
const COUNTING = { custom: [], paths: [] };
const [TENANT = ''] = TENANTS;
const SUBJECT = `events.${TENANT}.x`;
const PERSON = 'person-1';

type Stream = (string | undefined)[];

const of = { time: new Date(START_MS).toISOString(), type: 'order.created' };
const order = (members: object): string =>
  JSON.stringify({
    event_id: 'e1',
    ...of,
    order_id: 'o1',
    customer_id: PERSON,
    amount: 100,
    currency: 'EUR',
    ...members,
  });
const takesBack = (event_id: string, version: number, target: string, more: object = {}): string =>
  JSON.stringify({ event_id, ...of, type: 'event.retracted', version, retracts: [target], ...more });

/** All that can be said of one event of a person. */
const SAYINGS: Readonly<Record<string, string>> = {
  O: order({}),
  X: order({ amount: 400 }),
  C: order({ amount: 200, supersedes: true, version: 2 }),
  D: order({ amount: 300, supersedes: true, version: 3 }),
  E: order({ amount: 300, supersedes: true, version: 4, customer_id: 'other' }),
  R: takesBack('r1', 5, 'e1'),
  P: takesBack('r2', 3, 'e1', { customer_id: PERSON }),
  B: takesBack('b1', 6, 'r1'),
};

class CutSource implements Source {
  readonly partition = '0';
  readonly #stream: Stream;
  readonly #ends: readonly number[];
  #position = 0;
  published = 0;
  constructor(stream: Stream, ends: readonly number[]) {
    this.#stream = stream;
    this.#ends = ends;
  }
  facts() {
    return Promise.resolve({
      stream: 'EVENTS',
      incarnation: 'one',
      firstSequence: 1,
      lastSequence: this.published,
    });
  }
  start(after: number) {
    this.#position = after;
    return Promise.resolve();
  }
  take(): Promise<readonly SourceRecord[]> {
    let taken: SourceRecord[] = [];
    while (taken.length === 0 && this.#position < this.published) {
      const from = this.#position;
      const to = Math.min(this.published, this.#ends.find((end) => end > from) ?? this.published);
      taken = this.#stream.slice(from, to).flatMap((text, at) => {
        if (text === undefined) return [];
        const record = {
          sequence: from + at + 1,
          subject: SUBJECT,
          data: Buffer.from(text),
          hasHeaders: false,
        };
        return [{ ...record, header: () => undefined, headers: () => new Map<string, string>().entries() }];
      });
      this.#position = to;
    }
    return Promise.resolve(taken);
  }
  passed() {
    return this.#position;
  }
  state() {
    const caughtUp = this.#position >= this.published;
    return { headSequence: this.published, caughtUp, connected: true, skipped: 0 };
  }
  stop() {
    return Promise.resolve();
  }
}

class Run {
  readonly topology = orderAnalytics();
  readonly disk = new MemoryDisk();
  readonly stream: Stream;
  readonly source: CutSource;
  readonly task: Task;
  readonly #sent: string[] = [];
  constructor(stream: Stream, ends: readonly number[]) {
    this.stream = stream;
    this.source = new CutSource(stream, ends);
    this.task = new Task({
      topology: this.topology,
      source: this.source,
      store: this.disk.open(),
      publisher: {
        publish: ({ subject, payload }) => {
          this.#sent.push(`${subject} ${Buffer.from(payload).toString()}`);
          return Promise.resolve();
        },
      },
      clock: new ManualClock(START_MS),
    });
  }

  /** What was put aside of these messages. */
  refused(texts: readonly string[]): readonly string[] {
    return [...new Set(this.#sent)].filter((line) => texts.some((text) => line.endsWith(text))).sort();
  }

  async to(published: number): Promise<void> {
    this.source.published = published;
    while ((await this.task.step(0)) > 0);
    this.task.commit();
    while (this.task.wantsBarrier) this.task.commit();
  }
  digest() {
    return stateDigest(this.topology, this.disk.reader());
  }
}

const stored = (text: string, sequence: number): StoredMessage => ({
  ...{ sequence, subject: SUBJECT, data: Buffer.from(text) },
  ...{ header: (name: string) => headerOf({ headers: [] }, name), headers: () => [] },
});

function finderOf(run: Run): FinderParts {
  const store = run.disk.open();
  const table = (name: string) => store.table(name);
  const at = (sequence: number): StoredMessage | null => {
    const text = sequence > run.source.published ? undefined : run.stream[sequence - 1];
    return text === undefined ? null : stored(text, sequence);
  };
  return {
    selector: inlineSelector(() => {
      const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
      dictionary.follow(table(DICTIONARY_TABLE));
      const log = { segments: table(`${OPERATORS.log}/segments`), chunks: table(`${OPERATORS.log}/chunks`) };
      return openEvents(log, rowSchema([]), dictionary);
    }),
    payloads: {
      fetch: async (sequences) => new Map(sequences.map((sequence) => [sequence, at(sequence)])),
      async *read(from, to) {
        for (let sequence = from; sequence <= to; sequence++) {
          const message = at(sequence);
          if (message !== null) yield message;
        }
      },
      firstSequence: async () => 1,
    },
    reader: readParts,
    terms: EVENT_TERMS,
  };
}

/**
 * Puts what is left into the stream behind what is published, and deletes the messages. `between` is published after the
 * look at the state. A job that dies before it deletes begins anew.
 */
async function erase(run: Run, between: readonly string[], isDone: boolean): Promise<void> {
  const finder = finderOf(run);
  const pseudonym = pseudonymOf(Buffer.from('key'), TENANT, PERSON);
  const upTo = run.source.published;
  const person = { tenant: TENANT, customer_id: PERSON, pseudonym, upTo };
  const whose = await ownOf(finder, person, COUNTING, ALWAYS);
  const sequences = await messagesOf(finder, whose, upTo, ALWAYS);
  const counts = await inForce(finder, person, sequences, ALWAYS);
  const copies = sequences.flatMap((sequence) =>
    messageParts(stored(run.stream[sequence - 1] as string, sequence)).parts.flatMap(({ part, members }) => {
      if (members === undefined || !counts.has(`${sequence}/${part}`)) return [];
      const left = whose.owns(members) ? withoutPerson(members, pseudonym, COUNTING) : members;
      return replacementsOf(members, left);
    }),
  );
  run.stream.splice(upTo, 0, ...between, ...copies);
  await run.to(upTo + between.length + copies.length);
  if (isDone) for (const sequence of sequences) run.stream[sequence - 1] = undefined;
}

interface Case {
  /** Applied before the erasure; letters of `SAYINGS`. */
  readonly before: string;
  readonly between: string;
  readonly after: string;
  readonly seed: number;
}

const textsOf = (letters: string): string[] => [...letters].map((letter) => SAYINGS[letter] as string);

/** How the live state differs from one that is built of what is left, in each of three cuts into batches. */
async function differenceOf({ before, between, after, seed }: Case): Promise<string | undefined> {
  const random = new SeededRandom(seed);
  const all = Array.from({ length: 60 }, (_, at) => at + 1);
  const some = (): number[] => all.filter(() => random.chance(0.5));
  const live = new Run([...textsOf(before), ...textsOf(after)], some());
  await live.task.open();
  await live.to(before.length);
  if (random.chance(0.3)) await erase(live, [], false);
  await erase(live, textsOf(between), true);
  await live.to(live.stream.length);
  const digest = live.digest();
  live.task.close();
  for (const ends of [[], some(), all]) {
    const fresh = new Run([...live.stream], ends);
    await fresh.task.open();
    await fresh.to(fresh.stream.length);
    const other = fresh.digest();
    fresh.task.close();
    const tables = Object.keys(digest.tables).filter(
      (name) => digest.tables[name]?.digest !== other.tables[name]?.digest,
    );
    if (tables.length > 0) return `${tables.join()} of\n${live.stream.join('\n')}`;
    // What comes before what is left is the first of its id to a state without that: so of `between` only the digest is compared.
    const later = live.stream.slice(live.stream.length - after.length).map(String);
    const refused = [live, fresh].map((run) => JSON.stringify(run.refused(later)));
    if (between === '' && refused[0] !== refused[1])
      return `${refused.join(' and ')} of\n${live.stream.join('\n')}`;
  }
  return undefined;
}

/** With a case that says the same with fewer messages. */
async function smallest(one: Case): Promise<Case> {
  for (const part of ['before', 'between', 'after'] as const)
    for (let at = 0; at < one[part].length; at++) {
      const less = { ...one, [part]: one[part].slice(0, at) + one[part].slice(at + 1) };
      if ((await differenceOf(less)) !== undefined) return smallest(less);
    }
  return one;
}

it.each([
  // A retraction that is taken back between the look at what counts and the deletion.
  { before: 'RO', between: 'B', after: '' },
  { before: 'OCR', between: 'B', after: '' },
  { before: 'OCR', between: '', after: 'B' },
  // Repeats, and other contents, of what is erased.
  { before: 'O', between: '', after: 'OX' },
  { before: 'XO', between: 'C', after: 'OXC' },
  { before: 'OCDE', between: 'D', after: 'CDE' },
  // A retraction that names the person.
  { before: 'OP', between: '', after: 'P' },
])('$before, erased while $between comes, then $after', async (one) => {
  expect(await differenceOf({ ...one, seed: 1 })).toBeUndefined();
});

it('whatever is said of one event, in any order: what is built of what is left is the live state', async () => {
  const letters = Object.keys(SAYINGS);
  const first = Number(process.env.SEED ?? 0);
  for (let seed = first; seed < first + sizes.erasure_orders; seed++) {
    const random = new SeededRandom(seed);
    const some = (most: number): string =>
      Array.from({ length: random.int(0, most) }, () => random.pick(letters)).join('');
    const one = { before: `${some(4)}O${some(1)}`, between: some(1), after: some(3), seed };
    const difference = await differenceOf(one);
    if (difference === undefined) continue;
    const less = await smallest(one);
    expect.fail(`${JSON.stringify(less)}: ${await differenceOf(less)}`);
  }
});
