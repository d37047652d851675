import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { eventOf } from '../events/fixture-events.ts';
import { CUSTOMER, ENTITIES, factPlaceCodec, kindOf, ORDER, placeOf, SESSION, TICKET } from './facts.ts';

const text = fc.string({ unit: 'binary', maxLength: 4 });

describe('a fact place', () => {
  it('comes back from its bytes', () => {
    const place = fc.record({
      currency: text,
      dimensions: fc.array(text, { maxLength: 40 }),
      items: fc.option(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 })),
    });
    fc.assert(
      fc.property(place, (value) => {
        const writer = new ByteWriter();
        factPlaceCodec.write(writer, value);
        const reader = new ByteReader(writer.view());
        expect(factPlaceCodec.read(reader)).toEqual(value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('has each sku and category of the items once', () => {
    const line = { quantity: 1, unit_price: 1 };
    const event = eventOf({
      currency: 'EUR',
      items: [
        { sku: 'a', category: 'x', ...line },
        { sku: 'b', ...line },
        { sku: 'a', category: 'x', ...line },
        { sku: 'a', ...line },
      ],
    });
    expect(placeOf(event)).toMatchObject({
      currency: 'EUR',
      items: [
        ['a', 'x'],
        ['b', ''],
        ['a', ''],
      ],
    });
  });

  it('without items and with an empty list of them is the same', () => {
    expect(placeOf(eventOf({ items: [] })).items).toBeNull();
    expect(placeOf(eventOf({})).items).toBeNull();
  });
});

describe('entities', () => {
  const claims = (
    entity: number,
    members: Readonly<Record<string, unknown>>,
  ): readonly [string[], string] => {
    const definition = ENTITIES[entity] as (typeof ENTITIES)[number];
    const event = eventOf(members);
    return [
      definition.slotsOf(event).map((slot) => definition.slots[slot] as string),
      definition.keyOf(event),
    ];
  };

  it.each([
    ['order.created', 'created'],
    ['payment_succeeded', 'paid'],
    ['order.shipped', 'shipped'],
    ['order.delivered', 'delivered'],
    ['order.cancelled', 'cancelled'],
    ['order.rto', 'rto'],
    ['refund.issued', 'refunded'],
  ])('an order is %s once', (type, slot) => {
    expect(claims(ORDER, { type, order_id: 'o' })).toEqual([[slot], 'o']);
  });

  it('customers, sessions and tickets have theirs', () => {
    expect(claims(CUSTOMER, { type: 'order.created', customer_id: 'c' })).toEqual([['first_order'], 'c']);
    expect(claims(SESSION, { type: 'visit', session_id: 's' })).toEqual([['visit'], 's']);
    expect(claims(SESSION, { type: 'add_to_cart', session_id: 's' })).toEqual([['cart'], 's']);
    expect(claims(SESSION, { type: 'order.created', session_id: 's' })).toEqual([['order'], 's']);
    expect(claims(TICKET, { type: 'ticket.opened', ticket_id: 7, order_id: 'o' })).toEqual([['opened'], '7']);
    expect(claims(TICKET, { type: 'ticket.first_response', data: { ticket_id: 't' } })).toEqual([
      ['first_response'],
      't',
    ]);
    expect(claims(TICKET, { type: 'ticket.opened', order_id: 'o' })).toEqual([['opened'], 'o']);
  });

  it('orders and tickets carry the other end of a duration', () => {
    const along = ENTITIES.map(({ slots, alongWith }) =>
      slots.map((_, slot) => (alongWith?.[slot] ?? []).map((other) => slots[other])),
    );
    expect(along).toEqual([
      [['shipped'], [], ['created'], [], [], [], []],
      [[]],
      [[], [], []],
      [['first_response'], ['opened']],
    ]);
  });

  it('a kind of events claims the same of each entity', () => {
    const types = ['order.created', 'visit', 'ticket.opened', 'fx.rate', 'never.heard.of'];
    const kinds = types.map((type) => kindOf(eventOf({ type, order_id: 'o', session_id: 's' })));
    expect(new Set(kinds).size).toBe(types.length);
    expect(Math.min(...kinds)).toBe(0);
  });

  it('other types say nothing of any', () => {
    for (const type of ['custom', 'payment.failed', 'campaign.spend']) {
      for (const entity of ENTITIES.keys()) expect(claims(entity, { type, order_id: 'o' })[0]).toEqual([]);
    }
  });
});
