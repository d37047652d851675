import { Worker } from 'node:worker_threads';
import { type Forecast, type Hierarchy, originsBeforeEnd } from '../../analytics/index.ts';
import { builtModule, MillraceError } from '../../engine/index.ts';
import {
  type ForecastTask,
  type ModelError,
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
/** Groups times steps of the horizon times these again that are made to agree here. */
const INLINE_MAX_CELLS = 20_000;
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
  const steps = tasks.reduce((sum, { series }) => sum + series.values.length, 0);
  return compute('forecast', tasks, computing, steps <= INLINE_MAX_STEPS);
}

/** Here where that takes less than the start of a thread. */
async function compute<W extends ModelWork>(
  work: W,
  tasks: readonly TaskOf<W>[],
  computing: Computing,
  isShort: boolean,
): Promise<readonly ModelOutcome<W>[]> {
  computing.signal.throwIfAborted();
  if (!isShort) return await computeInThread(work, tasks, computing);
  return tasks.map((task) => outcomeOf(work, task));
}

/**
 * Forecasts of a whole and its parts, which agree. Throws as `forecastAll` does, and what a series that cannot be
 * forecast is refused with.
 */
export async function forecastHierarchy(
  { total, groups }: Hierarchy<ForecastTask>,
  computing: Computing,
): Promise<Hierarchy<Forecast>> {
  const also_at = originsBeforeEnd(total.series, total.horizon);
  const tasks = [total, ...groups].map(({ series, ...wish }) => ({ series, wish: { ...wish, also_at } }));
  const steps = tasks.reduce((sum, { series }) => sum + series.values.length, 0);
  const [whole, ...parts] = (await compute('base', tasks, computing, steps <= INLINE_MAX_STEPS)).map(
    resultOf,
  );
  if (whole === undefined)
    throw new MillraceError('model_thread_ended', 'The thread of the models has ended.');
  const { signal } = computing;
  const cells = tasks.length * total.horizon * total.horizon;
  const quiet = { signal, onProgress: () => undefined };
  const all = [{ total: whole, groups: parts }];
  const [found] = await compute('reconcile', all, quiet, cells <= INLINE_MAX_CELLS);
  if (found === undefined)
    throw new MillraceError('model_thread_ended', 'The thread of the models has ended.');
  return resultOf(found);
}

function resultOf<R>(outcome: { readonly result: R } | { readonly error: ModelError }): R {
  if ('result' in outcome) return outcome.result;
  throw new MillraceError(outcome.error.code, outcome.error.message);
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
