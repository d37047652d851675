import type { HeaderSource } from '../../../analytics/index.ts';
import { threadTurns } from '../../../engine/index.ts';
import { ApiError, type DeadLetterPort, incarnationNumber, type StreamEnd } from '../../http/index.ts';
import { type Letter, letterOf, subjectOf } from './letter.ts';
import { type LetterFilter, type Looked, look, matcher } from './letter-filter.ts';
import { LetterMarks } from './letter-marks.ts';

/** Letters that are looked at in one turn of the thread. */
const SLICE_LETTERS = 200;

/** A letter with what is known of it. */
export interface Found extends Looked {
  /** When it was sent again, ms, and by which job; undefined: it is open. */
  readonly resolved: { readonly at_ms: number; readonly job_id: string } | undefined;
}

export interface Selection {
  readonly tenant: string;
  readonly filter: LetterFilter;
  /** Letters behind this one. */
  readonly after: number;
  /** Up to this one. */
  readonly upTo: number;
  readonly signal: AbortSignal;
}

/** What was read up to here, and what of it was wanted. */
export interface Slice {
  readonly last: number;
  readonly scanned: number;
  readonly found: readonly Found[];
}

/** Reads the dead letters of a tenant, oldest first, in bounded memory. */
export class LetterReader {
  readonly #port: DeadLetterPort | undefined;

  constructor(port: DeadLetterPort | undefined) {
    this.#port = port;
  }

  get port(): DeadLetterPort {
    if (this.#port !== undefined) return this.#port;
    throw new ApiError('not_supported', 'This process does not read the stream of dead letters.');
  }

  end(): Promise<StreamEnd> {
    return this.port.end();
  }

  marks({ incarnation }: Pick<StreamEnd, 'incarnation'>): LetterMarks {
    return new LetterMarks(this.port.marks, incarnationNumber(incarnation) ?? 0);
  }

  /** Slices of what is wanted, each with the place up to which it was read. */
  async *slices(
    { tenant, filter, after, upTo, signal }: Selection,
    marks: LetterMarks,
  ): AsyncGenerator<Slice> {
    const isWanted = matcher(filter);
    let letters: Letter[] = [];
    const slice = async (): Promise<Slice> => {
      const taken = letters;
      letters = [];
      const looked = await threadTurns.run(tenant, () => taken.map(look).filter(isWanted));
      const found: Found[] = [];
      for (const one of looked) {
        const mark = await marks.of(one.letter.sequence);
        const resolved = mark === undefined ? undefined : { at_ms: mark.at_ms, job_id: mark.job_id };
        if (isOfState(filter.state, resolved !== undefined)) found.push({ ...one, resolved });
      }
      return { last: taken.at(-1)?.sequence ?? after, scanned: taken.length, found };
    };
    for await (const message of this.#messages(tenant, filter, after, upTo, signal)) {
      letters.push(letterOf(message));
      if (letters.length >= SLICE_LETTERS) yield await slice();
    }
    if (letters.length > 0) yield await slice();
  }

  async *#messages(
    tenant: string,
    { sequences }: LetterFilter,
    after: number,
    upTo: number,
    signal: AbortSignal,
  ) {
    const { letters } = this.port;
    if (sequences === undefined) {
      if (upTo > after) yield* letters.read(after + 1, upTo, tenant, signal);
      return;
    }
    const wanted = sequences.filter((at) => at > after && at <= upTo).sort((a, b) => a - b);
    const found = await letters.fetch(wanted, signal);
    for (const at of wanted) {
      const message = found.get(at) ?? null;
      if (message !== null && subjectOf(message) === `deadletter.${tenant}`) yield message;
    }
  }

  /** A letter that was cut gets the whole again, where the stream that it came from still has it. */
  async completed(letter: Letter, signal: AbortSignal): Promise<Letter> {
    const { truncated_from, original_sequence, original_stream, original_part } = letter;
    if (truncated_from === undefined) return letter;
    if (original_stream !== 'EVENTS' || original_part !== 0) return letter;
    const found = (await this.port.originals.fetch([original_sequence], signal)).get(original_sequence);
    if (found == null || found.data.length !== truncated_from) return letter;
    return {
      ...letter,
      payload: Uint8Array.from(found.data),
      headers: originalHeaders(found),
      truncated_from: undefined,
    };
  }
}

/** Those of the server speak of one publish. */
function originalHeaders(message: HeaderSource): HeaderSource {
  const all = [...(message.headers?.() ?? [])].filter(([name]) => !/^nats-/i.test(name));
  return { header: (name) => (/^nats-/i.test(name) ? undefined : message.header(name)), headers: () => all };
}

function isOfState(state: LetterFilter['state'], isResolved: boolean): boolean {
  return state === 'all' || (state === 'resolved') === isResolved;
}
