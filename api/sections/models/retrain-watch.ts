import { createHash } from 'node:crypto';
import { asMillraceError } from '../../../engine/index.ts';
import type { Definition, Jobs } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import { Looking } from '../jobs/index.ts';
import { dueAt, nextRun } from '../reports/index.ts';
import type { ModelBody, Retraining } from './model-schema.ts';
import type { ModelVersions } from './model-versions.ts';
import { TRAINING_JOB, type TrainingInput } from './train-job.ts';

/** How often it is looked for what is due, ms. */
const LOOK_MS = 1_000;
const MINUTE_MS = 60_000;

interface RetrainParts {
  readonly ports: Pick<ApiPorts, 'clock' | 'log'>;
  readonly versions: ModelVersions;
  readonly jobs: Jobs;
}

type Model = Definition<ModelBody>;

/**
 * Trains models anew when that is due. A training's job is named after the name and the time that it was due at, so any
 * number of processes make one; what a stop has missed is made up for once.
 */
export class RetrainWatch {
  readonly #parts: RetrainParts;
  /** By the id of a version that was seen to, when there is something again. */
  readonly #seen = new Map<string, number>();
  readonly #looking = new Looking(() => this.look(), LOOK_MS);

  constructor(parts: RetrainParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#looking.start();
  }

  close(): Promise<void> {
    return this.#looking.close();
  }

  /** The newest version of a name says when the next one is due. */
  async look(): Promise<void> {
    const { versions } = this.#parts;
    const newest = new Map<string, Model>();
    for (const tenant of versions.definitions.tenants()) {
      for (const model of versions.definitions.list(tenant)) {
        const key = JSON.stringify([tenant, model.body.family]);
        const before = newest.get(key);
        if (before === undefined || before.body.version < model.body.version) newest.set(key, model);
      }
    }
    const ids = new Set([...newest.values()].map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
    for (const model of newest.values()) {
      if (model.body.retrain !== null) await this.#lookAt(model, model.body.retrain);
    }
  }

  async #lookAt(model: Model, retrain: Retraining): Promise<void> {
    const { clock, log } = this.#parts.ports;
    const now_ms = clock.now();
    if (now_ms < (this.#seen.get(model.id) ?? 0)) return;
    const due_ms = dueAt(retrain, now_ms);
    try {
      if (due_ms !== undefined && due_ms > model.created_at_ms) await this.#train(model, due_ms);
    } catch (error) {
      const { code, retriable } = asMillraceError(error);
      log.warn({ err: error, model: model.id, due_ms }, 'a training by schedule could not be begun');
      if (retriable || code === 'too_many_jobs') return;
    }
    this.#seen.set(model.id, nextRun(retrain, now_ms) ?? Number.POSITIVE_INFINITY);
  }

  async #train({ tenant, created_by, body }: Model, due_ms: number): Promise<void> {
    const { jobs } = this.#parts;
    const hash = createHash('sha256')
      .update(JSON.stringify([tenant, body.family, due_ms]))
      .digest('hex');
    const job_id = `job_${hash.slice(0, 32)}`;
    const made = await jobs.get(tenant, job_id).catch((error: unknown) => {
      if (asMillraceError(error).code === 'not_found') return undefined;
      throw error;
    });
    if (made !== undefined) return;
    const { type, family, params, retrain } = body;
    const input: TrainingInput = {
      ...{ type, name: family, params, retrain, isRetraining: true },
      dataset: movedTo(body.dataset, due_ms),
    };
    await jobs.create({ tenant, type: TRAINING_JOB, created_by, input, job_id });
  }
}

/** As long a range, which ends at a time. */
function movedTo(dataset: ModelBody['dataset'], end_ms: number): ModelBody['dataset'] {
  const end = Math.floor(end_ms / MINUTE_MS) * MINUTE_MS;
  const length_ms = Date.parse(dataset.end) - Date.parse(dataset.start);
  return {
    ...dataset,
    start: new Date(end - length_ms).toISOString(),
    end: new Date(end).toISOString(),
  };
}
