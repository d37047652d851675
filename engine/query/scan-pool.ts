import type { Worker } from 'node:worker_threads';
import { invariant, type MillraceError } from '../base/index.ts';
import { BETWEEN_MAX_MS, SHORT_QUERY_MAX_MS } from './limits.ts';
import { builtModule, startModuleThread } from './module-thread.ts';
import { QueryRunError, receivedError } from './run-error.ts';
import type { ScanJob } from './scan-job.ts';
import type { FromThread, ScanTask, ScanThreadData, ScanThreadOrder, ToThread } from './scan-message.ts';
import { Turns } from './turns.ts';

export const DEFAULT_SCAN_THREADS = 2;
/** A kind that does not look at its flag for this long after it was raised loses its thread. */
const CANCEL_GRACE_MS = 2_000;
const STOP_GRACE_MS = 2_000;
/** Beside typed arrays, which are not in it: what one query's objects may take before its thread ends. */
const HEAP_MAX_MB = 1_024;
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './scan-thread.ts' : './scan-thread.js',
  import.meta.url,
);

export interface ScanPoolOptions extends ScanThreadOrder {
  /** Default `DEFAULT_SCAN_THREADS`. */
  readonly threads?: number;
  /** Units that ended: for metrics. */
  readonly onBusy?: (kind: string, busy_ms: number) => void;
}

interface Running {
  readonly id: number;
  readonly job: ScanJob;
  /** It makes room for those of quicker queries. */
  readonly isPart: boolean;
  readonly kind: string;
  readonly cost_ms: number;
  watchdog: NodeJS.Timeout | undefined;
}

interface Thread {
  readonly worker: Worker;
  /** Units that it was sent while it ran another one. */
  readonly calls: Int32Array;
  running: Running | undefined;
  /** One of a quicker query, sent meanwhile. */
  between: Running | undefined;
  cause: unknown;
}

/**
 * Threads that run units of queries, started when there is work. One that ends fails the unit it ran with
 * `query_thread_failed`; another takes its place.
 */
export class ScanPool {
  readonly #options: ScanPoolOptions;
  readonly #max: number;
  readonly #threads = new Set<Thread>();
  readonly #turns = new Turns();
  #lastId = 0;
  #isClosed = false;

  constructor(options: ScanPoolOptions) {
    this.#options = options;
    this.#max = options.threads ?? DEFAULT_SCAN_THREADS;
    invariant(this.#max >= 1, 'a pool has at least one thread');
  }

  get threads(): number {
    return this.#threads.size;
  }

  get busyThreads(): number {
    return [...this.#threads].filter((thread) => !isIdle(thread)).length;
  }

  /** Starts a thread where there is none: the first query need not wait until its modules are loaded. */
  warm(): void {
    if (!this.#isClosed && this.#threads.size === 0) this.#start();
  }

  add(job: ScanJob): void {
    invariant(!this.#isClosed, 'a closed pool gets no jobs');
    this.#turns.add(job);
    void job.ended.then(() => this.#turns.remove(job));
    this.#dispatch();
  }

  /** Drops what waits of a job and stops what runs of it; a thread that does not listen is ended. */
  cancel(job: ScanJob, reason: MillraceError): void {
    job.fail(reason);
    for (const thread of this.#threads) {
      for (const unit of [thread.running, thread.between])
        if (unit?.job === job)
          unit.watchdog ??= setTimeout(() => void thread.worker.terminate(), CANCEL_GRACE_MS);
    }
  }

  /** Ends the threads. Whoever closes has cancelled the jobs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const exits = [...this.#threads].map(async ({ worker }) => {
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      const timer = setTimeout(() => void worker.terminate(), STOP_GRACE_MS);
      worker.postMessage({ say: 'stop' } satisfies ToThread);
      await exited;
      clearTimeout(timer);
    });
    await Promise.all(exits);
  }

  #dispatch(): void {
    while (!this.#isClosed) {
      const idle = [...this.#threads].find(isIdle);
      if (idle === undefined && this.#threads.size >= this.#max) break;
      const job = this.#turns.next(this.#unitMax_ms());
      if (job === undefined) return;
      this.#give(idle ?? this.#start(), job);
    }
    for (const thread of this.#threads) {
      const { running, between } = thread;
      if (this.#isClosed || running?.isPart !== true || between !== undefined) continue;
      const job = this.#turns.nextBefore(running.job, BETWEEN_MAX_MS);
      if (job !== undefined) this.#give(thread, job);
    }
  }

  /** One thread is kept free of long units, where there are several: a short query waits for no long unit. */
  #unitMax_ms(): number {
    const long = [...this.#threads].filter(({ running }) => (running?.cost_ms ?? 0) > SHORT_QUERY_MAX_MS);
    return long.length < Math.max(1, this.#max - 1) ? Number.MAX_VALUE : SHORT_QUERY_MAX_MS;
  }

  #give(thread: Thread, job: ScanJob): void {
    const cost_ms = job.next_ms ?? 0;
    const run = job.take();
    this.#turns.begin(job, cost_ms);
    const id = ++this.#lastId;
    const isPart = run.task === 'part';
    const unit: Running = { id, job, isPart, kind: run.kind, cost_ms, watchdog: undefined };
    const isBetween = thread.running !== undefined;
    if (isBetween) thread.between = unit;
    else thread.running = unit;
    const message: ToThread = { say: 'run', id, run, flag: job.flag.shared, isBetween };
    try {
      thread.worker.postMessage(message, handedOver(run));
    } catch (cause) {
      // What a kind planned is not plain data.
      this.#release(thread, id, 0);
      job.unitFailed(threadFailed(`A part of the plan cannot be sent to a thread: ${String(cause)}`, cause));
      return;
    }
    if (isBetween) Atomics.add(thread.calls, 0, 1);
  }

  #start(): Thread {
    const { path, reader, modules, config, isUrgent = false } = this.#options;
    const calls = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const order: ScanThreadData = {
      ...{ path, reader, modules: modules.map(builtModule), config, isUrgent },
      calls,
    };
    const worker = startModuleThread(THREAD, {
      workerData: order,
      name: 'scan',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB },
    });
    const units = { running: undefined, between: undefined };
    const thread: Thread = { worker, calls: new Int32Array(calls), ...units, cause: undefined };
    this.#threads.add(thread);
    worker.on('message', (message: FromThread) => this.#hear(thread, message));
    worker.on('error', (cause) => {
      thread.cause = cause;
    });
    worker.once('exit', () => this.#lose(thread));
    return thread;
  }

  #hear(thread: Thread, message: FromThread): void {
    const job = this.#release(thread, message.id, message.busy_ms);
    if (message.say === 'done') job?.unitDone(message.result);
    else job?.unitFailed(receivedError(message.error));
    this.#dispatch();
  }

  #release(thread: Thread, id: number, busy_ms: number): ScanJob | undefined {
    const { running, between } = thread;
    const unit = [running, between].find((own) => own?.id === id);
    if (unit === undefined) return undefined;
    if (unit === running) thread.running = undefined;
    else thread.between = undefined;
    clearTimeout(unit.watchdog);
    this.#turns.end(unit.job, unit.cost_ms, busy_ms);
    this.#options.onBusy?.(unit.kind, busy_ms);
    return unit.job;
  }

  #lose(thread: Thread): void {
    this.#threads.delete(thread);
    const why = thread.cause === undefined ? 'it ended by itself' : String(thread.cause);
    for (const unit of [thread.running, thread.between]) {
      const job = unit === undefined ? undefined : this.#release(thread, unit.id, 0);
      job?.unitFailed(threadFailed(`The thread that ran the query failed: ${why}.`, thread.cause));
    }
    this.#dispatch();
  }
}

function isIdle({ running, between }: Thread): boolean {
  return running === undefined && between === undefined;
}

function threadFailed(message: string, cause: unknown): QueryRunError {
  return new QueryRunError('query_thread_failed', message, {
    retryAfter_ms: 1_000,
    ...(cause === undefined ? {} : { cause }),
  });
}

function handedOver(run: ScanTask): ArrayBuffer[] {
  if (run.task === 'whole') return [];
  const bytes = run.task === 'part' ? [run.sum] : run.sums;
  return bytes.flatMap((each) => (each === undefined ? [] : [each.buffer as ArrayBuffer]));
}
