import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { type AggregateSpec, filtered, mapResult, max, min, sum } from '../aggregates/index.ts';
import type { Reading } from './fixture-window.ts';
import { window } from './window.ts';
import { tumbling } from './windows.ts';

describe('windows refuse', () => {
  it('state of another aggregate of the same name, or of the same bytes', async () => {
    const summed = (value: AggregateSpec<Reading>) => (input: Stream<Reading>) =>
      input.pipe(
        window('w', {
          keyOf: ({ key }: Reading) => key,
          timeOf: ({ time_ms }: Reading) => time_ms,
          window: tumbling({ size_ms: 10 }),
          aggregate: { value },
        }),
      );
    const timeOf = ({ time_ms }: Reading): number => time_ms;
    const driver = await TestDriver.start(summed(min(timeOf)));
    await driver.push({ id: 1, key: 'a', time_ms: 1, value: 1 });
    const snapshot = driver.snapshot();
    for (const other of [max(timeOf), sum(timeOf), filtered(() => true, min(timeOf))]) {
      await expect(TestDriver.start(summed(other), { snapshot })).rejects.toMatchObject({
        code: 'topology_changed',
        message: expect.stringContaining('aggregate was "{value: min}" and is'),
      });
    }
    const doubled = mapResult(min(timeOf), (value) => 2 * value);
    await expect(TestDriver.start(summed(doubled), { snapshot })).resolves.toBeDefined();
  });
});
