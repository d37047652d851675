import type { JobKind, RunningJob } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { timeText } from '../../http/index.ts';
import { trainCustomers } from './customer-training.ts';
import { type TrainingResult, trainForecast } from './forecast-training.ts';
import type { ModelContents } from './model-contents.ts';
import { definitionHash, type ModelBody, type ModelContent, type Retraining } from './model-schema.ts';
import type { ModelVersions } from './model-versions.ts';

export const TRAINING_JOB = 'model_training';

export interface TrainingInput extends Pick<ModelBody, 'type' | 'dataset' | 'params'> {
  readonly name: string | null;
  readonly retrain: Retraining | null;
  /** By its schedule. */
  readonly isRetraining: boolean;
}

export interface TrainingParts {
  readonly answers: AnswerParts;
  readonly versions: ModelVersions;
  readonly contents: ModelContents;
}

/**
 * Reads the history and trains. The version is there when the job begins, and has what it was trained to when it ends;
 * an attempt that is cut off begins anew with the same version.
 */
export function trainingKind({ answers, versions, contents }: TrainingParts): JobKind {
  return {
    type: TRAINING_JOB,
    lane: 'training',
    run: async (job) => {
      const { tenant, job_id, created_by } = job.record;
      const { name, type, dataset, params, retrain, isRetraining } = job.record.input as TrainingInput;
      const made = { type, family: name ?? job_id, dataset, params, retrain, job_id };
      const model = await versions.ofJob(tenant, made, created_by);
      const { content, facts } = await trained(answers, job, model.body);
      const trained_at = timeText(answers.ports.clock.now());
      const object = await contents.put(tenant, model.id, content);
      const whole = { trained_at, ...facts, definition_hash: definitionHash(model.body), object };
      await versions.trained(
        await versions.definitions.patch(tenant, model.id, { trained: whole }),
        isRetraining,
      );
      return { result: { model_id: model.id, version: model.body.version, ...countsOf(content, facts) } };
    },
  };
}

function trained(
  answers: AnswerParts,
  job: RunningJob,
  model: ModelBody,
): Promise<TrainingResult<ModelContent>> {
  return model.type === 'demand_forecast'
    ? trainForecast(answers, job, model)
    : trainCustomers(answers, job, model);
}

function countsOf(content: ModelContent, { groups_left_out }: { readonly groups_left_out: number }): object {
  if (content.kind === 'customers') return { customers: content.customers };
  const failed = content.groups.filter(({ error }) => error !== undefined).length;
  return { groups: content.groups.length, groups_failed: failed, groups_left_out };
}
