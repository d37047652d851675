import type { SeededRandom } from '../base/index.ts';
import { type ControlInput, type ControlSet, ManualControl } from '../control/index.ts';

/** A user makes or changes a definition; without a body: deletes it. */
export interface SimulatedDefinition {
  readonly kind: string;
  readonly scope: string;
  readonly id: string;
  readonly body?: unknown;
}

/** Looks in a row at most that find a new life without its definitions. */
const MAX_UNKNOWN = 6;
const CHANGE_SHARE = 0.15;

/** The bucket of definitions: outlives crashes. Users change it at moments that follow from the seed. */
export class SimulatedControl {
  /** After so many changes. */
  readonly #sets: readonly ControlSet[];
  readonly #random: SeededRandom;
  #made = 0;

  constructor(changes: readonly SimulatedDefinition[], random: SeededRandom) {
    const control = new ManualControl('SIMULATED');
    this.#random = random;
    this.#sets = [
      control.current(),
      ...changes.map(({ kind, scope, id, body }) => {
        if (body === undefined) control.remove(kind, scope, id);
        else control.define(kind, scope, id, body);
        return control.current();
      }),
    ];
  }

  get isAtEnd(): boolean {
    return this.#made === this.#sets.length - 1;
  }

  makeAll(): void {
    this.#made = this.#sets.length - 1;
  }

  /** What one life of a task sees: nothing at first, perhaps an older state than the last life saw, then what comes. */
  open(): SimulatedControlInput {
    const random = this.#random;
    return new SimulatedControlInput(this.#sets, random, () => {
      if (!this.isAtEnd && random.chance(CHANGE_SHARE)) this.#made++;
      return this.#made;
    });
  }
}

export class SimulatedControlInput implements ControlInput {
  readonly #sets: readonly ControlSet[];
  readonly #random: SeededRandom;
  readonly #made: () => number;
  #unknown: number;
  #seen = 0;
  #calm = false;

  constructor(sets: readonly ControlSet[], random: SeededRandom, made: () => number) {
    this.#sets = sets;
    this.#random = random;
    this.#made = made;
    this.#unknown = random.int(0, MAX_UNKNOWN);
    this.#seen = random.int(0, made());
  }

  /** To be called between two steps. */
  advance(): void {
    const made = this.#made();
    if (this.#unknown > 0) this.#unknown--;
    else if (this.#calm) this.#seen = made;
    else this.#seen = this.#random.int(this.#seen, made);
  }

  /** From now on it sees what there is. */
  calm(): void {
    this.#calm = true;
    this.#unknown = 0;
    this.advance();
  }

  current(): ControlSet | undefined {
    return this.#unknown > 0 ? undefined : this.#sets[this.#seen];
  }
}
