import { Worker } from 'node:worker_threads';
import { builtModule, MillraceError } from '../../engine/index.ts';
import type { ForecastOutcome, ForecastTask, ForecastThreadData } from './forecast-message.ts';
import { outcomeOf } from './outcome-of.ts';

const NAME = import.meta.url.endsWith('.ts') ? './forecast-thread.ts' : './forecast-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));
/** Steps of all series together that are forecast here, which takes less than the start of a thread. */
const INLINE_MAX_STEPS = 200;
const THREAD_HEAP_MB = 256;

/**
 * Forecasts of several series, in their order; in a thread of its own unless they are short. Throws the signal's
 * reason when that is aborted, and `forecast_thread_ended`.
 */
export async function forecastAll(
  tasks: readonly ForecastTask[],
  { signal, onProgress }: { readonly signal: AbortSignal; onProgress(done: number): void },
): Promise<readonly ForecastOutcome[]> {
  signal.throwIfAborted();
  const steps = tasks.reduce((sum, { series }) => sum + series.values.length, 0);
  return steps <= INLINE_MAX_STEPS ? tasks.map(outcomeOf) : inThread(tasks, signal, onProgress);
}

async function inThread(
  tasks: readonly ForecastTask[],
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<readonly ForecastOutcome[]> {
  const data: ForecastThreadData = { millrace: 'forecast', tasks };
  const worker = new Worker(THREAD, {
    workerData: data,
    name: 'forecast',
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
  });
  const outcomes: ForecastOutcome[] = [];
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      worker.on('message', (outcome: ForecastOutcome) => {
        outcomes.push(outcome);
        onProgress(outcomes.length);
      });
      worker.once('error', reject);
      worker.once('exit', () => {
        if (outcomes.length === tasks.length) resolve();
        else reject(new MillraceError('forecast_thread_ended', 'The thread of the forecasts has ended.'));
      });
      if (signal.aborted) stop();
    });
    return outcomes;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
