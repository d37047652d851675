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
  #share = 0;
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
    const goal = inputs.reduce((sum, input) => sum + input.goal, 0);
    const position = inputs.reduce((sum, input) => sum + input.position, 0);
    this.#share = goal === 0 ? 1 : position / goal;
    this.#records = records;
    this.#tell();
  }

  #tell(): void {
    const elapsed_s = Math.max(1, this.#clock.now() - this.#started_ms) / MS_PER_SECOND;
    this.#onProgress?.({
      generation: this.#generation,
      phase: this.#phase,
      share: this.#share,
      records: this.#records,
      records_per_s: Math.round(this.#records / elapsed_s),
    });
  }
}
