import {
  defineOperator,
  intCodec,
  mapTable,
  type SourceRecord,
  stringKey,
  topology,
} from '../../engine/index.ts';

const tables = () => ({
  counts: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }),
});

/** Counts messages by subject; a message `bad` fails. */
const count = defineOperator<SourceRecord, never, undefined, ReturnType<typeof tables>>({
  kind: 'count-subjects',
  summary: 'Messages by subject',
  state: tables,
  start: ({ state }) => ({
    onBatch: (records) => {
      const counts = state.counts.scope('');
      for (const { subject, data } of records) {
        if (Buffer.from(data).toString() === 'bad') throw new TypeError('cannot take it');
        counts.set(subject, (counts.get(subject) ?? 0) + 1);
      }
    },
  }),
});

export interface CountingConfig {
  /** Of the operator. */
  readonly name: string;
}

/** A topology that counts, for every place of execution. */
export const topologyOf = (config: unknown) =>
  topology('counting', (t) => {
    t.source('records').pipe(count((config as CountingConfig).name, undefined));
  });
