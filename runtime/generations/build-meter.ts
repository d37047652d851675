import type { Clock } from '../../engine/index.ts';
import type { ReadProgress } from './rebuild.ts';

export type BuildPhase =
  /** Of the stream, up to where the live state is. */
  | 'reading'
  | 'comparing'
  | 'catching_up'
  /** The live task is stopped, and the new generation takes its place. */
  | 'changing';

export interface BuildProgress {
  readonly generation: number;
  readonly phase: BuildPhase;
  /** Last sequence of the stream that is in the state. */
  readonly position: number;
  /** Where it is to come next: the live state's position, which goes on. */
  readonly goal: number;
  /** Of what is to be read, 0 to 1. */
  readonly share: number;
  /** Records applied by this process. */
  readonly records: number;
  /** Records a second since it began. */
  readonly records_per_s: number;
}

const MS_PER_SECOND = 1_000;

/** Tells how far a build is. */
export class BuildMeter {
  readonly #generation: number;
  readonly #clock: Clock;
  readonly #started_ms: number;
  readonly #onProgress: ((progress: BuildProgress) => void) | undefined;
  #phase: BuildPhase = 'reading';
  #position = 0;
  #goal = 0;
  #records = 0;

  constructor(generation: number, clock: Clock, onProgress: ((progress: BuildProgress) => void) | undefined) {
    this.#generation = generation;
    this.#clock = clock;
    this.#started_ms = clock.now();
    this.#onProgress = onProgress;
  }

  enter(phase: BuildPhase): void {
    this.#phase = phase;
    this.#tell();
  }

  tell(inputs: readonly ReadProgress[], records: number): void {
    this.#goal = inputs.reduce((sum, { goal }) => sum + goal, 0);
    this.#position = inputs.reduce((sum, { position }) => sum + position, 0);
    this.#records = records;
    this.#tell();
  }

  #tell(): void {
    const elapsed_s = Math.max(1, this.#clock.now() - this.#started_ms) / MS_PER_SECOND;
    this.#onProgress?.({
      generation: this.#generation,
      phase: this.#phase,
      position: this.#position,
      goal: this.#goal,
      share: this.#goal === 0 ? 0 : this.#position / this.#goal,
      records: this.#records,
      records_per_s: Math.round(this.#records / elapsed_s),
    });
  }
}
