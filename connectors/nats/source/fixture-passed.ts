import type { SeededRandom } from '../../../engine/index.ts';

/** What a test knows of one message of its stream. */
interface Message {
  readonly subject: string;
  readonly at_ms: number;
  /** Something that may have removed it has begun. */
  mayBeGone: boolean;
}

export interface PassedModelOptions {
  /** Whether the source is to give messages of this subject. */
  readonly isWanted: (subject: string) => boolean;
  /** Messages that are older may be gone, ms. */
  readonly max_age_ms?: number;
}

/**
 * What a source may give and pass, kept beside it: a wanted message that nothing has removed is given once, in
 * order, before anything after it is given or passed. Throws where that is not so.
 */
export class PassedModel {
  readonly #options: PassedModelOptions;
  readonly #messages = new Map<number, Message>();
  readonly #given = new Set<number>();
  /** Everything up to here was given, passed, or gone. */
  position = 0;
  /** Positions that were reached by passing, and messages passed. */
  passes = 0;
  gave = 0;

  constructor(options: PassedModelOptions) {
    this.#options = options;
  }

  get sequences(): readonly number[] {
    return [...this.#messages.keys()];
  }

  published(sequence: number, subject: string): void {
    const message = { subject, at_ms: performance.now(), mayBeGone: false };
    this.#messages.set(sequence, message);
    // The source may have come further than what the publisher has heard.
    if (sequence <= this.position) this.#check(sequence, message);
  }

  /** To be called before what removes is begun. */
  removing(isRemoved: (sequence: number, subject: string) => boolean): void {
    for (const [sequence, message] of this.#messages) {
      if (isRemoved(sequence, message.subject)) message.mayBeGone = true;
    }
  }

  /** Oldest first, those that nothing has removed. */
  alive(isOf: (subject: string) => boolean): readonly number[] {
    const all = [...this.#messages].filter(([, { mayBeGone, subject }]) => !mayBeGone && isOf(subject));
    return all.map(([sequence]) => sequence).sort((a, b) => a - b);
  }

  gives(sequence: number): void {
    if (sequence <= this.position) {
      throw new Error(`${sequence} was given although the source was at ${this.position}`);
    }
    this.#given.add(sequence);
    this.gave++;
    this.#move(sequence);
  }

  passesTo(sequence: number): void {
    if (sequence <= this.position) return;
    this.passes++;
    this.#move(sequence);
  }

  #move(to: number): void {
    const from = this.position;
    this.position = to;
    for (let at = from + 1; at <= to; at++) {
      const message = this.#messages.get(at);
      if (message !== undefined) this.#check(at, message);
    }
  }

  #check(sequence: number, { subject, at_ms, mayBeGone }: Message): void {
    const { isWanted, max_age_ms = Number.POSITIVE_INFINITY } = this.#options;
    const isGiven = this.#given.has(sequence);
    if (isGiven && !isWanted(subject)) throw new Error(`${sequence} of ${subject} was not asked for`);
    if (isGiven || mayBeGone || !isWanted(subject) || performance.now() - at_ms >= max_age_ms) return;
    throw new Error(`${sequence} of ${subject} was passed (position ${this.position}) and never given`);
  }

  /** The reader's process ends, and goes on from here: what it was given after it is given again. */
  rollBack(position: number): void {
    for (const sequence of this.#given) if (sequence > position) this.#given.delete(sequence);
    this.position = position;
  }
}

/** One thing that a publisher or an operator of the stream does; in the unit of the model. */
export type Deed =
  | { readonly kind: 'publish'; readonly subjects: readonly string[]; readonly size_bytes: number }
  | {
      readonly kind: 'purge';
      readonly filter?: string;
      readonly sequence?: number;
      readonly keep?: number;
    }
  | { readonly kind: 'delete'; readonly sequences: readonly number[] }
  | { readonly kind: 'deleteConsumers' }
  | { readonly kind: 'kill' }
  | { readonly kind: 'wait'; readonly ms: number };

/** What happens next, from the seed. `subjects`: where to publish; `filters`: what is purged by. */
export function nextDeed(
  random: SeededRandom,
  model: PassedModel,
  { subjects, filters }: { readonly subjects: readonly string[]; readonly filters: readonly string[] },
  kills: number,
): Deed {
  const kind = random.int(0, 99);
  const { sequences } = model;
  const oneOf = (): number => (sequences.length === 0 ? 1 : random.pick(sequences.slice(-60)));
  if (kind < 50) {
    const one = random.chance(0.3) ? [random.pick(subjects)] : subjects;
    const isBig = random.chance(0.04);
    const count = isBig ? random.int(2, 4) : random.pick([1, 1, 3, 20, 60]);
    return {
      kind: 'publish',
      subjects: Array.from({ length: count }, () => random.pick(one)),
      size_bytes: isBig ? 700_000 : 8,
    };
  }
  if (kind < 66) {
    const filter = random.chance(0.7) ? { filter: random.pick(filters) } : {};
    if (random.chance(0.3)) return { kind: 'purge', ...filter, keep: random.int(1, 10) };
    // A purge up to a sequence that is not reached yet moves the next message there.
    const beyond = random.chance(0.2) ? random.int(1, 90) : 0;
    if (random.chance(0.5)) return { kind: 'purge', ...filter, sequence: oneOf() + beyond };
    return { kind: 'purge', ...filter };
  }
  if (kind < 74) {
    return { kind: 'delete', sequences: Array.from({ length: random.int(1, 5) }, oneOf) };
  }
  if (kind < 77) return { kind: 'deleteConsumers' };
  if (kind < 78 && kills > 0) return { kind: 'kill' };
  return { kind: 'wait', ms: random.pick([0, 1, 5, 20, 60, 150]) };
}
