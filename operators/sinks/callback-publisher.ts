import { MillraceError, type OutMessage, type Publisher, TIMER_MAX_MS } from '../../engine/index.ts';

/** Messages for callbacks have subjects that begin with it; the name of the callback follows. */
export const CALLBACK_SUBJECTS = 'callback.';

/** A message as a callback gets it. */
export interface CallbackMessage {
  /** The same for every repeat: what is done twice under one id is done once too often. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** From 1. A repeat after a restart begins at 1 again. */
  readonly attempt: number;
  /** The payload as JSON. */
  json(): unknown;
}

/** Resolves when it is done. What it rejects with is tried again; a `MillraceError` that is not retriable is not. */
export type Callback = (message: CallbackMessage, signal: AbortSignal) => Promise<void>;

/** How a callback is called: at once, how long, how often. */
export interface CallbackLimits {
  /** Calls at once; with more than one their order is not kept. */
  readonly max_in_flight: number;
  /** A call that takes longer has failed, ms; Infinity: none does. Its signal is aborted: a function that goes on runs beside its repeat. */
  readonly timeout_ms: number;
  /** Pause before the first repeat, ms; it doubles with each. */
  readonly retry_first_ms: number;
  readonly retry_max_ms: number;
  /** Calls of one message before it is given up. */
  readonly max_attempts: number;
}

/** Limits of a callback that is registered without its own. */
export const DEFAULT_CALLBACK_LIMITS: CallbackLimits = {
  max_in_flight: 1,
  timeout_ms: 30_000,
  retry_first_ms: 200,
  retry_max_ms: 30_000,
  max_attempts: 10,
};

interface Waiting {
  readonly message: OutMessage;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Routes the messages of `toCallback` to async functions and all others to the publisher behind it. The outbox
 * gives as many as may run at once. A message is acknowledged when its call has succeeded.
 */
export class CallbackPublisher implements Publisher {
  readonly #next: Publisher | undefined;
  readonly #lanes = new Map<string, Lane>();
  readonly #closing = new AbortController();

  constructor(next?: Publisher) {
    this.#next = next;
  }

  /** Throws `duplicate_callback` for a name that is taken, `bad_config` for limits that let no call be. */
  register(name: string, callback: Callback, limits: Partial<CallbackLimits> = {}): this {
    if (this.#lanes.has(name)) {
      throw new MillraceError('duplicate_callback', `There is a callback "${name}" already.`);
    }
    const all = { ...DEFAULT_CALLBACK_LIMITS, ...limits };
    for (const [what, limit] of Object.entries(all)) {
      if (limit >= (what.startsWith('max_') ? 1 : 0)) continue;
      throw new MillraceError(
        'bad_config',
        `Callback "${name}" has the ${what} ${limit}, with which it is never called.`,
      );
    }
    this.#lanes.set(name, new Lane(name, callback, all, this.#closing.signal));
    return this;
  }

  /** The outbox keeps the order of calls that run one at a time also when one has to be repeated. */
  maxInFlight(subject: string): number {
    if (!subject.startsWith(CALLBACK_SUBJECTS)) return this.#next?.maxInFlight?.(subject) ?? 1;
    return this.#lanes.get(subject.slice(CALLBACK_SUBJECTS.length))?.maxInFlight ?? 1;
  }

  /** Calls that wait for their repeat or hang must not keep the places of what goes to streams. */
  isApart(subject: string): boolean {
    return subject.startsWith(CALLBACK_SUBJECTS) || this.#next?.isApart?.(subject) === true;
  }

  publish(message: OutMessage, isFirst?: boolean): Promise<unknown> {
    const { subject } = message;
    if (!subject.startsWith(CALLBACK_SUBJECTS)) {
      if (this.#next !== undefined) return this.#next.publish(message, isFirst);
      return Promise.reject(noPublisher(subject));
    }
    const name = subject.slice(CALLBACK_SUBJECTS.length);
    const lane = this.#lanes.get(name);
    return lane === undefined ? Promise.reject(notRegistered(name)) : lane.run(message);
  }

  /** Ends waiting and aborts the signals of running calls; what was not done is owed after the next start. */
  close(): void {
    this.#closing.abort();
  }
}

const noPublisher = (subject: string): MillraceError =>
  new MillraceError(
    'no_publisher',
    `Nobody publishes "${subject}": give the CallbackPublisher a publisher for messages that are no callbacks.`,
  );

const notRegistered = (name: string): MillraceError =>
  new MillraceError('callback_not_registered', `No callback "${name}" is registered.`, { retriable: true });

/** The calls of one callback. */
class Lane {
  readonly #name: string;
  readonly #callback: Callback;
  readonly #limits: CallbackLimits;
  readonly #closing: AbortSignal;
  readonly #queue: Waiting[] = [];
  #running = 0;

  constructor(name: string, callback: Callback, limits: CallbackLimits, closing: AbortSignal) {
    this.#name = name;
    this.#callback = callback;
    this.#limits = limits;
    this.#closing = closing;
  }

  get maxInFlight(): number {
    return this.#limits.max_in_flight;
  }

  run(message: OutMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#running < this.#limits.max_in_flight) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) return;
      this.#running++;
      this.#deliver(waiting.message)
        .then(waiting.resolve, waiting.reject)
        .finally(() => {
          this.#running--;
          this.#pump();
        });
    }
  }

  async #deliver(message: OutMessage): Promise<void> {
    const { max_attempts, retry_first_ms, retry_max_ms } = this.#limits;
    let pause_ms = retry_first_ms;
    for (let attempt = 1; !this.#closing.aborted; attempt++) {
      try {
        await this.#call(message, attempt);
        return;
      } catch (error) {
        if (error instanceof MillraceError && !error.retriable) throw error;
        if (attempt >= max_attempts) {
          throw new MillraceError(
            'callback_failed',
            `Callback "${this.#name}" has failed ${attempt} times for message ${message.id}: ${String(error)}`,
            { cause: error },
          );
        }
      }
      await sleep(pause_ms, this.#closing);
      pause_ms = Math.min(2 * pause_ms, retry_max_ms);
    }
    throw new MillraceError('callback_closed', `Callback "${this.#name}" was closed.`, { retriable: true });
  }

  async #call({ id, headers, payload }: OutMessage, attempt: number): Promise<void> {
    const { timeout_ms } = this.#limits;
    const controller = new AbortController();
    const json = (): unknown => JSON.parse(Buffer.from(payload).toString('utf8'));
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<never>((_, reject) => {
      const end = (why: string): void => {
        controller.abort();
        reject(new MillraceError('callback_timeout', why, { retriable: true }));
      };
      timer = setTimeout(end, Math.min(timeout_ms, TIMER_MAX_MS), `it took more than ${timeout_ms} ms`);
      this.#closing.addEventListener('abort', () => end('it was closed'), { signal: controller.signal });
    });
    try {
      const call = this.#callback({ id, headers, payload, attempt, json }, controller.signal);
      await Promise.race([call, ended]);
    } finally {
      clearTimeout(timer);
      // Also lets go of the listener.
      controller.abort();
    }
  }
}

/** Returns early when it is aborted. */
function sleep(pause_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, Math.min(pause_ms, TIMER_MAX_MS));
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
