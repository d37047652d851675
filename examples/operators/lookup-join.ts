import { filter, lookupJoin, type Stream, TestDriver } from '../../index.ts';

interface Login {
  readonly type: 'login';
  readonly customer: string;
}
interface Profile {
  readonly type: 'profile';
  readonly customer: string;
  readonly tier: 'basic' | 'gold';
  readonly time_ms: number;
}

/** Logins at once with what is known of the customer right now. */
const greetings = (events: Stream<Login | Profile>): Stream<string> => {
  const logins = events.pipe(filter('logins', (event): event is Login => event.type === 'login'));
  const profiles = events.pipe(filter('profiles', (event): event is Profile => event.type === 'profile'));
  return logins.connect(
    profiles,
    lookupJoin('greetings', {
      left: { keyOf: ({ customer }) => customer },
      right: { keyOf: ({ customer }) => customer, timeOf: ({ time_ms }) => time_ms },
      type: 'left',
      join: ({ customer }, profile) => `${customer}: ${profile?.tier ?? 'new'}`,
    }),
  );
};

export default async function example(): Promise<unknown[]> {
  const site = await TestDriver.start(greetings);
  await site.push({ type: 'login', customer: 'ada' });
  await site.push({ type: 'profile', customer: 'ada', tier: 'gold', time_ms: 2_000 });
  // Older than what the table has: it changes nothing.
  await site.push({ type: 'profile', customer: 'ada', tier: 'basic', time_ms: 1_000 });
  await site.push({ type: 'login', customer: 'ada' });
  return site.out;
}

export const expected: unknown[] = ['ada: new', 'ada: gold'];
