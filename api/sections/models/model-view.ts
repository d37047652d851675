import { z } from 'zod';
import type { Definition, Jobs } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { DEFINITION_MEMBERS, definitionView } from '../../definitions/index.ts';
import type { Cursors } from '../../http/index.ts';
import type { JobMaking } from '../jobs/index.ts';
import type { DriftWatch } from './drift-watch.ts';
import type { ModelContents } from './model-contents.ts';
import { MODEL_TYPES, type ModelBody, trainedMembers } from './model-schema.ts';
import type { ModelVersions } from './model-versions.ts';

export interface ModelRouteParts extends JobMaking {
  readonly answers: AnswerParts;
  readonly versions: ModelVersions;
  readonly contents: ModelContents;
  readonly drifts: DriftWatch;
  readonly cursors: Cursors;
}

export const modelParams = z.object({
  modelId: z.string().max(128).describe('An id, or a name: its promoted version'),
});

const { object: _, warnings: __, ...trainedShown } = trainedMembers;
const nullable = <S extends z.ZodType>(schema: S): z.ZodNullable<S> => schema.nullable();

export const modelSchema = z.object({
  ...DEFINITION_MEMBERS,
  type: z.enum(MODEL_TYPES),
  version: z.int(),
  promoted: z.boolean().describe('It answers for its name'),
  status: z.enum(['training', 'ready', 'failed', 'cancelled']),
  job_id: z.string().describe('GET /jobs/{jobId} says how far training is, and why it failed'),
  dataset: z.looseObject({}),
  params: z.looseObject({}),
  retrain: z.looseObject({}).nullable(),
  trained_at: nullable(trainedShown.trained_at),
  code_version: nullable(trainedShown.code_version),
  definition_hash: nullable(trainedShown.definition_hash),
  position: nullable(trainedShown.position),
  history: nullable(trainedShown.history),
  groups_left_out: nullable(trainedShown.groups_left_out),
  score: trainedShown.score,
  is_drifting: z.boolean().nullable().describe('As last looked at, of a forecast; null: not yet'),
  warnings: z.array(z.string()),
});

const UNTRAINED = {
  ...{ trained_at: null, code_version: null, definition_hash: null, position: null, history: null },
  ...{ groups_left_out: null, score: null },
};

/** How it is with a model: what its job says until it is trained. */
export async function statusOf(jobs: Jobs, { tenant, body }: Definition<ModelBody>): Promise<string> {
  if (body.trained !== null) return 'ready';
  const job = await jobs.get(tenant, body.job_id).catch(() => undefined);
  if (job === undefined || job.status === 'failed') return 'failed';
  return job.status === 'cancelled' ? 'cancelled' : 'training';
}

export async function viewOf(
  { jobs, versions, drifts }: ModelRouteParts,
  model: Definition<ModelBody>,
): Promise<Record<string, unknown> & { readonly warnings: readonly string[] }> {
  const { trained, family, ...body } = model.body;
  const { object: ___, ...said } = trained === null ? { object: null, ...UNTRAINED } : trained;
  return {
    ...definitionView({ ...model, body }),
    name: family,
    promoted: versions.isPromoted(model),
    status: await statusOf(jobs, model),
    ...said,
    is_drifting: drifts.lastOf(model),
    warnings: warningsOf(model.body),
  };
}

function warningsOf({ trained }: ModelBody): readonly string[] {
  if (trained === null) return [];
  const { score, warnings } = trained;
  if (score === null)
    return [...warnings, 'The history is too short for a back-test: nothing says how good it is.'];
  if (score.beats_baseline) return warnings;
  const { measure, value, baseline, baseline_value } = score;
  const digits = (number: number): string => String(Number(number.toPrecision(3)));
  return [
    ...warnings,
    `It does not beat its baseline (${baseline}): ${measure} ${digits(value)} against ${digits(baseline_value)}.`,
  ];
}
