import { asMillraceError, MillraceError, messageOf } from '../base/index.ts';
import { deadLetter } from './dead-letter.ts';
import type { OutMessage } from './outbox-rows.ts';
import type { SourceRecord } from './source.ts';

/** Why a record could not be processed. */
export interface RecordFailure {
  /** The operator that threw. */
  readonly operator: string;
  readonly message: string;
}

/** What becomes of a record whose processing throws. */
export interface QuarantineOptions {
  /** The dead letter that a record becomes. Its id must follow from the record's place: it may be sent again. */
  readonly letterOf: (record: SourceRecord, failure: RecordFailure) => OutMessage;
  /** After so many failing records one directly behind the other the fault is not theirs. Default: 100. */
  readonly max_in_a_row?: number;
}

/** What a push through the graph threw, as far as the graph knows where. */
export interface GraphFailure {
  readonly error: unknown;
  /** Undefined where no operator's handler threw it. */
  readonly operator: string | undefined;
  /** Time moved: a timer or a window threw, which no single record is to blame for. */
  readonly isOfTime: boolean;
}

/** What was pushed through the graph when it failed. */
interface Pushed {
  readonly node: string;
  readonly records: readonly SourceRecord[];
}

/** The error that ends a task: what a record is to blame for says which operator threw it, and at which records. */
export function errorOf({ error, operator, isOfTime }: GraphFailure, pushed?: Pushed): MillraceError {
  const named = asMillraceError(error);
  const { code, cause } = named;
  if (!CODES_OF_RECORDS.includes(code) || operator === undefined) return named;
  const place = isOfTime || pushed === undefined ? '' : placeOf(pushed);
  return new MillraceError(code, `${named.message}${place}`, { cause, operator });
}

function placeOf({ node, records }: Pushed): string {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return '';
  if (first === last) return ` (record ${first.sequence} of "${node}", subject "${first.subject}")`;
  return ` (one of the records ${first.sequence} to ${last.sequence} of "${node}", subject "${first.subject}" and on)`;
}

const MAX_IN_A_ROW = 100;

/** Hears of what operators throw: the first of it counts, what follows from it does not. */
export class FailureWatch {
  #first: GraphFailure | undefined;
  #time_depth = 0;

  get first(): GraphFailure | undefined {
    return this.#first;
  }

  /** Around what an operator does when time moves, whatever it sets off downstream. */
  enterTime(): void {
    this.#time_depth++;
  }

  leaveTime(): void {
    this.#time_depth--;
  }

  report(operator: string, error: unknown): void {
    this.#first ??= { operator, error, isOfTime: this.#time_depth > 0 };
  }

  /** Of what came out of the graph without an operator's handler. */
  reportUnknown(error: unknown): void {
    this.#first ??= { operator: undefined, error, isOfTime: false };
  }
}

interface Input {
  /** Records up to here are pushed one by one, to find the one that fails. */
  suspect_through: number;
  readonly failing: Map<number, RecordFailure>;
  /** The last one that failed, and how many up to it did with none processed between them. */
  last: number;
  in_a_row: number;
  /** The last record that went through the graph, and the last one of the push under way. */
  processed: number;
  pushed: number;
}

/**
 * Keeps records whose processing throws from stopping a task for ever. Operators may have changed state in
 * memory before one throws, so nothing goes on in place: the task is started again from its last commit, with
 * the same `Quarantine`, and takes the records of the failed batch one by one. The one that fails then is
 * remembered, and the third start makes it a dead letter and does not process it. What this knows is only in
 * memory: a new process finds out again, and sends the same dead letter.
 *
 * Not taken for a record's fault: errors of the engine (those with a code, but `bad_event_time` and `bad_text`), what timers and windows throw
 * when time moves, and what is thrown inside a commit.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #inputs = new Map<string, Input>();

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  #input(node: string): Input {
    let input = this.#inputs.get(node);
    if (input === undefined) {
      input = { suspect_through: 0, failing: new Map(), last: 0, in_a_row: 0, processed: 0, pushed: 0 };
      this.#inputs.set(node, input);
    }
    return input;
  }

  /** How many records may be taken at once, with these sources at these sequences. */
  maxRecords(max: number, inputs: Iterable<{ readonly node: string; readonly sequence: number }>): number {
    if (this.#inputs.size === 0) return max;
    for (const { node, sequence } of inputs) {
      if (sequence < (this.#inputs.get(node)?.suspect_through ?? 0)) return 1;
    }
    return max;
  }

  /** The records to process; `reject` hears the dead letters of the others. */
  admit(
    node: string,
    records: readonly SourceRecord[],
    reject: (letter: OutMessage, record: SourceRecord, failure: RecordFailure) => void,
  ): readonly SourceRecord[] {
    const input = this.#inputs.get(node);
    if (input === undefined) return records;
    const { failing } = input;
    const isAdmitted = (record: SourceRecord): boolean => {
      const failure = failing.get(record.sequence);
      if (failure !== undefined) reject(this.#options.letterOf(record, failure), record, failure);
      return failure === undefined;
    };
    const admitted = failing.size === 0 ? records : records.filter(isAdmitted);
    // That there is another push says that the one before it went through.
    input.processed = Math.max(input.processed, input.pushed);
    input.pushed = admitted.at(-1)?.sequence ?? input.pushed;
    return admitted;
  }

  /**
   * Takes note of a failed push, and gives the error to end the task with: `record_failed`, retriable, when
   * a new start will come further; else what was thrown, or `too_many_failing_records`.
   */
  blame(node: string, records: readonly SourceRecord[], failure: GraphFailure): unknown {
    const { error, operator, isOfTime } = failure;
    const last = records.at(-1);
    if (last === undefined || operator === undefined || isOfTime || isCoded(error)) return errorOf(failure);
    const message = messageOf(error);
    const input = this.#input(node);
    input.pushed = 0;
    if (records.length > 1) {
      input.suspect_through = Math.max(input.suspect_through, last.sequence);
      return again(`One of ${records.length} records of "${node}" fails in "${operator}"`, message, error);
    }
    // Not by their sequences: a source need not give everything of its stream.
    input.in_a_row = input.processed <= input.last ? input.in_a_row + 1 : 1;
    input.last = last.sequence;
    if (input.in_a_row > (this.#options.max_in_a_row ?? MAX_IN_A_ROW)) {
      return new MillraceError(
        'too_many_failing_records',
        `${input.in_a_row} records of "${node}" up to ${last.sequence} fail one after the other in ` +
          `"${operator}": ${message.replace(/\.$/, '')}. That is hardly the records' fault: correct the ` +
          'operator and start again. Those before are dead letters, and can be sent again.',
        { cause: error },
      );
    }
    input.failing.set(last.sequence, { operator, message });
    const which = `Record ${last.sequence} of "${node}" (subject "${last.subject}")`;
    return again(`${which} fails in "${operator}"`, message, error);
  }

  /** Forgets what is committed. */
  committed(node: string, sequence: number): void {
    const failing = this.#inputs.get(node)?.failing;
    if (failing === undefined) return;
    for (const each of failing.keys()) if (each <= sequence) failing.delete(each);
  }
}

/** Puts failing records among the dead letters; to be handed to every task that reads the same streams. */
export function deadLetterQuarantine(): Quarantine {
  return new Quarantine({
    letterOf: (record, { operator, message }) => {
      const why = { code: 'processing_failed', detail: `${operator}: ${message}` };
      return deadLetter({ tenant: 'default', record, part: 0 }, why, record.data);
    },
  });
}

/** What user code throws, and what operators say of the values that it gives them. */
const CODES_OF_RECORDS: readonly string[] = ['internal', 'bad_event_time', 'bad_text'];

/** Errors of the engine say by their code what is to be done, which is not to leave a record out. */
function isCoded(error: unknown): boolean {
  return error instanceof MillraceError && !CODES_OF_RECORDS.includes(error.code);
}

function again(what: string, why: string, cause: unknown): MillraceError {
  return new MillraceError(
    'record_failed',
    `${what}: ${why.replace(/\.$/, '')}. The task starts again from its last commit to put that record aside.`,
    { cause, retriable: true },
  );
}
