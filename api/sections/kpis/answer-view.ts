import type { BatchEntry, KpiAnswer } from '../../../analytics/index.ts';
import { type AnswerState, metaOf } from '../../answers/index.ts';
import { titleOf } from '../../http/index.ts';

export function batchAnswerView(
  state: AnswerState,
  tenant: string,
  answer: readonly BatchEntry[],
  calculated_at: string,
): object {
  return { results: answer.map((entry) => batchView(state, tenant, entry, calculated_at)), calculated_at };
}

function batchView(state: AnswerState, tenant: string, entry: BatchEntry, calculated_at: string): object {
  if ('problem' in entry)
    return {
      id: entry.id,
      problem: { title: titleOf(entry.problem.code, 'The query cannot be answered'), ...entry.problem },
    };
  return { id: entry.id, ...answerView(state, tenant, entry.result, calculated_at) };
}

/** As the spec's example answers: groups and buckets first, everything about them in `meta`. */
export function answerView(
  state: AnswerState,
  tenant: string,
  answer: KpiAnswer,
  calculated_at: string,
): object {
  const { query_id, groups, groups_total, truncated, currency, explain } = answer;
  return {
    query_id,
    groups,
    groups_total,
    truncated,
    ...(currency === undefined ? {} : { currency }),
    calculated_at,
    ...(explain === undefined ? {} : { explain }),
    meta: metaOf(state, tenant, answer),
  };
}
