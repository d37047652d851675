import {
  jetstream,
  json,
  keyedProcess,
  subjectOf,
  toJetStream,
  topology,
  toTable,
  watermark,
} from '../../index.ts';

/** A step of an order: what was added to it, or taken back. */
export interface Sale {
  readonly id: string;
  readonly order: string;
  readonly customer: string;
  readonly cents: number;
  readonly at: number;
}

export interface Spent {
  readonly customer: string;
  readonly order: string;
  readonly id: string;
  /** Of all orders of the customer so far. */
  readonly cents: number;
}

function sale(value: unknown): Sale {
  const { id, order, customer, cents, at } = value as Partial<Sale>;
  const texts = [id, order, customer];
  if (texts.some((text) => typeof text !== 'string' || text === ''))
    throw new Error('needs id, order, customer');
  if (!Number.isSafeInteger(cents) || !Number.isSafeInteger(at))
    throw new Error('needs cents and at, integers');
  return value as Sale;
}

/**
 * What customers have spent. Messages are divided by order (`sales.ORDER.TYPE`); behind the cut each customer has one
 * task, which has all of the orders of that customer.
 */
export const customers = topology(
  'customers',
  (t) => {
    const spent = t
      .source(jetstream('SALES', { subjects: ['sales.*.*'], partitionBy: [1] }))
      .pipe(
        json('parse', { parse: sale }),
        watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 2_000, idle_ms: 1_000 }),
        // A step that comes again counts once. An order has few of them.
        keyedProcess<Sale, Sale, readonly string[]>('once', {
          keyOf: ({ order }) => order,
          initial: () => [],
          onEvent: (step, { state, setState, emit }) => {
            if (state.includes(step.id)) return;
            setState([...state, step.id]);
            emit(step);
          },
        }),
      )
      .repartition('by-customer', { keyOf: ({ customer }) => customer })
      .pipe(
        keyedProcess<Sale, Spent, number>('spent', {
          keyOf: ({ customer }) => customer,
          initial: () => 0,
          onEvent: ({ customer, order, id, cents }, { state, setState, emit }) => {
            setState(state + cents);
            emit({ customer, order, id, cents: state + cents });
          },
        }),
      );
    spent.pipe(
      toTable('customers', { keyOf: ({ customer }) => customer, value: ({ cents }: Spent) => cents }),
    );
    spent.pipe(toJetStream('told', { subject: subjectOf`spent.${({ customer }: Spent) => customer}` }));
  },
  { partitions: 4 },
);
