import { planFetch } from './fetch-plan.ts';
import { fetchInSlices } from './fetch-slices.ts';
import type { Matcher } from './matcher.ts';
import type { PartReader, PayloadSource, StoredMessage } from './payloads.ts';
import type { Selection } from './select-request.ts';

/** What is known of a candidate. */
export const VERDICT = {
  /** Not looked at: the time was over. */
  open: 0,
  no: 1,
  yes: 2,
  /** The stream does not have it. */
  missing: 3,
} as const;

/** Texts of matching events that are kept, bytes; others are fetched again. */
const KEPT_MAX_BYTES = 16 * 1_048_576;
/** Messages between two looks at the clock. */
const LOOK_EVERY = 256;
/** A tenant with less than this part of the stream is read with a filter. */
const MINORITY = 1 / 8;

export interface JudgeParts {
  readonly payloads: PayloadSource;
  readonly reader: PartReader;
  readonly matches: Matcher;
  readonly tenant: string;
  /** The tenant's part of the stream, 0 to 1, about. */
  readonly share: number;
  readonly signal: AbortSignal;
  readonly isOver: () => boolean;
}

export interface Judgement {
  /** By place in the selection. */
  readonly verdicts: Uint8Array;
  /** Of matching events, by place in the selection; not all of them where they are large. */
  readonly texts: ReadonlyMap<number, string>;
  readonly messages_read: number;
  /** What a candidate cost, in messages of a range. */
  readonly cost: number;
}

/** Reads the messages of a selection in the cheapest way, and tests each event as it passes. */
export async function judge(selection: Selection, parts: JudgeParts): Promise<Judgement> {
  const { payloads, tenant, share, signal, isOver } = parts;
  const bench = new Bench(selection, parts);
  const { singles, ranges, cost } = planFetch(bench.sequences);
  for await (const { sequences, found } of fetchInSlices(payloads, singles, signal)) {
    for (const sequence of sequences) bench.hear(sequence, found.get(sequence) ?? undefined);
    if (isOver()) break;
  }
  for (const { from, to } of ranges) {
    if (isOver()) break;
    const only = share < MINORITY ? tenant : undefined;
    let looks = 0;
    let isCut = false;
    for await (const message of payloads.read(from, to, only, signal)) {
      bench.hear(message.sequence, message);
      isCut = ++looks % LOOK_EVERY === 0 && isOver();
      if (isCut) break;
    }
    if (!isCut) bench.missing(from, to);
  }
  const { verdicts, texts, messages_read } = bench;
  return { verdicts, texts, messages_read, cost: cost / Math.max(1, selection.length) };
}

/** The candidates of a selection by sequence. */
class Bench {
  readonly verdicts: Uint8Array;
  readonly texts = new Map<number, string>();
  /** Distinct, ascending. */
  readonly sequences: Float64Array;
  messages_read = 0;
  readonly #selection: Selection;
  readonly #parts: JudgeParts;
  /** Places in the selection, by sequence. */
  readonly #bySequence: Int32Array;
  /** Where the candidates of `sequences[n]` begin in #bySequence; one more at the end. */
  readonly #starts: Int32Array;
  #kept_bytes = 0;

  constructor(selection: Selection, parts: JudgeParts) {
    const { length, sequence } = selection;
    this.#selection = selection;
    this.#parts = parts;
    this.verdicts = new Uint8Array(length);
    this.#bySequence = new Int32Array(length)
      .map((_, at) => at)
      .sort((a, b) => (sequence[a] as number) - (sequence[b] as number));
    const sequences = new Float64Array(length);
    const starts = new Int32Array(length + 1);
    let distinct = 0;
    for (let at = 0; at < length; at++) {
      const value = sequence[this.#bySequence[at] as number] as number;
      if (distinct > 0 && sequences[distinct - 1] === value) continue;
      sequences[distinct] = value;
      starts[distinct++] = at;
    }
    starts[distinct] = length;
    this.sequences = sequences.subarray(0, distinct);
    this.#starts = starts;
  }

  /** What is at a sequence, if anything is. */
  hear(sequence: number, message: StoredMessage | undefined): void {
    const place = this.#find(sequence);
    if (this.sequences[place] !== sequence) return;
    const textOf = message === undefined ? undefined : this.#parts.reader(message);
    if (textOf !== undefined) this.messages_read++;
    for (let at = this.#starts[place] as number; at < (this.#starts[place + 1] as number); at++) {
      const candidate = this.#bySequence[at] as number;
      const text = textOf?.(this.#selection.part[candidate] as number);
      this.verdicts[candidate] = text === undefined ? VERDICT.missing : this.#test(candidate, text);
    }
  }

  /** All from `from` to `to` was heard that is there. */
  missing(from: number, to: number): void {
    for (let place = this.#find(from); place < this.sequences.length; place++) {
      if ((this.sequences[place] as number) > to) return;
      for (let at = this.#starts[place] as number; at < (this.#starts[place + 1] as number); at++) {
        const candidate = this.#bySequence[at] as number;
        if (this.verdicts[candidate] === VERDICT.open) this.verdicts[candidate] = VERDICT.missing;
      }
    }
  }

  #test(candidate: number, text: string): number {
    if (!this.#parts.matches(text, this.#selection.time_ms[candidate] as number)) return VERDICT.no;
    if (this.#kept_bytes + 2 * text.length <= KEPT_MAX_BYTES) {
      this.texts.set(candidate, text);
      this.#kept_bytes += 2 * text.length;
    }
    return VERDICT.yes;
  }

  /** The first of `sequences` that is not below `value`. */
  #find(value: number): number {
    let [low, high] = [0, this.sequences.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sequences[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
