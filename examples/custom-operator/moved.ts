import { defineOperator, floatCodec, mapTable, stringKey } from '../../index.ts';

export type Reading = { readonly sensor: string; readonly celsius: number };
const state = () => ({ last: mapTable<string, number>({ key: stringKey, value: floatCodec, version: 1 }) });

/** Passes a reading on when it is `by` or more away from the last one that was passed on. */
export const moved = defineOperator<Reading, Reading, { readonly by: number }, ReturnType<typeof state>>({
  kind: 'moved',
  summary: 'Readings that moved',
  state,
  start: ({ config, state: { last }, emit }) => {
    const isNews = ({ sensor, celsius }: Reading) => {
      const known = last.scope('').get(sensor);
      const news = known === undefined || Math.abs(celsius - known) >= config.by;
      if (news) last.scope('').set(sensor, celsius);
      return news;
    };
    return { onBatch: (readings) => emit(readings.filter(isNews)) };
  },
});
