import { Worker } from 'node:worker_threads';
import type { CellReport, CellsOfInterest } from '../../analytics/index.ts';
import { builtModule, MillraceError, TASK_THREAD_LIMITS } from '../../engine/index.ts';
import type {
  BuildOrder,
  BuildReport,
  BuildRequestMessage,
  BuildThreadData,
  Comparison,
  Found,
} from './build-message.ts';
import type { Goal, ReadProgress } from './rebuild.ts';

const NAME = import.meta.url.endsWith('.ts') ? './build-thread.ts' : './build-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

interface Waiting {
  readonly done: (found: Found) => void;
  readonly fail: (error: unknown) => void;
}

/** A build in a thread of its own, told one thing after the other. */
export class Builder {
  readonly #order: Omit<BuildOrder, 'isPatient'>;
  readonly #onProgress: (inputs: readonly ReadProgress[], applied: number) => void;
  #worker: Worker;
  #exited: Promise<void> = Promise.resolve();
  #waiting: Waiting | undefined;
  #failure: unknown;
  #isCancelled = false;
  /** Records that threads before this one have applied. */
  #appliedBefore = 0;
  /** Records that were applied. */
  applied = 0;

  constructor(
    order: Omit<BuildOrder, 'isPatient'>,
    onProgress: (inputs: readonly ReadProgress[], applied: number) => void,
  ) {
    this.#order = order;
    this.#onProgress = onProgress;
    this.#worker = this.#begin(true);
  }

  #begin(isPatient: boolean): Worker {
    const data: BuildThreadData = {
      millrace: 'generation-build',
      order: { ...this.#order, module: builtModule(this.#order.module), isPatient },
    };
    const worker = new Worker(THREAD, {
      workerData: data,
      name: 'build',
      resourceLimits: TASK_THREAD_LIMITS,
    });
    worker.on('message', (report: BuildReport) => {
      if (report.kind !== 'failed') this.applied = this.#appliedBefore + report.applied;
      if (report.kind === 'progress') this.#onProgress(report.inputs, this.applied);
      else if (report.kind === 'done') this.#settle(({ done }) => done(report.found));
      else {
        const { code, message, retriable } = report;
        this.#settle(({ fail }) => fail(new MillraceError(code, message, { retriable })));
      }
    });
    worker.on('error', (error) => {
      this.#failure = error;
      this.#settle(({ fail }) => fail(error));
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#failure ??= new MillraceError('build_thread_ended', 'The thread of the build has ended.');
        this.#settle(({ fail }) => fail(this.#failure));
        resolve();
      });
    });
    return worker;
  }

  /** Goes on with the priority of the live task: a thread that stepped back may not step forward again. */
  async hurry(): Promise<void> {
    await this.close();
    this.#failure = undefined;
    this.#appliedBefore = this.applied;
    this.#worker = this.#begin(false);
    if (this.#isCancelled) this.cancel();
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #ask(request: BuildRequestMessage): Promise<Found> {
    return new Promise((done, fail) => {
      if (this.#failure !== undefined) {
        fail(this.#failure);
        return;
      }
      this.#waiting = { done, fail };
      this.#worker.postMessage(request);
    });
  }

  /** Reads on to these sequences and commits there. */
  async read(goal: Goal): Promise<void> {
    await this.#ask({ do: 'read', goal });
  }

  /** Reads on to where the live state is, and compares the two there. */
  async compare(): Promise<Comparison> {
    const { comparison } = await this.#ask({ do: 'compare' });
    if (comparison === undefined) throw new MillraceError('internal', 'A comparison gives a result.');
    return comparison;
  }

  /** Compares the cells of the two states; null where the live one went on too fast for that. */
  async cells(of: CellsOfInterest): Promise<CellReport | null> {
    return (await this.#ask({ do: 'cells', of })).cells ?? null;
  }

  /** Lets event time follow the clock as far as it did in the live state. */
  async follow(): Promise<void> {
    await this.#ask({ do: 'follow' });
  }

  /** Has it wait for the lost events that the live state waits for. */
  async inherit(): Promise<void> {
    await this.#ask({ do: 'inherit' });
  }

  /** What it does fails with `build_cancelled`, and so does what it is told later. */
  cancel(): void {
    this.#isCancelled = true;
    this.#worker.postMessage({ do: 'cancel' } satisfies BuildRequestMessage);
  }

  /** Ends the thread; what was committed stays. */
  async close(): Promise<void> {
    this.#worker.postMessage({ do: 'close' } satisfies BuildRequestMessage);
    await this.#exited;
  }
}
