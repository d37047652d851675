import { asMillraceError, MillraceError, TIMER_MAX_MS } from '../base/index.ts';
import type { Source, SourceRecord, SourceState, StreamFacts, Take } from '../edges/index.ts';
import type { OperatorDoc } from '../graph/index.ts';

export const enrichingSourceDoc: OperatorDoc = {
  kind: 'enriching-source',
  summary: 'Asynchronous look-ups for each record, before it enters the graph',
};

/** What became of the look-up for a record. */
export type Enrichment<E> =
  | { readonly status: 'done'; readonly value: E }
  | { readonly status: 'timed_out' }
  | { readonly status: 'failed'; readonly error: MillraceError };

/** How records are looked up before the task takes them. */
export interface EnrichOptions<E> {
  /** Looks something up for a record. It should stop when the signal is aborted: its time is over. */
  readonly enrich: (record: SourceRecord, signal: AbortSignal) => Promise<E>;
  /** Look-ups at once. */
  readonly max_in_flight: number;
  /** How long one may take, ms; Infinity: as long as it likes. */
  readonly timeout_ms: number;
  /** `fail`: the task stops and starts again from its last commit. `pass`: the record goes on without a value. */
  readonly onTimeout: 'fail' | 'pass';
  /** The same for a look-up that rejects; `fail` by default. */
  readonly onError?: 'fail' | 'pass';
  /** Records held at most, looked up or waiting for it; 1,024 by default. */
  readonly max_buffered?: number;
}

const DEFAULT_MAX_BUFFERED = 1_024;

const enrichments = new WeakMap<SourceRecord, Enrichment<unknown>>();

/** What was looked up for a record; undefined for one that did not come through an enriching source. */
export function enrichmentOf<E>(record: SourceRecord): Enrichment<E> | undefined {
  // The caller names the type that its own `enrich` gives.
  return enrichments.get(record) as Enrichment<E> | undefined;
}

/**
 * A source of looked-up records, with its own numbers: look-ups under way, records held, and look-ups that took too
 * long or failed.
 */
export interface EnrichingSource extends Source {
  enrichments(): {
    readonly in_flight: number;
    readonly buffered: number;
    readonly timeouts: number;
    readonly failures: number;
  };
}

/**
 * Asynchronous look-ups at the edge, so that nothing in the graph waits: looks something up for each record
 * of a source before the task takes it. `enrichmentOf(record)` gives the result to `decode` or `json`.
 * Order is kept: a slow look-up holds back the records behind it, while up to `max_in_flight` go on. The
 * next records are taken from the source when all of the last ones have been given out.
 *
 * What was looked up is no part of the stream. When records are read again, after a crash or for a rebuild,
 * they are looked up again and the answer may be another one: nothing is lost or doubled, but two readings of
 * one stream may differ, also within the records since the last commit. Where that matters, look up what
 * does not change (a version in the record, a value as of its time), or bring the reference data in as a
 * stream and join it with `keyedProcess` or a table join.
 *
 *     const through = (source: Source) => enrichingSource(source, { enrich: customerOf, max_in_flight: 64, timeout_ms: 500, onTimeout: 'pass' });
 *     t.source(jetstream('ORDERS', { subjects: ['orders.>'], through }));
 *     json('orders', { parse: (value, record) => ({ ...order(value), customer: enrichmentOf<Customer>(record) }) });
 *
 * Throws `bad_config` for limits that are not above 0, or no whole number of look-ups or records. `take` rejects with `enrichment_timeout` (retriable) or
 * `enrichment_failed` where that is asked for.
 */
export function enrichingSource<E>(source: Source, options: EnrichOptions<E>): EnrichingSource {
  const { max_in_flight, timeout_ms, max_buffered = DEFAULT_MAX_BUFFERED } = options;
  for (const [name, limit] of Object.entries({ max_in_flight, timeout_ms, max_buffered })) {
    if (limit > 0) continue;
    throw new MillraceError('bad_config', `An enriching source needs ${name} above 0, not ${limit}.`);
  }
  for (const [name, limit] of Object.entries({ max_in_flight, max_buffered })) {
    if (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY) continue;
    throw new MillraceError(
      'bad_config',
      `An enriching source needs a whole number as ${name}, not ${limit}.`,
    );
  }
  return new Enriching(source, options);
}

interface Entry {
  readonly record: SourceRecord;
  enrichment: Enrichment<unknown> | undefined;
}

class Enriching<E> implements EnrichingSource {
  readonly #source: Source;
  readonly #options: EnrichOptions<E>;
  readonly #max_buffered: number;
  /** What the source gave last: some looked up, some in flight, some waiting. */
  #entries: Entry[] = [];
  /** How many of them have been given out, and how many look-ups have begun. */
  #given = 0;
  #begun = 0;
  #in_flight = 0;
  #timeouts = 0;
  #failures = 0;
  #stopped = false;
  readonly #running = new Set<AbortController>();
  /** Ends the waiting for the first entry that was not given out. */
  #wake: (() => void) | undefined;

  constructor(source: Source, options: EnrichOptions<E>) {
    this.#source = source;
    this.#options = options;
    this.#max_buffered = options.max_buffered ?? DEFAULT_MAX_BUFFERED;
  }

  get partition(): string {
    return this.#source.partition;
  }

  facts(): Promise<StreamFacts> {
    return this.#source.facts();
  }

  start(after: number, isFresh?: boolean): Promise<void> {
    this.#entries = [];
    this.#given = 0;
    this.#begun = 0;
    return this.#source.start(after, isFresh);
  }

  state(): SourceState {
    const state = this.#source.state();
    return { ...state, caughtUp: state.caughtUp && this.#given === this.#entries.length };
  }

  passed(): number | undefined {
    return this.#given === this.#entries.length ? this.#source.passed?.() : undefined;
  }

  enrichments() {
    return {
      in_flight: this.#in_flight,
      buffered: this.#entries.length - this.#given,
      timeouts: this.#timeouts,
      failures: this.#failures,
    };
  }

  async take({ max, wait_ms }: Take): Promise<readonly SourceRecord[]> {
    const until_ms = performance.now() + wait_ms;
    if (this.#given === this.#entries.length) {
      // The records given out are no longer used: who calls has finished with them.
      const records = await this.#source.take({ max: Math.min(max, this.#max_buffered), wait_ms });
      this.#entries = records.map((record) => ({ record, enrichment: undefined }));
      this.#given = 0;
      this.#begun = 0;
      this.#fill();
    }
    await this.#firstDone(until_ms - performance.now());
    // Look-ups that stopping has ended say nothing of their records.
    return this.#stopped ? [] : this.#giveOut(max);
  }

  /** Begins as many look-ups as may run. */
  #fill(): void {
    while (this.#in_flight < this.#options.max_in_flight && !this.#stopped) {
      const entry = this.#entries[this.#begun];
      if (entry === undefined) return;
      this.#begun++;
      this.#in_flight++;
      void this.#run(entry);
    }
  }

  /** Never rejects. */
  async #run(entry: Entry): Promise<void> {
    entry.enrichment = await this.#lookUp(entry.record);
    this.#in_flight--;
    this.#fill();
    if (this.#entries[this.#given]?.enrichment !== undefined) this.#wake?.();
  }

  async #lookUp(record: SourceRecord): Promise<Enrichment<E>> {
    const { enrich, timeout_ms } = this.#options;
    const controller = new AbortController();
    this.#running.add(controller);
    const timer = setTimeout(() => controller.abort(), Math.min(timeout_ms, TIMER_MAX_MS));
    try {
      const value = await Promise.race([enrich(record, controller.signal), aborted(controller.signal)]);
      return { status: 'done', value };
    } catch (error) {
      if (controller.signal.aborted) {
        // Stopping ends them too, which says nothing of how long they take.
        if (!this.#stopped) this.#timeouts++;
        return { status: 'timed_out' };
      }
      this.#failures++;
      return { status: 'failed', error: asMillraceError(error) };
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  #firstDone(wait_ms: number): Promise<void> {
    const first = this.#entries[this.#given];
    if (first === undefined || first.enrichment !== undefined || wait_ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), Math.min(wait_ms, TIMER_MAX_MS));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** The next records that have been looked up, in order. */
  #giveOut(max: number): readonly SourceRecord[] {
    const records: SourceRecord[] = [];
    while (records.length < max) {
      const entry = this.#entries[this.#given];
      if (entry?.enrichment === undefined) break;
      const failure = this.#failureOf(entry.record, entry.enrichment);
      if (failure !== undefined) {
        // What comes before it is processed first.
        if (records.length > 0) break;
        throw failure;
      }
      enrichments.set(entry.record, entry.enrichment);
      records.push(entry.record);
      this.#given++;
    }
    return records;
  }

  #failureOf({ sequence }: SourceRecord, enrichment: Enrichment<unknown>): MillraceError | undefined {
    const { timeout_ms, onTimeout, onError = 'fail' } = this.#options;
    if (enrichment.status === 'timed_out' && onTimeout === 'fail') {
      return new MillraceError(
        'enrichment_timeout',
        `The look-up for the record ${sequence} took more than ${timeout_ms} ms. It is tried again.`,
        { retriable: true },
      );
    }
    if (enrichment.status !== 'failed' || onError === 'pass') return undefined;
    const { error } = enrichment;
    return new MillraceError(
      'enrichment_failed',
      `The look-up for the record ${sequence} failed: ${error.message}`,
      // What is unknown may pass by itself; what says that it will not is for a person to look at.
      { cause: error, retriable: error.code === 'internal' || error.retriable },
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const controller of this.#running) controller.abort();
    this.#wake?.();
    await this.#source.stop();
  }
}

/** Rejects when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
