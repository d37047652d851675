import { expect, it } from 'vitest';
import { TestDriver } from '../../index.ts';
import { moved, type Reading } from './moved.ts';

const a = (celsius: number): Reading => ({ sensor: 'a', celsius });

it('passes on what moved, also after a restart', async () => {
  const driver = await TestDriver.start<Reading, Reading>((input) => input.pipe(moved('moved', { by: 1 })));
  await driver.push(a(20), a(20.5), { sensor: 'b', celsius: 5 });
  expect(driver.take()).toEqual([a(20), { sensor: 'b', celsius: 5 }]);
  driver.commit();
  const restarted = await driver.restart();
  await restarted.push(a(20.9), a(21));
  expect(restarted.take()).toEqual([a(21)]);
});
