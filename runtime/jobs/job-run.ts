import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { asMillraceError, type Clock, type KeyValueStore, MillraceError } from '../../engine/index.ts';
import { ErrorList } from './error-list.ts';
import type { JobBoard, JobEntry } from './job-board.ts';
import { type Ending, finished, released } from './job-changes.ts';
import type { JobFiles } from './job-files.ts';
import type { JobKind, JobStep } from './job-kind.ts';
import { VALUE_MAX_BYTES } from './job-limits.ts';
import { isFinished, type JobRecord } from './job-record.ts';
import { ProgressRate } from './progress-rate.ts';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

export interface JobRunParts {
  readonly board: JobBoard;
  readonly errors: KeyValueStore;
  readonly files: JobFiles;
  readonly clock: Clock;
  readonly monotonic: () => number;
  readonly log: Logger;
}

/** Why an attempt ends before its kind is done. */
type Interruption = 'cancel' | 'pause' | 'stop' | 'lost';

const REASONS: Readonly<Record<Interruption, string>> = {
  cancel: 'The job was cancelled.',
  pause: 'The job was paused.',
  stop: 'The process stops.',
  lost: 'Another process has taken the job.',
};

/** One attempt at a job by its owner, from the claim to the record that says how it ended. */
export class JobRun {
  readonly #parts: JobRunParts;
  readonly #kind: JobKind;
  readonly #disk: string;
  readonly #rate: ProgressRate;
  readonly #abort = new AbortController();
  #entry: JobEntry;
  #errors: ErrorList | undefined;
  /** Of the record, what steps have changed since it was written. */
  #step: Partial<JobRecord> | undefined;
  #interruption: Interruption | undefined;
  #flushing: Promise<void> | undefined;

  constructor(parts: JobRunParts, kind: JobKind, claimed: JobEntry, disk: string) {
    this.#parts = parts;
    this.#kind = kind;
    this.#entry = claimed;
    this.#disk = disk;
    this.#rate = new ProgressRate(parts.monotonic(), claimed.record.progress.done);
  }

  get lane(): JobRecord['lane'] {
    return this.#entry.record.lane;
  }

  /** Ends the attempt at its next step. An earlier reason stands, but for that the job is not ours any more. */
  interrupt(why: Interruption): void {
    if (this.#interruption === undefined || why === 'lost') this.#interruption = why;
    this.#abort.abort(new MillraceError('job_interrupted', REASONS[why]));
  }

  /** What the bucket says of the job: somebody may want something of it, or have taken it. */
  heard(entry: JobEntry | undefined): void {
    if (entry === undefined || !this.#isOurs(entry.record)) {
      // Our own last write says that nobody owns it.
      if (entry?.record.attempt !== this.#entry.record.attempt) this.interrupt('lost');
      return;
    }
    if (entry.record.wanted !== null) this.interrupt(entry.record.wanted);
  }

  #isOurs({ owner, attempt }: JobRecord): boolean {
    return attempt === this.#entry.record.attempt && owner?.process === this.#entry.record.owner?.process;
  }

  /** Resolves when the record says how the attempt ended, or when that is another process's to say. */
  async run(): Promise<void> {
    const { record } = this.#entry;
    this.heard(this.#parts.board.known(record.job_id));
    let ending: Omit<Ending, 'now_ms'>;
    try {
      const errors = await this.#patiently(() => ErrorList.open(this.#parts.errors, record));
      this.#errors = errors;
      this.#abort.signal.throwIfAborted();
      const { result, file } = await this.#kind.run({
        record,
        signal: this.#abort.signal,
        advance: (step) => this.#advance(step, errors),
      });
      ending = { status: 'succeeded', result, file: file && { ...file, disk: this.#disk } };
    } catch (thrown) {
      if (this.#interruption !== undefined) return await this.#giveBack(this.#interruption);
      this.#parts.log.error({ err: thrown, job_id: record.job_id }, 'a job failed');
      const { code, message } = asMillraceError(thrown);
      ending = { status: 'failed', error: { code, message } };
    }
    await this.#end(ending);
  }

  #advance({ done, total, unit, state, counts, errors, result }: JobStep, list: ErrorList): void {
    if (this.#interruption === 'lost') return;
    if (errors !== undefined) list.add(errors);
    const rate = this.#rate.of(this.#parts.monotonic(), { done, total });
    this.#step = {
      ...this.#step,
      progress: { done, total, unit, ...rate },
      errors: list.counts,
      stalled_attempts: 0,
      ...(state === undefined ? {} : { state: checked('state', state) }),
      ...(counts === undefined ? {} : { counts: { ...counts } }),
      ...(result === undefined ? {} : { result: checked('result', result) }),
    };
  }

  /** Keeps the last step, if there is a new one. Throws when the bucket does not answer; the step is not lost then. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const step = this.#step;
    if (step === undefined || this.#interruption === 'lost') return;
    if ((await this.#errors?.flush()) === false) return this.interrupt('lost');
    if (!(await this.#write((record) => ({ ...record, ...step })))) return;
    if (this.#step === step) this.#step = undefined;
  }

  async #giveBack(why: Interruption): Promise<void> {
    if (why === 'lost') return;
    const { clock } = this.#parts;
    // What is wanted of it may have changed since: the record decides.
    await this.#settle((record) => released(record, clock.now()));
  }

  async #end(ending: Omit<Ending, 'now_ms'>): Promise<void> {
    const { clock } = this.#parts;
    const checkedEnding =
      ending.result === undefined ? ending : { ...ending, result: checked('result', ending.result) };
    await this.#settle((record) => finished(record, { ...checkedEnding, now_ms: clock.now() }));
  }

  /** The last write of the attempt, tried until the bucket answers. */
  async #settle(change: (record: JobRecord) => JobRecord): Promise<void> {
    const before = this.#entry.record;
    await this.#patiently(async () => {
      await this.#flushing;
      await this.#flush();
      await this.#write(change);
    });
    const { record } = this.#entry;
    if (this.#interruption === 'lost' || !isFinished(record)) return;
    await this.#kind.dispose?.(before);
    await this.#parts.files.free(record);
  }

  /** A compare-and-set that gives way to what others want of the job. False: it is another process's. */
  async #write(change: (record: JobRecord) => JobRecord): Promise<boolean> {
    for (;;) {
      const written = await this.#parts.board.update(change(this.#entry.record), this.#entry.revision);
      if (written.ok) {
        this.#entry = written.entry;
        return true;
      }
      const { current } = written;
      if (current === undefined || current.record.attempt !== this.#entry.record.attempt) {
        this.interrupt('lost');
        return false;
      }
      const isOurs = this.#isOurs(current.record);
      this.#entry = current;
      // Ours of before, whose answer did not come.
      if (!isOurs) return true;
      if (current.record.wanted !== null) this.interrupt(current.record.wanted);
    }
  }

  /** Tries again while the bucket is away; a stop ends that. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let pause_ms = RETRY_MIN_MS; ; pause_ms = Math.min(RETRY_MAX_MS, 2 * pause_ms)) {
      try {
        return await work();
      } catch (error) {
        const isRetriable = error instanceof MillraceError && error.retriable;
        if (!isRetriable || this.#interruption === 'stop') throw error;
        const { job_id } = this.#entry.record;
        this.#parts.log.warn({ err: error, job_id, pause_ms }, 'a job waits for the bucket of jobs');
        await sleep(pause_ms);
      }
    }
  }
}

function checked(what: string, value: unknown): unknown {
  const size_bytes = Buffer.byteLength(JSON.stringify(value) ?? '');
  if (size_bytes <= VALUE_MAX_BYTES) return value;
  throw new MillraceError(
    'job_value_too_large',
    `The ${what} of a job has ${size_bytes} bytes, ${VALUE_MAX_BYTES} are allowed. Write it into the job's file.`,
  );
}
