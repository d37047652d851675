import { asMillraceError, type Clock, type MillraceError } from '../base/index.ts';

/** What a supervisor's task does: it starts or runs, waits for the next try, has failed for good, or was stopped. */
export type SupervisedState = 'starting' | 'running' | 'restarting' | 'failed' | 'stopped';

/** One run of a task, wherever it runs. */
export interface TaskRun {
  /** Resolves when it was stopped and has committed; rejects with what broke it. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** What is supervised, and how long it waits between tries, ms; pauses double from the first to the largest. */
export interface SupervisorOptions {
  /** Starts a run; `running` is to be called once it processes. */
  readonly spawn: (running: () => void) => TaskRun;
  readonly clock: Clock;
  readonly onChange?: (state: SupervisedState, error: MillraceError | undefined) => void;
  readonly backoff_first_ms?: number;
  readonly backoff_max_ms?: number;
  /** How long a run has to last after an error before it counts as running again. */
  readonly steady_ms?: number;
}

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5_000;
/** Longer than a run needs to its first commit, which is where a full disk shows. */
const STEADY_MS = 2_000;

/**
 * Keeps a task running: after a retriable error (a full disk, a server that is away) it starts a new run
 * from the last commit, with a growing pause; any other error is for a person to look at, and the task
 * stays failed while what was committed can still be read.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #state: SupervisedState = 'stopped';
  #error: MillraceError | undefined;
  #since_ms: number;
  #run: TaskRun | undefined;
  #stopping = false;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  restarts = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#since_ms = options.clock.now();
  }

  get status(): {
    readonly state: SupervisedState;
    readonly error: MillraceError | undefined;
    readonly since_ms: number;
  } {
    return { state: this.#state, error: this.#error, since_ms: this.#since_ms };
  }

  start(): void {
    this.#loop ??= this.#supervise();
  }

  #change(state: SupervisedState, error: MillraceError | undefined): void {
    this.#state = state;
    this.#error = error;
    this.#since_ms = this.#options.clock.now();
    this.#options.onChange?.(state, error);
  }

  async #supervise(): Promise<void> {
    const first_ms = this.#options.backoff_first_ms ?? BACKOFF_FIRST_MS;
    let pause_ms = first_ms;
    this.#change('starting', undefined);
    while (!this.#stopping) {
      let steady: NodeJS.Timeout | undefined;
      const settle = (): void => {
        pause_ms = first_ms;
        this.#change('running', undefined);
      };
      this.#run = this.#options.spawn(() => {
        // A run that is about to fail like the one before must not look like a recovery in between.
        if (this.#error === undefined) settle();
        else steady = setTimeout(settle, this.#options.steady_ms ?? STEADY_MS);
      });
      try {
        await this.#run.ended.finally(() => clearTimeout(steady));
        break;
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (this.#stopping) break;
        if (!error.retriable) {
          this.#change('failed', error);
          return;
        }
        this.restarts++;
        this.#change('restarting', error);
        // Each start puts a record aside or comes nearer to it: nothing to wait for.
        if (error.code === 'record_failed') continue;
        await this.#sleep(pause_ms);
        pause_ms = Math.min(pause_ms * 2, this.#options.backoff_max_ms ?? BACKOFF_MAX_MS);
      }
    }
    this.#change('stopped', this.#error);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Lets the task commit what it has taken, and ends. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#run?.stop();
    this.#wake?.();
    await this.#loop;
  }
}
