import { expect, it } from 'vitest';
import { intCodec, ManualClock, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { MemoryDisk, mapTable, type TableSpecs } from '../state/index.ts';
import { Task } from '../task/index.ts';
import { record, ScriptedSource } from './fixture-task.ts';

const DAY_MS = 86_400_000;

const tables = () => ({
  texts: mapTable<string, number>({
    key: stringKey,
    value: intCodec,
    version: 1,
    ttl: { retain_ms: DAY_MS },
  }),
});

/** Keeps each text for a day, and gives it on. */
const keeping = defineOperator<SourceRecord, string, undefined, ReturnType<typeof tables> & TableSpecs>({
  kind: 'keep',
  summary: 'Keeps texts for a day',
  state: tables,
  start: ({ state, emit }) => ({
    onBatch: (records) => {
      for (const { data } of records) {
        const text = Buffer.from(data).toString();
        state.texts.scope('').set(text, 1);
        emit([text]);
      }
    },
  }),
});

/** The text is the day that has come. */
const days = defineOperator<string, never>({
  kind: 'days',
  summary: 'Time by days',
  ownsWatermark: true,
  start: ({ emitWatermark }) => ({
    onBatch: (texts) => texts.forEach((text) => void emitWatermark(Number(text) * DAY_MS)),
    onWatermark: (time_ms) => emitWatermark(time_ms),
  }),
});

it('rows before the operator that makes the watermark expire behind a restart, too', async () => {
  const disk = new MemoryDisk();
  const rows: number[] = [];
  let sequence = 0;
  for (const day of ['1', '2', '40']) {
    const source = new ScriptedSource();
    const task = new Task({
      topology: topology('days', (t) => {
        t.source('source').pipe(keeping('keep', undefined), days('days', undefined));
      }),
      ...{ source, store: disk.open(), clock: new ManualClock(0) },
      publisher: { publish: () => Promise.resolve() },
      limits: { barrier_interval_ms: Number.POSITIVE_INFINITY },
    });
    await task.open();
    source.takes.push([record(++sequence, day)]);
    await task.step(0);
    task.commit();
    task.commit();
    task.close();
    rows.push([...disk.open().table('keep/texts').scan()].length);
  }
  expect(rows).toEqual([1, 2, 1]);
});
