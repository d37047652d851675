import {
  json,
  type SeededRandom,
  type StageMessage,
  simulateStages,
  topology,
  toTable,
} from '../../index.ts';

interface Order {
  readonly order: string;
  readonly customer: string;
}

/** Orders are parsed where they come in; what is kept by customer lies with the customer. */
const orders = () =>
  topology(
    'orders',
    (t) => {
      t.source('orders')
        .pipe(json('parse', { parse: (value) => value as Order }))
        .repartition('by-customer', { keyOf: ({ customer }) => customer })
        .pipe(toTable('customers', { keyOf: ({ customer, order }) => `${customer} ${order}` }));
    },
    { partitions: 2 },
  );

const generate = (_: number, random: SeededRandom): readonly StageMessage[] =>
  Array.from({ length: 30 }, (__, at) => {
    const order: Order = { order: `o${at}`, customer: `c${random.int(0, 5)}` };
    return { key: order.order, data: Buffer.from(JSON.stringify(order)) };
  });

/** Two owners of each task, crashes and lost disks: the tables of all partitions are those of one task. */
export default async function example(): Promise<unknown[]> {
  const stages = orders().stages();
  const { failure } = await simulateStages({ topology: orders, generate, seeds: 1 });
  return [...stages.map(({ reads }) => reads.kind), failure];
}

export const expected: unknown[] = ['stream', 'cut', undefined];
