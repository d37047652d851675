import { Worker } from 'node:worker_threads';
import { builtModule, MillraceError, TASK_THREAD_LIMITS } from '../../engine/index.ts';
import { buildCancelled, buildRunning, nothingToReplace } from './errors.ts';
import { type Live, type LiveOptions, paceOf } from './live.ts';
import type {
  RecountOrder,
  RecountOutcome,
  RecountReport,
  RecountRequest,
  RecountThreadData,
} from './recount-message.ts';

const NAME = import.meta.url.endsWith('.ts') ? './recount-thread.ts' : './recount-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

/** Runs a recount in a thread of its own. Throws `build_cancelled`, and what broke it. */
async function recountIn(
  order: RecountOrder,
  { signal, onProgress }: Pick<RecountRequest, 'signal' | 'onProgress'>,
): Promise<Omit<RecountOutcome, 'generation'>> {
  const data: RecountThreadData = { millrace: 'recount', order };
  const worker = new Worker(THREAD, {
    workerData: data,
    name: 'recount',
    resourceLimits: TASK_THREAD_LIMITS,
  });
  const cancel = (): void => worker.postMessage('cancel');
  signal?.addEventListener('abort', cancel, { once: true });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (report: RecountReport) => {
        if (report.kind === 'progress') onProgress?.(report.done, report.total);
        else if (report.kind === 'done') resolve(report.outcome);
        else reject(new MillraceError(report.code, report.message, { retriable: report.retriable }));
      });
      worker.once('error', reject);
      worker.once('exit', () =>
        reject(new MillraceError('build_thread_ended', 'The thread of the recount has ended.')),
      );
      if (signal?.aborted === true) cancel();
    });
  } finally {
    signal?.removeEventListener('abort', cancel);
    await exited;
  }
}

/** The recounts of a process, one at a time. */
export class Recounts {
  #running: { readonly cancel: () => void; readonly done: Promise<unknown> } | undefined;

  /** Throws `build_running` while another one counts, `build_cancelled`, `no_state`. */
  async run(live: Live, options: LiveOptions, request: RecountRequest): Promise<RecountOutcome> {
    if (this.#running !== undefined) throw buildRunning();
    if (request.signal?.aborted === true) throw buildCancelled();
    const { host, settings, layout } = live;
    if (host.progress() === undefined) throw nothingToReplace();
    const pace = paceOf(options, live);
    const closing = new AbortController();
    const { signal = closing.signal } = request;
    pace.start();
    const work = recountIn(
      {
        ...{ of: request.of, isDry: request.isDry, statePath: host.statePath },
        ...{ custom: settings.customDimensions, nats: options.nats, pace: pace.shared },
      },
      { ...request, signal: AbortSignal.any([signal, closing.signal]) },
    );
    this.#running = { cancel: () => closing.abort(), done: work.catch(() => undefined) };
    try {
      return { generation: layout.generation, ...(await work) };
    } finally {
      pace.stop();
      this.#running = undefined;
    }
  }

  async cancel(): Promise<void> {
    this.#running?.cancel();
    await this.#running?.done;
  }
}
