import { filter, type Stream, TestDriver, windowJoin } from '../../index.ts';

interface View {
  readonly type: 'view';
  readonly ad: string;
  readonly time_ms: number;
}
interface Click {
  readonly type: 'click';
  readonly ad: string;
  readonly time_ms: number;
}

const MINUTE_MS = 60_000;

/** Ads shown and clicked within the same minute, and those shown without a click. */
const clicksOfViews = (events: Stream<View | Click>): Stream<string> => {
  const views = events.pipe(filter('views', (event): event is View => event.type === 'view'));
  const clicks = events.pipe(filter('clicks', (event): event is Click => event.type === 'click'));
  return views.connect(
    clicks,
    windowJoin('clicks-of-views', {
      left: { keyOf: ({ ad }) => ad, timeOf: ({ time_ms }) => time_ms },
      right: { keyOf: ({ ad }) => ad, timeOf: ({ time_ms }) => time_ms },
      size_ms: MINUTE_MS,
      type: 'left',
      join: (view, click, { start_ms }) =>
        `minute ${start_ms / MINUTE_MS}: ${view.ad} ${click === undefined ? 'ignored' : 'clicked'}`,
    }),
  );
};

export default async function example(): Promise<unknown[]> {
  const ads = await TestDriver.start(clicksOfViews);
  await ads.push({ type: 'view', ad: 'shoes', time_ms: 1_000 }, { type: 'view', ad: 'hats', time_ms: 2_000 });
  await ads.push({ type: 'click', ad: 'shoes', time_ms: 9_000 });
  // Of the next minute: too late for the view of the hats.
  await ads.push({ type: 'click', ad: 'hats', time_ms: 61_000 });
  await ads.advanceTo(MINUTE_MS);
  return ads.out;
}

export const expected: unknown[] = ['minute 0: shoes clicked', 'minute 0: hats ignored'];
