import { Worker } from 'node:worker_threads';
import { builtModule, MillraceError } from '../../engine/index.ts';
import {
  type ForecastTask,
  type ModelOutcome,
  type ModelThreadData,
  type ModelWork,
  outcomeOf,
  type TaskOf,
} from './model-work.ts';

const NAME = import.meta.url.endsWith('.ts') ? './model-thread.ts' : './model-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));
/** Steps of all series together that are forecast here, which takes less than the start of a thread. */
const INLINE_MAX_STEPS = 200;
const THREAD_HEAP_MB = 256;

export interface Computing {
  readonly signal: AbortSignal;
  onProgress(done: number): void;
}

/**
 * Forecasts of several series, in their order; in a thread of its own unless they are short. Throws the signal's
 * reason when that is aborted, and `model_thread_ended`.
 */
export async function forecastAll(
  tasks: readonly ForecastTask[],
  computing: Computing,
): Promise<readonly ModelOutcome<'forecast'>[]> {
  computing.signal.throwIfAborted();
  const steps = tasks.reduce((sum, { series }) => sum + series.values.length, 0);
  return steps <= INLINE_MAX_STEPS
    ? tasks.map((task) => outcomeOf('forecast', task))
    : computeInThread('forecast', tasks, computing);
}

/** The outcome of each task, in their order, from a thread of its own. Throws as `forecastAll` does. */
export async function computeInThread<W extends ModelWork>(
  work: W,
  tasks: readonly TaskOf<W>[],
  { signal, onProgress }: Computing,
): Promise<readonly ModelOutcome<W>[]> {
  signal.throwIfAborted();
  const data: ModelThreadData<W> = { millrace: 'models', work, tasks };
  const worker = new Worker(THREAD, {
    workerData: data,
    name: 'models',
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
  });
  const outcomes: ModelOutcome<W>[] = [];
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      worker.on('message', (outcome: ModelOutcome<W>) => {
        outcomes.push(outcome);
        onProgress(outcomes.length);
      });
      worker.once('error', reject);
      worker.once('exit', () => {
        if (outcomes.length === tasks.length) resolve();
        else reject(new MillraceError('model_thread_ended', 'The thread of the models has ended.'));
      });
      if (signal.aborted) stop();
    });
    return outcomes;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
