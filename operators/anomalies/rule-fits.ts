import type { BackgroundFit } from '../detect/index.ts';
import type { FitPlace, FitTicket } from './fit-place.ts';
import type { SeriesState } from './series-rows.ts';

export interface FitsContext {
  readonly place: FitPlace;
  /** The rule waits no longer. */
  readonly wake: () => void;
  /** Ended: with a model, or without one. */
  readonly ended: (isMade: boolean) => void;
}

interface Begun {
  /** Which fit of its series, as `BackgroundFit.dueOf` names it. */
  readonly due: number;
  readonly ticket: FitTicket;
  isEnded: boolean;
  model: Uint8Array | undefined;
}

/**
 * The fits of one rule's series that are made beside the task. Which windows use which model goes by the series alone;
 * where a model is not there yet, the windows that need it wait, and the task does not. Nothing of it is stored: after
 * a restart the same fits are begun again, from the same states.
 */
export class RuleFits {
  readonly #context: FitsContext;
  readonly #background: BackgroundFit;
  readonly #begun = new Map<string, Begun>();
  /** Series whose fits are due and found no place. */
  readonly #refused = new Set<string>();
  #running = 0;
  #isWaiting = false;

  constructor(context: FitsContext, background: BackgroundFit) {
    this.#context = context;
    this.#background = background;
  }

  /** The next windows need a fit that is not made. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Fits that are begun and not made, or found no place. */
  get open(): number {
    return this.#running + this.#refused.size;
  }

  /**
   * How many of the next windows can be judged with the models that there are; begins those that are due. `fresh` is the
   * state that a series begins with. At 0 the rule waits, and is woken.
   */
  windowsLeft(series: Iterable<readonly [string, SeriesState]>, fresh: Uint8Array): number {
    let left = this.#background.windowsLeft(fresh, false);
    for (const [key, { state }] of series) {
      this.follow(key, state);
      left = Math.min(left, this.#background.windowsLeft(state, this.#begun.get(key)?.isEnded === true));
    }
    this.#isWaiting = left <= 0;
    return left;
  }

  /** Begins the fit that a series waits for; lets go of one that it no longer does. */
  follow(key: string, state: Uint8Array): void {
    const due = this.#background.dueOf(state);
    if (due !== undefined && this.#begun.get(key)?.due === due) return;
    this.#drop(key);
    const request = due === undefined ? undefined : this.#background.requestOf(state);
    if (due === undefined || request === undefined) return;
    const ticket = this.#context.place.begin(request, (model) => this.#end(key, due, model));
    if (ticket === undefined) {
      this.#refused.add(key);
      return;
    }
    this.#begun.set(key, { due, ticket, isEnded: false, model: undefined });
    this.#running++;
  }

  /** Begins those that found no place, as long as there is one. */
  beginRefused(stateOf: (key: string) => Uint8Array | undefined): void {
    for (const key of [...this.#refused]) {
      const state = stateOf(key);
      if (state === undefined) this.forget(key);
      else this.follow(key, state);
      if (this.#refused.has(key)) return;
    }
  }

  /** The model for the fit that a state waits for; undefined: it is made where it is needed. */
  modelFor(key: string, state: Uint8Array): Uint8Array | undefined {
    const begun = this.#begun.get(key);
    return begun !== undefined && this.#background.dueOf(state) === begun.due ? begun.model : undefined;
  }

  /** The series is another one now: what was begun for it is of no use. */
  forget(key: string): void {
    const begun = this.#begun.get(key);
    if (begun === undefined && !this.#refused.has(key)) return;
    this.#drop(key);
    this.#goOn();
  }

  #drop(key: string): void {
    const begun = this.#begun.get(key);
    this.#refused.delete(key);
    this.#begun.delete(key);
    if (begun?.isEnded !== false) return;
    begun.ticket.cancel();
    this.#close(false);
  }

  forgetAll(): void {
    for (const key of [...this.#begun.keys(), ...this.#refused]) this.forget(key);
  }

  #end(key: string, due: number, model: Uint8Array | undefined): void {
    const begun = this.#begun.get(key);
    if (begun === undefined || begun.due !== due || begun.isEnded) return;
    begun.isEnded = true;
    begun.model = model;
    this.#close(model !== undefined);
    this.#goOn();
  }

  #close(isMade: boolean): void {
    this.#running--;
    this.#context.ended(isMade);
  }

  /** Once for all fits of a rule: each time it goes on costs a commit. */
  #goOn(): void {
    if (this.#running > 0) return;
    if (this.#isWaiting || this.#refused.size > 0) this.#context.wake();
    if (this.#refused.size === 0) this.#isWaiting = false;
  }
}
