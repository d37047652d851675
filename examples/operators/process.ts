import { keyedProcess, TestDriver } from '../../index.ts';

interface OrderEvent {
  readonly order: string;
  readonly type: 'created' | 'paid';
  readonly time_ms: number;
}

const HOUR_MS = 3_600_000;

/** Orders that are not paid within an hour. */
const unpaid = keyedProcess<OrderEvent, string, 'open' | 'paid'>('unpaid', {
  keyOf: ({ order }) => order,
  timeOf: ({ time_ms }) => time_ms,
  order: 'time',
  onEvent: ({ type, time_ms }, { setState, timers }) => {
    setState(type === 'paid' ? 'paid' : 'open');
    if (type === 'created') timers.set(time_ms + HOUR_MS);
  },
  onTimer: (_, { key, state, emit, clearState }) => {
    if (state === 'open') emit(`${key} is still not paid`);
    clearState();
  },
});

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<OrderEvent, string>((events) => events.pipe(unpaid));
  await driver.push(
    { order: 'o1', type: 'paid', time_ms: 1_000 },
    { order: 'o1', type: 'created', time_ms: 0 },
    { order: 'o2', type: 'created', time_ms: 2_000 },
  );
  await driver.advanceTo(2 * HOUR_MS);
  return driver.out;
}

export const expected: unknown[] = ['o2 is still not paid'];
