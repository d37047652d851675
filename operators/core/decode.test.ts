import { describe, expect, it } from 'vitest';
import { META_TABLE, readNotices, type SourceRecord } from '../../engine/index.ts';
import { Pipeline } from '../fixture-pipeline.ts';
import { decode } from './decode.ts';

const record = (sequence: number, text: string): SourceRecord => ({
  sequence,
  subject: 'events.acme.x',
  data: Buffer.from(text),
  hasHeaders: false,
  header: () => undefined,
});

const start = () =>
  Pipeline.start<SourceRecord, string>((input) =>
    input.pipe(
      decode<string>('decode', {
        decoder: () => (from, _now, out) => {
          for (const [part, text] of Buffer.from(from.data).toString().split(',').entries()) {
            const place = { tenant: 'acme', record: from, part };
            if (text.startsWith('bad'))
              out.reject(place, { code: 'bad', detail: `${text}: größer\nthan` }, Buffer.from(text));
            else out.accept(text);
          }
        },
      }),
    ),
  );

describe('decode', () => {
  it('rejects parts as dead letters and passes the rest on, in order', async () => {
    const pipeline = await start();
    await pipeline.push(record(7, 'a,bad 1,b,bad 2'), record(8, 'bad 3'), record(9, 'c'));
    pipeline.commit();
    expect(pipeline.out).toEqual(['a', 'b', 'c']);
    expect(pipeline.sent.map(({ id }) => id.replace(/-[\w-]{11}$/, ''))).toEqual([
      'deadletter-events.acme.x-7-1-bad',
      'deadletter-events.acme.x-7-3-bad',
      'deadletter-events.acme.x-8-0-bad',
    ]);
    expect([
      pipeline.counter('millrace.decode.accepted'),
      pipeline.counter('millrace.decode.rejected'),
    ]).toEqual([3, 3]);
  });

  it('a dead letter says why and where from, in one line of ASCII, with the bytes', async () => {
    const pipeline = await start();
    await pipeline.push(record(7, 'bad 1'));
    pipeline.commit();
    const [letter] = pipeline.sent;
    expect(letter).toMatchObject({
      subject: 'deadletter.acme',
      headers: {
        Reason: 'bad',
        'Reason-Detail': 'bad 1: gr??er?than',
        'Original-Subject': 'events.acme.x',
        'Original-Seq': '7',
        'Original-Part': '0',
      },
    });
    expect(Buffer.from(letter?.payload ?? []).toString()).toBe('bad 1');
    expect(readNotices(pipeline.disk.open().table(META_TABLE), 'acme', 'dead_letter', 9)).toMatchObject([
      { sequence: 7, detail: { reason: 'bad', part: 0 } },
    ]);
  });

  it('counts rejections by reason', async () => {
    const pipeline = await start();
    await pipeline.push(record(1, 'bad'), record(2, 'bad'));
    pipeline.commit();
    expect(pipeline.progress?.notices).toEqual({ acme: { dead_letter: 2 } });
  });
});
