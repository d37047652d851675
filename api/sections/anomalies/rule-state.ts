import { z } from 'zod';
import { OPERATORS, RULE_KIND, ruleProgress } from '../../../analytics/index.ts';
import { CONTROL_TABLE, controlKey, readApplied } from '../../../engine/index.ts';
import type { ShownMembers } from '../../definitions/index.ts';
import { type ApiPorts, timeText } from '../../http/index.ts';

const stateSchema = z.object({
  status: z
    .enum(['pending', 'learning', 'watching', 'disabled', 'refused'])
    .describe('`pending`: the pipeline has not taken it yet; `learning`: its history is read'),
  backfilling: z.number().optional().describe('While it learns: the share of history that is read'),
  judged_until: z.string().optional().describe('End of the last window that was judged'),
  reason: z.object({ code: z.string(), message: z.string() }).optional().describe('Why it is refused'),
});
type RuleState = z.output<typeof stateSchema>;

/** How far each rule is. */
export function ruleStates({ reader }: Pick<ApiPorts, 'reader'>): ShownMembers {
  return {
    members: { state: stateSchema },
    example: { state: { status: 'watching', judged_until: '2025-08-01T12:00:00.000Z' } },
    of: (definitions) => {
      const state = reader();
      if (state === undefined) return definitions.map(() => ({ state: { status: 'pending' } }));
      return state.reader.snapshot((table) => {
        const progress = ruleProgress(table, OPERATORS.anomalies);
        return definitions.map(({ tenant, id, revision, body }): { readonly state: RuleState } => {
          const name = { kind: RULE_KIND, scope: tenant, id };
          const applied = readApplied(table(CONTROL_TABLE), name);
          if (applied === undefined || applied.revision < revision) return { state: { status: 'pending' } };
          const [refusal] = applied.refusals;
          if (refusal !== undefined) {
            const { code, message } = refusal;
            return { state: { status: 'refused', reason: { code, message } } };
          }
          if ((body as { readonly enabled?: boolean }).enabled === false)
            return { state: { status: 'disabled' } };
          const { share, judged_until_ms } = progress.get(controlKey(name)) ?? {};
          if (judged_until_ms !== undefined)
            return { state: { status: 'watching', judged_until: timeText(judged_until_ms) } };
          return { state: { status: 'learning', ...(share === undefined ? {} : { backfilling: share }) } };
        });
      });
    },
  };
}
