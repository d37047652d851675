import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { MillraceError } from '../../../engine/index.ts';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
beforeAll(async () => {
  test = await startTestApi();
});
afterAll(() => test.close());

it('an erasure goes on with the generation that takes the place of the one that it began with', async () => {
  const key = await test.key('admin');
  const events = [orderEvent('one', { customer_id: 'person-1' }), orderEvent('two', { customer_id: 'c-2' })];
  for (const json of events) expect((await test.send('/ingest', { key, json })).status).toBe(202);
  await test.apply();
  const given = test.ports.finder;
  const erased: number[] = [];
  let generation = 1;
  const erase = async (sequence: number): Promise<boolean> => erased.push(sequence) > 0;
  Object.assign(test.ports, {
    eraser: { events: { erase }, letters: { erase }, told: undefined },
    finder: () => {
      const finder = given?.();
      if (finder === undefined) return undefined;
      const of = generation;
      const { selector, payloads } = finder;
      const requireOpen = (): void => {
        if (of !== generation)
          throw new MillraceError('state_closed', 'It was replaced.', { retriable: true });
      };
      return {
        ...finder,
        selector: {
          ...selector,
          select: async (...asked: Parameters<typeof selector.select>) => {
            requireOpen();
            return await selector.select(...asked);
          },
          displaced: (...asked: Parameters<typeof selector.displaced>) => selector.displaced(...asked),
        },
        payloads: {
          ...payloads,
          async *read(...asked: Parameters<typeof payloads.read>) {
            yield* payloads.read(...asked);
            // Once all messages are known, and before the first one goes.
            generation = 2;
          },
        },
      };
    },
  });
  const made = await test.send('/customers/person-1/erase', { key, json: {} });
  expect(made.status).toBe(202);
  const { job_id } = (await made.json()) as { job_id: string };
  await vi.waitFor(async () => {
    const job = (await test.send(`/jobs/${job_id}`, { key })).json();
    expect(await job).toMatchObject({ status: 'succeeded', result: { stream: { events_replaced: 1 } } });
  }, PATIENTLY);
  expect(erased).toEqual([1]);
});
