import { expect, it } from 'vitest';
import {
  CUSTOM_FIELD_KIND,
  checkEventMembers,
  DICTIONARY_TABLE,
  EVENT_TERMS,
  FieldRulesOfTenants,
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
  SeededRandom,
  type SimulatedMessage,
  TopologyTestDriver,
} from '../../../engine/index.ts';
import { sizes } from '../../../test/long.ts';
import { correctedSets } from '../../../test/simulated-corrections.ts';
import { simulatedDefinitions } from '../../../test/simulated-definitions.ts';
import { type ErasableStream, Installation } from '../../../test/simulated-installation.ts';
import { type GeneratedSet, generate, publish, START_MS, TENANTS } from '../../../test/simulated-orders.ts';
import { inForce, messagesOf, ownOf } from './person-events.ts';
import { archivedRemains, pseudonymOf, replacementsOf, withoutPerson } from './remains.ts';

const ALWAYS = new AbortController().signal;
const COUNTING = { custom: [], paths: [] };
/** Of the messages that are deleted between two steps. */
const SLICE = 3;

const stored = (message: SimulatedMessage, sequence: number): StoredMessage => {
  const headers = Object.entries(message.headers ?? {}).map(
    ([name, value]) => [name, String(value)] as const,
  );
  const { subject, data } = message;
  return { sequence, subject, data, header: (name) => headerOf({ headers }, name), headers: () => headers };
};

function finderOf({ messages, table }: ErasableStream): FinderParts {
  const at = (sequence: number): StoredMessage | null => {
    const message = messages[sequence - 1];
    return message === undefined ? null : stored(message, sequence);
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

/** The steps of a job, with a process that may die between them. */
async function erase(stream: ErasableStream, people: readonly Customer[]): Promise<void> {
  for (const { tenant, customer_id } of people) {
    const finder = finderOf(stream);
    const pseudonym = pseudonymOf(Buffer.from('key'), tenant, customer_id);
    const person = { tenant, customer_id, pseudonym, upTo: stream.messages.length };
    const whose = await ownOf(finder, person, COUNTING, ALWAYS);
    const sequences = await messagesOf(finder, whose, person.upTo, ALWAYS);
    for (let at = 0; at < sequences.length; at += SLICE) {
      const slice = sequences.slice(at, at + SLICE);
      const counts = await inForce(finder, person, slice, ALWAYS);
      const copies = slice.flatMap((sequence) => {
        const message = stream.messages[sequence - 1];
        if (message === undefined) return [];
        return messageParts(stored(message, sequence)).parts.flatMap(({ part, members }) => {
          const counting = counts.get(`${sequence}/${part}`);
          if (members === undefined || counting === undefined) return [];
          const left = whose.owns(members) ? withoutPerson(members, pseudonym, COUNTING) : members;
          return replacementsOf(members, left);
        });
      });
      stream.step();
      stream.publish(copies.map((text) => ({ subject: `events.${tenant}.x`, data: Buffer.from(text) })));
      for (const sequence of slice) {
        stream.step();
        stream.delete(sequence);
      }
    }
  }
}

interface Customer {
  readonly tenant: string;
  readonly customer_id: string;
}

/** One of each tenant. */
function somebody({ events }: GeneratedSet, random: SeededRandom): readonly Customer[] {
  return TENANTS.map((tenant) => {
    const ids = events.flatMap((event) => (event.tenant === tenant ? [event.members.customer_id] : []));
    return { tenant, customer_id: random.pick(ids.filter((id) => typeof id === 'string')) };
  });
}

/** Some events once more under their ids, and other content. */
function withConflicts(messages: readonly SimulatedMessage[], random: SeededRandom): SimulatedMessage[] {
  return messages.flatMap((message) => {
    const text = Buffer.from(message.data).toString();
    if (!random.chance(0.1) || !/"amount":\d/.test(text)) return [message];
    return [message, { ...message, data: Buffer.from(text.replace(/"amount":\d/, '"amount":4')) }];
  });
}

it('late, duplicate, conflicting, corrected and erased events, and definitions that come and go: what is built from zero is the live state', async () => {
  let crashes = 0;
  for (let seed = 0; seed < sizes.erasure_seeds; seed++) {
    const { dirty } = correctedSets(generate({ seed: 500 + seed, orders: 5, ties: true }), seed);
    const random = new SeededRandom(seed);
    const messages = withConflicts(publish(dirty, random, true).messages, random);
    const definitions = simulatedDefinitions(random, 10);
    const people = somebody(dirty, random);
    const live = new Installation({
      ...{ seed, messages, definitions, isFaulty: true },
      erase: (stream) => erase(stream, people),
    });
    const digest = await live.run(true);
    expect(live.messages.filter((message) => message === undefined).length).toBeGreaterThan(0);
    const fresh = new Installation({ seed, messages: live.messages, definitions, isFaulty: false });
    expect(digest, `seed ${seed}`).toEqual(await fresh.run(false));
    crashes += live.crashes;
  }
  expect(crashes).toBeGreaterThan(sizes.erasure_seeds / 2);
});

it('a correction that comes again behind its erasure is a repeat, also in the batch with that', async () => {
  const [tenant = ''] = TENANTS;
  const subject = `events.${tenant}.x`;
  const of = { event_id: 'e1', type: 'order.created', time: new Date(START_MS).toISOString() };
  const first = { ...of, order_id: 'o1', customer_id: 'somebody', amount: 100, currency: 'EUR' };
  const correction = { ...first, amount: 200, supersedes: true, version: 2 };
  const left = replacementsOf(correction, withoutPerson(correction, 'erased_1', COUNTING));
  const messages = [...left, JSON.stringify(correction), JSON.stringify(first)];
  const outcome = async (batches: readonly (readonly string[])[]): Promise<unknown> => {
    const driver = await TopologyTestDriver.start(orderAnalytics(), { start_ms: START_MS });
    for (const batch of batches) await driver.push(...batch.map((data) => ({ subject, data })));
    driver.commit();
    return [driver.digest(), driver.notices];
  };
  const single = await outcome(messages.map((message) => [message]));
  expect(single).toEqual([expect.any(String), { [tenant]: expect.objectContaining({ duplicate: 1 }) }]);
  expect(await outcome([messages])).toEqual(single);
});

it('orders whose custom fields are required are there after an erasure, and in a state that is built anew', async () => {
  const [tenant] = TENANTS;
  const body = { field_key: 'note', field_type: 'text', is_required: true, since_ms: 0 };
  const order = (event_id: string, customer_id: string, custom_fields: object) => ({
    ...{
      event_id,
      type: 'order.created',
      time: new Date(START_MS).toISOString(),
      order_id: `of-${event_id}`,
    },
    ...{ customer_id, amount: 900, currency: 'EUR', data: { custom_fields } },
  });
  const note = { note: 'Ring twice' };
  const lists = [
    [order('a', 'person-1', note), order('b', 'c-2', note)],
    [order('c', 'c-2', note), order('d', 'c-3', {})],
    [order('e', 'person-1', note)],
    [{ ...order('e', 'person-1', note), amount: 800, supersedes: true, version: 2 }],
  ];
  const messages = lists.map((list) => ({
    ...{ subject: `events.${tenant}.x`, data: Buffer.from(JSON.stringify(list)) },
  }));
  const definitions = [{ kind: CUSTOM_FIELD_KIND, scope: String(tenant), id: 'note', body }];
  const parts = { seed: 1, definitions, isFaulty: false };
  const people = [{ tenant: String(tenant), customer_id: 'person-1' }];
  const live = new Installation({ ...parts, messages, erase: (stream) => erase(stream, people) });
  const digest = await live.run(false);
  expect(live.messages.filter((message) => message === undefined)).toHaveLength(3);
  const fresh = new Installation({ ...parts, messages: live.messages });
  expect(await fresh.run(false)).toEqual(digest);
  // The one without its field is a dead letter of both, and of nobody else.
  expect([...live.sent.keys()]).toHaveLength(1);
  expect([...fresh.sent.keys()]).toEqual([...live.sent.keys()]);

  // What others' events have was accepted by earlier rules; an event that only looks erased is judged.
  const rules = new FieldRulesOfTenants();
  rules.define(String(tenant), 'note', body);
  const limits = { now_ms: START_MS, cut_ms: 0, fields: rules.of(String(tenant)) };
  const bad = order('f', 'c-2', { note: 7 });
  const left = withoutPerson(bad, 'erased_1', COUNTING);
  const texts = [...replacementsOf(bad, bad), ...replacementsOf(bad, left)];
  for (const members of [...texts.map((text) => JSON.parse(text)), archivedRemains(bad, left)])
    expect(checkEventMembers(members, limits)).toMatchObject({ ok: true });
  for (const members of [bad, { ...bad, erased: true }, { ...bad, supersedes: true }])
    expect(checkEventMembers(members, limits)).toMatchObject({ ok: false, code: 'bad_custom_field' });
});
