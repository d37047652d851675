import { z } from 'zod';
import { positionSchema } from '../../http/index.ts';

/** What every answer of the first API that comes from the state says of itself. */
export const askedMetaSchema = z.looseObject({
  generation: z.int(),
  position: positionSchema,
  watermark: z.string().nullable(),
  staleness_ms: z.int().nullable(),
  lag_messages: z.int().nullable(),
  late_events: z.int(),
  approximate: z.array(z.string()),
  timezone: z.string(),
  warnings: z.array(z.string()),
  catching_up: z.number().optional(),
});
export type AskedMeta = z.output<typeof askedMetaSchema>;

/** How fresh and complete an answer of another API is: that of all answers which it is made of. */
export const answerMetaSchema = z
  .object({
    position: positionSchema.nullable().describe('Of the stream; null: nothing was asked of the state'),
    complete_until: z
      .string()
      .nullable()
      .describe('What lies before it can change only by late events; null: nothing is known to be complete'),
    staleness_ms: z
      .int()
      .nullable()
      .describe('All that was in the stream this long ago is in it; null: nobody knows'),
    lag_messages: z.int().nullable().describe('Messages that are not in it; null: nobody knows'),
    late_events: z.int(),
    approximate: z.array(z.string()).describe('Which values are estimates, with their error'),
    warnings: z.array(z.string()),
    catching_up: z.number().optional().describe('The state is being built: the share that is applied'),
  })
  .describe('How fresh and how complete the answer is');
export type AnswerMeta = z.output<typeof answerMetaSchema>;

/** The least fresh and least complete of all. */
export function mergedMeta(metas: readonly AskedMeta[]): AnswerMeta {
  const least = (of: (meta: AskedMeta) => number | null): number | null =>
    metas.reduce<number | null>((most, meta) => {
      const own = of(meta);
      return most === null || own === null ? null : Math.max(most, own);
    }, 0);
  const watermarks = metas.map(({ watermark }) => watermark);
  const shares = metas.flatMap(({ catching_up }) => catching_up ?? []);
  return {
    position: metas.at(-1)?.position ?? null,
    complete_until: watermarks.includes(null) ? null : (watermarks.toSorted(byTime)[0] ?? null),
    staleness_ms: metas.length === 0 ? null : least(({ staleness_ms }) => staleness_ms),
    lag_messages: metas.length === 0 ? null : least(({ lag_messages }) => lag_messages),
    late_events: Math.max(0, ...metas.map(({ late_events }) => late_events)),
    approximate: [...new Set(metas.flatMap(({ approximate }) => approximate))],
    warnings: [...new Set(metas.flatMap(({ warnings }) => warnings))],
    ...(shares.length === 0 ? {} : { catching_up: Math.min(...shares) }),
  };
}

const byTime = (a: string | null, b: string | null): number => Date.parse(a ?? '') - Date.parse(b ?? '');

/** Whether all are of one state, so that their numbers fit together. */
export function areOfOneState(metas: readonly AskedMeta[]): boolean {
  const states = new Set(metas.map(({ generation, position }) => JSON.stringify([generation, position])));
  return states.size <= 1;
}
