import { describe, expect, it } from 'vitest';
import { normalType, T } from './event-types.ts';
import { decoded, decoding, eventText, GOOD, recordOf } from './fixture-columns.ts';
import { idWords } from './identity.ts';

const text = eventText;
const NDJSON = { 'Content-Type': 'application/x-ndjson; charset=utf-8' };
const row = (members: Readonly<Record<string, unknown>>) => decoded(recordOf(text(members))).rows[0];
const words = (id: string, tenant = 'acme'): string => {
  const { hi, lo } = idWords(tenant, id);
  return `${hi}/${lo}`;
};

describe('one event', () => {
  it('becomes a row with what it says, and nothing where it says nothing', () => {
    const { rows, rejected, batch } = decoded(
      recordOf(
        text({
          country: 'DE',
          source: 'shop',
          reason: 'late',
          amount: -5,
          customer_id: 'c',
          currency: 'eur',
          items: [{ sku: 's', category: 'k', quantity: 2, unit_price: 3 }],
          data: { x: 1 },
          mine: true,
        }),
      ),
    );
    expect(rejected).toEqual([]);
    expect(rows).toMatchObject([
      {
        tenant: 'acme',
        sequence: 42,
        part: 0,
        record: 0,
        live: 1,
        type: 'order.created',
        kind: T['order.created'],
        time_ms: Date.UTC(2025, 7, 1, 10),
        currency: 'EUR',
        country: 'DE',
        source: 'shop',
        reason: 'late',
        channel: '',
        amount: -5,
        discount: Number.NaN,
        value: Number.NaN,
        origin: Number.NaN,
        constants: [0, 1, 0],
        customer: words('c'),
        order: '0/0',
        ticket: '0/0',
        items: [{ sku: 's', category: 'k', quantity: 2, unit_price: 3 }],
      },
    ]);
    expect(batch.rates).toEqual([]);
  });

  it.each([
    ['PAYMENT_SUCCEEDED', 'payment.succeeded'],
    ['order-Canceled', 'order.cancelled'],
    ['order.placed', 'order.created'],
    ['Order_Completed', 'order.created'],
    ['voucher.validated', 'voucher.validated'],
  ])('of the type %s is %s', (type, normal) => {
    expect(row({ type })).toMatchObject({ type: normal, kind: T[normal as keyof typeof T] });
  });

  it('of a type that nobody knows keeps its name, in normal form', () => {
    expect(row({ type: 'Parcel_Lost' })).toMatchObject({ type: 'parcel.lost', kind: -1 });
    expect(row({ type: 'ünter_Weg' })).toMatchObject({ type: normalType('ünter_Weg'), kind: -1 });
  });

  it('is found again by its layout in other orders, with members that come and go', () => {
    const decode = decoding();
    const texts = [
      text({ country: 'DE', amount: 1 }),
      text({ amount: 2, country: 'FR', other: 'x' }),
      JSON.stringify({ country: 'IT', ...GOOD, amount: 3 }),
      JSON.stringify({ ...GOOD, country: 'ES', amount: 4 }, null, 2),
    ];
    for (let round = 0; round < 3; round++) {
      const { rows } = decode(...texts.map((one) => recordOf(one)));
      expect(rows.map(({ country, amount, record }) => [country, amount, record])).toEqual([
        ['DE', 1, 0],
        ['FR', 2, 1],
        ['IT', 3, 2],
        ['ES', 4, 3],
      ]);
    }
  });

  it('has nothing of what the batch held before it, grown or taken back', () => {
    const decode = decoding();
    const full = {
      amount: 1,
      tax: 2,
      sku: 's',
      order_id: 'o',
      ticket_id: 't',
      type: 'ticket.opened',
      currency: 'EUR',
    };
    const [wanted] = decode(recordOf(text())).rows;
    for (const count of [1, 10_000, 3]) {
      decode(...Array.from({ length: count }, () => recordOf(text(full))));
      expect(decode(recordOf(text())).rows).toStrictEqual([wanted]);
    }
    const list = `[${text(full)},${text(full)},{]`;
    const { rows } = decode(
      recordOf(list),
      recordOf(text()),
      ...Array.from({ length: 20_000 }, () => recordOf(text())),
    );
    expect(rows.slice(-1)).toStrictEqual([{ ...wanted, record: 20_001 }]);
    expect(rows[0]).toStrictEqual({ ...wanted, record: 1 });
  });

  it('may have a member without a name', () => {
    expect(row({ '': 1, a: 2, data: { '': 3 } })?.payload).not.toBe(row({ a: 2, data: { '': 3 } })?.payload);
  });

  it('its payload hash does not depend on form, only on what it says', () => {
    const items = [{ sku: 'a', quantity: 1, unit_price: 2 }];
    const plain = row({ country: 'DE', items })?.payload;
    const other = { items: [{ unit_price: 2, quantity: 1, sku: 'a' }], tax: null, country: 'DE', ...GOOD };
    const written = JSON.stringify({ ...other, event_id: 'e2' }, null, 3);
    expect(decoded(recordOf(written)).rows[0]?.payload).toBe(plain);
    expect(row({ country: 'DE', time: '2025-08-01T12:00:00.000+02:00', items })?.payload).toBe(plain);
    for (const members of [{ country: 'FR' }, { amount: 1 }, { mine: 1 }, { data: { a: 1 } }])
      expect(row({ country: 'DE', items, ...members })?.payload).not.toBe(plain);
  });

  it('its identity is the tenant and the id', () => {
    const identity = (one: string, subject = 'events.acme.x') =>
      decoded(recordOf(one, {}, subject)).rows[0]?.id;
    expect(identity(text({ country: 'DE' }))).toBe(identity(text()));
    expect(identity(text(), 'events.acme.other.y')).toBe(identity(text()));
    expect(identity(text(), 'events.globex.x')).not.toBe(identity(text()));
  });

  it('its tenant is token 2, whatever came before', () => {
    const subjects = [
      'events.a.x',
      'events.ab.x',
      'events.a',
      'events.a.c%2E1.y',
      'events.b.y',
      'events.a.x',
    ];
    const { rows } = decoded(...subjects.map((subject) => recordOf(text(), {}, subject)));
    expect(rows.map(({ tenant }) => tenant)).toEqual(['a', 'ab', 'a', 'a', 'b', 'a']);
  });
});

describe('numbers that JavaScript cannot hold', () => {
  const long = (digits: string): string =>
    text({ type: 'ticket.opened', data: 0 }).replace('"data":0', `"data":{"ticket_id":${digits}}`);

  it('keep their digits: two tickets are two', () => {
    const [one, two] = decoded(
      recordOf(long('820982911946154508')),
      recordOf(long('820982911946154509')),
    ).rows;
    expect(one?.ticket).toBe(words('820982911946154508'));
    expect(two?.ticket).toBe(words('820982911946154509'));
    expect(one?.payload).not.toBe(two?.payload);
  });

  it('are no ids of the schema, and the answer says what to do', () => {
    const { rejected, details } = decoded(
      recordOf(text({ order_id: 0 }).replace(':0', ':820982911946154508')),
    );
    expect(rejected).toEqual(['bad_field@0']);
    expect(details[0]).toContain('order_id: must be a string');
  });

  it.each([9_007_199_254_740_991, -9_007_199_254_740_991])('an amount of %d is the last', (amount) => {
    expect(row({ amount })?.amount).toBe(amount);
    const more = text({ amount: 5 }).replace(':5', `:${amount < 0 ? '-' : ''}9007199254740992`);
    expect(decoded(recordOf(more)).rejected).toEqual(['bad_field@0']);
  });
});

describe('tickets', () => {
  it('are known by ticket_id, in the event or its data, as text or number, else by the order', () => {
    const ticket = (members: Readonly<Record<string, unknown>>) =>
      row({ type: 'ticket.first_response', ...members })?.ticket;
    expect(ticket({ ticket_id: 't1', order_id: 'o' })).toBe(words('t1'));
    expect(ticket({ data: { ticket_id: 't1' } })).toBe(words('t1'));
    expect(ticket({ ticket_id: 17 })).toBe(words('17'));
    expect(ticket({ ticket_id: null, data: { ticket_id: 't2' } })).toBe(words('t2'));
    expect(ticket({ ticket_id: 't1', data: { ticket_id: 't2' } })).toBe(words('t1'));
    expect(ticket({ order_id: 'o' })).toBe(words('o'));
    expect(ticket({})).toBe('0/0');
    expect(row({ type: 'visit', ticket_id: 't1' })?.ticket).toBe('0/0');
  });
});

describe('declared dimensions', () => {
  it('are scalars of the event or of its data, as text', () => {
    const decode = decoding({ custom: ['loyalty', 'gift'] });
    const values = (members: Readonly<Record<string, unknown>>) => {
      const [found] = decode(recordOf(text(members))).rows;
      return [found?.loyalty, found?.gift];
    };
    expect(values({ loyalty: 'gold', data: { gift: true } })).toEqual(['gold', 'true']);
    expect(values({ data: { loyalty: 7, gift: 1.5 }, loyalty: null })).toEqual(['7', '1.5']);
    expect(values({ loyalty: { a: 1 }, data: { loyalty: 'x' }, gift: 'y'.repeat(129) })).toEqual(['', '']);
    expect(values({ loyalty: 'grün', data: { deep: { gift: 'no' } } })).toEqual(['grün', '']);
    expect(values({})).toEqual(['', '']);
  });

  it.each([['country'], ['time'], ['ts'], ['specversion'], ['a', 'a']])(
    '%s %s cannot be declared',
    (...custom) => {
      expect(() => decoding({ custom })).toThrow(expect.objectContaining({ code: 'bad_dimension' }));
    },
  );
});

describe('a member called __proto__', () => {
  const written = (type: string, members: string): string =>
    text({ type, data: 0 }).replace('"data":0', `"__proto__":${members}`);

  it('is a member like any other, and no field of the event', () => {
    const [found] = decoded(recordOf(written('order.created', '{"amount":777,"country":"DE"}'))).rows;
    expect([found?.amount, found?.country]).toEqual([Number.NaN, '']);
    expect(found?.payload).not.toBe(row({})?.payload);
    expect(({} as { amount?: unknown }).amount).toBeUndefined();
  });

  it('gives no ticket, no rate and no dimension', () => {
    const inside = '{"base":"EUR","quote":"USD","rate":"2","ticket_id":"t","loyalty":"x"}';
    const decode = decoding({ custom: ['loyalty'] });
    const { batch, badRates, rows } = decode(
      recordOf(written('fx.rate', inside)),
      recordOf(written('ticket.opened', inside)),
    );
    expect([batch.rates, badRates]).toEqual([[], ['@0']]);
    expect(rows.map(({ ticket, loyalty }) => [ticket, loyalty])).toEqual([
      ['0/0', ''],
      ['0/0', ''],
    ]);
  });

  it.each(['data', 'attribute'])('does not set fields of a CloudEvent, as %s', (where) => {
    const envelope = `"specversion":"1.0","id":"e1","type":"order.created","time":"${GOOD.time}","source":"s"`;
    const proto = '"__proto__":{"amount":777}';
    const written =
      where === 'data' ? `{${envelope},"data":{${proto}}}` : `{${envelope},${proto},"data":{"country":"DE"}}`;
    const { rows, rejected } = decoded(recordOf(written));
    expect([rejected, rows[0]?.amount]).toEqual([[], Number.NaN]);
  });
});

describe('exchange rates', () => {
  const rate = (members: Readonly<Record<string, unknown>>) =>
    decoded(recordOf(text({ type: 'fx.rate', ...members })));

  it('are announced by the event or its data', () => {
    const wanted = [{ row: 0, base: 'EUR', quote: 'USD', rate: '1.25' }];
    expect(rate({ base: 'EUR', quote: 'usd', rate: '1.25' }).batch.rates).toEqual(wanted);
    expect(rate({ data: { base: 'EUR', quote: 'USD', rate: 1.25 } }).batch.rates).toEqual(wanted);
  });

  it.each([{}, { base: 'EUR', quote: 'USD', rate: '0' }, { base: 'EUR', quote: 'USD', rate: '1e3' }])(
    '%j announces none, and is taken',
    (members) => {
      const { batch, badRates, rows } = rate(members);
      expect([batch.rates, badRates, rows.length]).toEqual([[], ['@0'], 1]);
    },
  );
});

describe('several events', () => {
  const parts = [
    text(),
    text({ amount: 'x' }),
    text({ event_id: 'e2' }),
    '5',
    text({ event_id: 'e3', sku: 'ü' }),
  ];

  it('of an array: the bad ones are dead letters with their own bytes, the rest is processed', () => {
    const { rows, rejected, bytes } = decoded(recordOf(` [${parts.join(',\n ')}] `));
    expect(rows.map(({ part }) => part)).toEqual([0, 2, 4]);
    expect([rejected, bytes]).toEqual([
      ['bad_field@1', 'not_an_object@3'],
      [parts[1], '5'],
    ]);
  });

  it.each([
    ['an array that does not end', `[${parts[0]}`],
    ['an array of broken JSON', `[${parts[0]},{"broken}]`],
    ['an array with no JSON in it', `[${parts[0]},{broken}]`],
    ['more behind an array', `[${parts[0]}] 1`],
    ['a comma too many', `[${parts[0]},]`],
  ])('%s is one dead letter: nothing of it counts', (_, written) => {
    const { rows, rejected, bytes, batch } = decoded(recordOf(written));
    expect([rows, rejected, bytes]).toEqual([[], ['malformed_json@0'], [written]]);
    expect(batch.own.itemLength).toBe(0);
  });

  it('of NDJSON likewise, whatever the ends of lines, broken JSON on one line included', () => {
    const lines = [...parts.slice(0, 3), '{"broken', parts[4]];
    const { rows, rejected, bytes } = decoded(recordOf(`\n${lines.join('\r\n \n')}\n`, NDJSON));
    expect(rows.map(({ part }) => part)).toEqual([0, 2, 4]);
    expect([rejected, bytes[1]]).toEqual([['bad_field@1', 'malformed_json@3'], '{"broken']);
  });

  it.each([
    'application/x-ndjson',
    'Application/X-NDJSON',
    'application/ndjson',
    'application/jsonl; charset=utf-8',
  ])('of %s are lines', (type) => {
    const { rows } = decoded(recordOf(`${parts[0]}\r\n${parts[2]}`, { 'content-type': type }));
    expect(rows).toHaveLength(2);
  });

  it.each([
    ['an event', `\ufeff${parts[0]}`, {}, 1],
    ['an array', `\ufeff[${parts[0]},${parts[2]}]`, {}, 2],
    ['lines', `\ufeff${parts[0]}\n\ufeff${parts[2]}\n`, NDJSON, 2],
  ])('a byte order mark before %s is skipped', (_, written, headers, count) => {
    const { rows, rejected } = decoded(recordOf(written, headers));
    expect([rows.length, rejected]).toEqual([count, []]);
  });

  it('of an empty array or no lines are none', () => {
    const { rows, rejected } = decoded(recordOf('[]'), recordOf('', NDJSON), recordOf('\n \n', NDJSON));
    expect([rows, rejected]).toEqual([[], []]);
  });

  it('of a message of rubbish: a thousand dead letters and one for the rest, and what is good is kept', () => {
    const lines = [...Array.from({ length: 1_500 }, () => '0'), text({ event_id: 'last' })].join('\n');
    const { rows, rejected, details } = decoded(recordOf(lines, NDJSON));
    expect([rows.length, rejected.length]).toEqual([1, 1_001]);
    expect([rejected.at(-1), details.at(-1)]).toEqual([
      'too_many_rejections@0',
      expect.stringContaining('500 more parts'),
    ]);
  });
});
