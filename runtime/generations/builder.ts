import { Worker } from 'node:worker_threads';
import { MillraceError, TASK_THREAD_LIMITS } from '../../engine/index.ts';
import { builtModule } from '../host/index.ts';
import type {
  BuildOrder,
  BuildReport,
  BuildRequestMessage,
  BuildThreadData,
  Comparison,
} from './build-message.ts';
import type { Goal, ReadProgress } from './rebuild.ts';

const NAME = import.meta.url.endsWith('.ts') ? './build-thread.ts' : './build-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

interface Waiting {
  readonly done: (comparison: Comparison | undefined) => void;
  readonly fail: (error: unknown) => void;
}

/** A build in a thread of its own, told one thing after the other. */
export class Builder {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #waiting: Waiting | undefined;
  #failure: unknown;
  /** Records that this thread has applied. */
  applied = 0;

  constructor(order: BuildOrder, onProgress: (inputs: readonly ReadProgress[], applied: number) => void) {
    const data: BuildThreadData = {
      millrace: 'generation-build',
      order: { ...order, module: builtModule(order.module) },
    };
    this.#worker = new Worker(THREAD, {
      workerData: data,
      name: 'build',
      resourceLimits: TASK_THREAD_LIMITS,
    });
    this.#worker.on('message', (report: BuildReport) => {
      if (report.kind !== 'failed') this.applied = report.applied;
      if (report.kind === 'progress') onProgress(report.inputs, report.applied);
      else if (report.kind === 'done') this.#settle(({ done }) => done(report.comparison));
      else {
        const { code, message, retriable } = report;
        this.#settle(({ fail }) => fail(new MillraceError(code, message, { retriable })));
      }
    });
    this.#worker.on('error', (error) => {
      this.#failure = error;
      this.#settle(({ fail }) => fail(error));
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#failure ??= new MillraceError('build_thread_ended', 'The thread of the build has ended.');
        this.#settle(({ fail }) => fail(this.#failure));
        resolve();
      });
    });
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #ask(request: BuildRequestMessage): Promise<Comparison | undefined> {
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
    const comparison = await this.#ask({ do: 'compare' });
    if (comparison === undefined) throw new MillraceError('internal', 'A comparison gives a result.');
    return comparison;
  }

  /** Lets event time follow the clock as far as it did in the live state. */
  async follow(): Promise<void> {
    await this.#ask({ do: 'follow' });
  }

  /** What it does fails with `build_cancelled`, and so does what it is told later. */
  cancel(): void {
    this.#worker.postMessage({ do: 'cancel' } satisfies BuildRequestMessage);
  }

  /** Ends the thread; what was committed stays. */
  async close(): Promise<void> {
    this.#worker.postMessage({ do: 'close' } satisfies BuildRequestMessage);
    await this.#exited;
  }
}
