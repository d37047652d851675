import type { MetricSample } from '../../../engine/index.ts';
import type { Definitions, JobKind, Jobs } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import type { JobMaking } from '../jobs/index.ts';
import { DriftWatch } from './drift-watch.ts';
import { ModelContents } from './model-contents.ts';
import { modelRoutes } from './model-routes.ts';
import { MODELS, PROMOTED } from './model-schema.ts';
import { ModelVersions } from './model-versions.ts';
import { RetrainWatch } from './retrain-watch.ts';
import { trainingKind } from './train-job.ts';

/** All of the section of models: made before the definitions are opened. */
export class ModelSection {
  readonly #answers: AnswerParts;
  readonly #contents: ModelContents;
  readonly #versions: ModelVersions;
  readonly #drifts: DriftWatch;
  #retraining: RetrainWatch | undefined;

  constructor(definitions: Definitions, answers: AnswerParts) {
    this.#answers = answers;
    this.#contents = new ModelContents(answers.ports.models);
    this.#versions = new ModelVersions(definitions.kind(MODELS), definitions.kind(PROMOTED), this.#contents);
    this.#drifts = new DriftWatch({ answers, versions: this.#versions, contents: this.#contents });
  }

  get jobKind(): JobKind {
    return trainingKind({ answers: this.#answers, versions: this.#versions, contents: this.#contents });
  }

  routes(making: JobMaking, cursors: Cursors): readonly Route[] {
    const [versions, contents, drifts] = [this.#versions, this.#contents, this.#drifts];
    return modelRoutes({ ...making, answers: this.#answers, versions, contents, drifts, cursors });
  }

  start(jobs: Jobs): void {
    const { ports } = this.#answers;
    this.#retraining = new RetrainWatch({ ports, versions: this.#versions, jobs });
    this.#retraining.start();
    this.#drifts.start();
  }

  async close(): Promise<void> {
    await this.#retraining?.close();
    await this.#drifts.close();
  }

  /** Promoted forecasts that drift. */
  get drifting(): number {
    return this.#drifts.drifting;
  }

  samples(): MetricSample[] {
    return this.#drifts.samples();
  }
}
