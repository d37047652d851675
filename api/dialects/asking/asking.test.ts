import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type RawCall, type Route, route } from '../../http/index.ts';
import { Inquiries } from './asking.ts';

const BASE_META = {
  ...{ generation: 1, watermark: '2025-08-31T12:00:00Z', staleness_ms: 5, lag_messages: 0, late_events: 1 },
  ...{ approximate: [], timezone: 'UTC', warnings: [] },
};
const at = (sequence: number) => ({ EVENTS: { 0: sequence } });
const call = { request: new Request('http://test.invalid/'), tenant: 'a' } as RawCall;
const answerSchema = z.looseObject({ n: z.number() });

/** A route whose answers say these of themselves, one after the other; what it was asked is kept. */
function answering(metas: readonly object[], asked: unknown[] = []): Inquiries {
  let next = 0;
  const answers: Route = route({
    ...{
      id: 'ask',
      method: 'POST',
      path: '/ask',
      tag: 'T',
      summary: 'S',
      permission: 'kpis:read',
      problems: [],
    },
    body: z.looseObject({}),
    answers: {},
    handle: ({ body }) => {
      asked.push(body);
      return { status: 200, json: { n: next, meta: { ...BASE_META, ...metas[next++] } } };
    },
  });
  return new Inquiries({
    routes: () => [answers],
    defaultsOf: () => undefined,
    now: () => 0,
    requireAllowed: () => undefined,
  });
}

const twice = (inquiries: Inquiries) =>
  inquiries.answered(async (asking) => [
    (await asking.ask(call, '/ask', { first: true }, answerSchema)).n,
    (await asking.ask(call, '/ask', { first: false }, answerSchema)).n,
  ]);

describe('an answer that is made of several', () => {
  it('is of one state: asked once more as of the newest, where events came in between', async () => {
    const asked: unknown[] = [];
    const metas = [{ position: at(7) }, { position: at(9) }, { position: at(11) }, { position: at(12) }];
    const { answer, meta } = await twice(answering(metas, asked));
    expect(answer).toEqual([2, 3]);
    expect(asked).toEqual([
      { first: true },
      { first: false },
      { first: true, as_of: at(9) },
      { first: false, as_of: at(9) },
    ]);
    expect(meta.position).toEqual(at(9));
  });

  it('is asked once where nothing came in between', async () => {
    const { answer, meta } = await twice(answering([{ position: at(7) }, { position: at(7) }]));
    expect([answer, meta.position]).toEqual([[0, 1], at(7)]);
  });

  it('is as fresh and as complete as the least of them, and says all that they warn of', async () => {
    const metas = [
      { position: at(7), staleness_ms: 40, warnings: ['The pipeline has failed.'], approximate: ['a'] },
      { position: at(7), watermark: '2025-08-30T12:00:00Z', lag_messages: 3, warnings: ['Another.'] },
    ];
    expect((await twice(answering(metas))).meta).toEqual({
      ...{ position: at(7), complete_until: '2025-08-30T12:00:00Z', staleness_ms: 40, lag_messages: 3 },
      ...{ late_events: 1, approximate: ['a'], warnings: ['The pipeline has failed.', 'Another.'] },
    });
    const unknown = [{ position: at(7), staleness_ms: null, watermark: null }, { position: at(7) }];
    expect((await twice(answering(unknown))).meta).toMatchObject({
      staleness_ms: null,
      complete_until: null,
    });
  });
});
