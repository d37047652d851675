import type { MillraceError } from '../base/index.ts';
import { CancelFlag } from './cancel.ts';
import type { Lane } from './limits.ts';
import type { ScanResult, ScanTask } from './scan-message.ts';

export interface JobUnit {
  readonly cost_ms: number;
  /** Called once, when a thread takes it. */
  task(): ScanTask;
}

export interface JobOptions {
  readonly tenant: string;
  readonly lane: Lane;
  readonly units: readonly JobUnit[];
  readonly onResult: (result: ScanResult) => void;
}

/** The units of one query that wait for threads or run in them. */
export class ScanJob {
  readonly tenant: string;
  readonly lane: Lane;
  readonly flag = new CancelFlag();
  /** Resolves when every unit has ended well, rejects with the first error. */
  readonly done: Promise<void>;
  /** Resolves when no thread runs a unit of it any more and none will. */
  readonly ended: Promise<void>;
  /** CPU of all its units, estimated. */
  readonly cost_ms: number;
  /** CPU that it had, ms. */
  used_ms = 0;
  readonly #units: readonly JobUnit[];
  readonly #onResult: (result: ScanResult) => void;
  #next = 0;
  #running = 0;
  #isSettled = false;
  #resolve: () => void = () => undefined;
  #reject: (error: MillraceError) => void = () => undefined;
  #end: () => void = () => undefined;

  constructor({ tenant, lane, units, onResult }: JobOptions) {
    this.tenant = tenant;
    this.lane = lane;
    this.#units = units;
    this.cost_ms = units.reduce((sum, { cost_ms }) => sum + cost_ms, 0);
    this.#onResult = onResult;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#settleIfDone();
  }

  /** The cost of the next unit, ms; undefined when none waits. */
  get next_ms(): number | undefined {
    return this.#isSettled ? undefined : this.#units[this.#next]?.cost_ms;
  }

  take(): ScanTask {
    const unit = this.#units[this.#next++] as JobUnit;
    this.#running++;
    return unit.task();
  }

  unitDone(result: ScanResult): void {
    this.#running--;
    if (!this.#isSettled) this.#onResult(result);
    this.#settleIfDone();
  }

  unitFailed(error: MillraceError): void {
    this.#running--;
    this.fail(error);
  }

  /** No further unit is taken; those that run are told to stop. */
  fail(error: MillraceError): void {
    this.flag.raise();
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(error);
    }
    if (this.#running === 0) this.#end();
  }

  #settleIfDone(): void {
    if (this.#running > 0) return;
    if (!this.#isSettled && this.#next < this.#units.length) return;
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#resolve();
    }
    this.#end();
  }
}
