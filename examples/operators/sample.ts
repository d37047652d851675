import { sample, TestDriver } from '../../index.ts';

interface View {
  readonly session: string;
  readonly page: string;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<View, View>((views) =>
    // A tenth of the sessions, each of them whole: a funnel of the sample is a funnel.
    views.pipe(sample('tenth', { rate: 0.1, idOf: ({ session }) => session })),
  );
  for (const page of ['/', '/cart', '/order']) {
    await driver.push(...Array.from({ length: 1_000 }, (_, n) => ({ session: `s${n}`, page })));
  }
  const sessions = new Set(driver.out.map(({ session }) => session));
  return [`${sessions.size} of 1000 sessions`, `${driver.out.length / sessions.size} pages each`];
}

export const expected: unknown[] = ['95 of 1000 sessions', '3 pages each'];
