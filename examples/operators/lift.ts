import { map, pipe, takeWhile } from 'rxjs';
import { lift, TestDriver } from '../../index.ts';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Reading, string>((readings) =>
    readings.pipe(
      // Without a memory, so nothing is lost on a restart: `scan` or `pairwise` would begin anew.
      lift(
        'fahrenheit',
        pipe(
          map(({ sensor, celsius }: Reading) => ({ sensor, fahrenheit: (celsius * 9) / 5 + 32 })),
          takeWhile(({ fahrenheit }) => fahrenheit < 500),
          map(({ sensor, fahrenheit }) => `${sensor} ${fahrenheit}°F`),
        ),
      ),
    ),
  );
  await driver.push({ sensor: 'a', celsius: 20 }, { sensor: 'b', celsius: 25 });
  await driver.push({ sensor: 'a', celsius: 999 }, { sensor: 'a', celsius: 21 });
  return [...driver.out, `${driver.counter('millrace.lift.ignored')} ignored`];
}

export const expected: unknown[] = ['a 68°F', 'b 77°F', '1 ignored'];
