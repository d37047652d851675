import { z } from 'zod';
import { BODY_PROBLEMS, HEAD_PROBLEMS } from '../../answers/index.ts';
import type { ProblemCode } from '../../http/index.ts';
import { majorUnits } from '../../tables/index.ts';
import { answerMetaSchema } from '../asking/index.ts';

/** What the answers of the first API may be refused with. */
export const ASKED_PROBLEMS: readonly ProblemCode[] = [
  ...new Set<ProblemCode>([
    ...HEAD_PROBLEMS,
    ...([
      'currency_required',
      'fx_rate_missing',
      'too_many_points',
      'too_many_groups',
      'amount_too_large',
    ] as const),
  ]),
].filter((code) => !(BODY_PROBLEMS as readonly ProblemCode[]).includes(code));

/** This API's answers are computed when they are asked for: there are no views to be refreshed. */
export const CONTINUOUS = { refresh: 'continuous' } as const;
export const metaSchema = answerMetaSchema.extend({
  refresh: z.literal('continuous').describe('Always current: nothing is refreshed from time to time'),
});

export const money = (what: string) =>
  z.string().nullable().describe(`${what}: a decimal with the digits of \`currency\``);
export const currencyMember = z.string().nullable().describe('Of the money; null where there is none');
export const rate = (what: string) => z.number().nullable().describe(`${what}, a fraction; null without any`);

/** Minor units as a decimal text with the digits of the currency; parts of a minor unit are rounded half away. */
export function moneyText(minor: number | null | undefined, currency: string | null): string | null {
  if (minor === null || minor === undefined) return null;
  const whole = Math.sign(minor) * Math.round(Math.abs(minor));
  const cell = majorUnits(whole === 0 ? 0 : whole, currency ?? '');
  return typeof cell === 'object' && cell !== null && 'number' in cell ? cell.number : null;
}
