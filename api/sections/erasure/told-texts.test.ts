import { expect, it } from 'vitest';
import type { ErasableStream } from '../../http/index.ts';
import { PersonsOwn } from './person-events.ts';
import { eraseTold } from './told-texts.ts';

const TENANT = 'acme';
const PERSON = { tenant: TENANT, customer_id: 'c-1', pseudonym: 'erased_1', upTo: 100 };
const whose = new PersonsOwn(
  PERSON,
  { orders: new Set(['o-1']), sessions: new Set() },
  { custom: [], paths: [] },
);

/** A stream that is a list. */
class ListedStream implements ErasableStream {
  readonly messages: Map<number, { readonly subject: string; readonly data: Uint8Array }>;

  constructor(all: readonly (readonly [string, unknown])[]) {
    this.messages = new Map(
      all.map(([subject, body], at) => [at + 1, { subject, data: Buffer.from(JSON.stringify(body)) }]),
    );
  }

  async *read(from: number, to: number) {
    for (const [sequence, message] of this.messages)
      if (sequence >= from && sequence <= to) yield { sequence, ...message, header: () => undefined };
  }

  firstSequence = async (): Promise<number> => 1;
  end = async () => ({ sequence: 100, incarnation: 'one' });
  erase = async (sequence: number): Promise<boolean> => this.messages.delete(sequence);
}

it('what was told of a person goes: their events, words about their orders, and nothing else', async () => {
  const message = { title: 'Your order', text: 'Hi Jane' };
  const direct = `notices.${TENANT}.to.channel-email`;
  const type = `notices.${TENANT}.type.order.created`;
  const notices = new ListedStream([
    [type, { payload: { event_id: 'a', customer_id: 'c-1', order_id: 'o-1', data: { name: 'Jane' } } }],
    [type, { payload: { event_id: 'b', order_id: 'o-1', data: { name: 'Jane' } } }],
    [direct, { payload: { order_id: 'o-1' }, extra: { message } }],
    [direct, { payload: { text: 'of a customer' }, extra: { group: { customer: 'c-1' } } }],
    // Of somebody else, or without a word of the person.
    [type, { payload: { event_id: 'c', customer_id: 'c-2', order_id: 'o-2', data: { name: 'Joe' } } }],
    [type, { payload: { event_id: 'd', customer_id: 'c-11', order_id: 'o-1' } }],
    [direct, { payload: { order_id: 'o-2' }, extra: { message } }],
    [`notices.${TENANT}.to.webhook_1`, { payload: { order_id: 'o-1', type: 'order.shipped' } }],
    [type, 'rubbish'],
  ]);
  const in_app = new ListedStream([
    [`deliveries.${TENANT}.in-app`, { order_id: 'o-1', values: { customer_name: { value: 'Jane' } } }],
    [`deliveries.${TENANT}.in-app`, { order_id: 'o-2', values: { customer_name: { value: 'Joe' } } }],
  ]);
  const sinks = new ListedStream([
    [`sinks.${TENANT}.rfm`, { customer_id: 'c-1', score: 5 }],
    [`sinks.${TENANT}.rfm`, { customer_id: 'c-11', score: 5 }],
  ]);
  const withdrawn: string[] = [];
  const erased: [string, number][] = [];
  const parts = {
    streams: { notices, in_app, sinks },
    mayHold: async () => false,
    withdraw: async (_: string, all: readonly { readonly sequence: number }[]) => {
      // They are still there then.
      for (const { sequence } of all) withdrawn.push(`${sequence} ${notices.messages.has(sequence)}`);
    },
  };
  const signal = new AbortController().signal;
  await eraseTold(parts, whose, signal, (...one) => erased.push(one));
  expect([notices, in_app, sinks].map(({ messages }) => [...messages.keys()])).toEqual([
    [5, 6, 7, 8, 9],
    [2],
    [2],
  ]);
  expect(withdrawn).toEqual(['1 true', '2 true', '3 true', '4 true']);
  expect(erased).toEqual([
    ['notices', 4],
    ['in_app', 1],
    ['sinks', 1],
  ]);
  await eraseTold(parts, whose, signal, (...one) => erased.push(one));
  expect(erased.length).toBe(3);
});
