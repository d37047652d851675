import { existsSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { type MillraceError, startModuleThread, stateDamaged } from '../../engine/index.ts';
import type { PageOrder, PageReport } from './page-message.ts';

/** A pass rests for so many times as long as it took: it costs 5 % of a core at most. */
const RESTS = 20;
/** The first one comes sooner, ms. */
const FIRST_MAX_MS = 10_000;
const NAME = import.meta.url.endsWith('.ts') ? './page-thread.ts' : './page-thread.js';

/**
 * Goes through the pages of a state again and again, in a thread that is there for a pass: no query can see that a broken
 * page of a tree hides rows. What it finds holds: damage does not pass.
 */
export class PageWatch {
  readonly #statePath: string;
  readonly #every_ms: number;
  readonly #stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #damage: MillraceError | undefined;

  /** Passes begin `every_ms` after one another, or later where they take long; 0: there are none. */
  constructor(statePath: string, every_ms: number) {
    this.#statePath = statePath;
    this.#every_ms = every_ms;
    if (every_ms > 0) this.#begin(Math.min(every_ms, FIRST_MAX_MS));
  }

  get damage(): MillraceError | undefined {
    return this.#damage;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    await this.#running;
  }

  get #isStopped(): boolean {
    return Atomics.load(new Int32Array(this.#stop), 0) !== 0;
  }

  #begin(after_ms: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#pass().then((took_ms) => {
        if (!this.#isStopped && this.#damage === undefined)
          this.#begin(Math.max(this.#every_ms, RESTS * took_ms));
      });
    }, after_ms);
    this.#timer.unref();
  }

  /** How long it took, ms. Does not reject: a pass that could not be made says nothing. */
  async #pass(): Promise<number> {
    if (!existsSync(this.#statePath)) return 0;
    const first = await this.#look();
    // Beside a writer one look may be unlucky; what is damaged is so at the second one too.
    const report = (first?.problems ?? []).length > 0 && !this.#isStopped ? await this.#look() : first;
    const [problem] = report?.problems ?? [];
    if (problem !== undefined && !this.#isStopped) this.#damage = stateDamaged(problem.replace(/\.$/, ''));
    return report?.took_ms ?? 0;
  }

  #look(): Promise<PageReport | undefined> {
    const workerData: PageOrder = { millrace: 'pages', statePath: this.#statePath, stop: this.#stop };
    return reportOf(startModuleThread(new URL(NAME, import.meta.url), { workerData, name: 'pages' }));
  }
}

/** What a thread says before it ends; undefined where it ends without a word. */
function reportOf(worker: Worker): Promise<PageReport | undefined> {
  let report: PageReport | undefined;
  return new Promise((resolve) => {
    worker.on('message', (said: PageReport) => {
      report = said;
    });
    worker.once('error', () => undefined);
    worker.once('exit', () => resolve(report));
  });
}
