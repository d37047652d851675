import {
  ByteReader,
  floatCodec,
  type MapSpec,
  type MapTable,
  MillraceError,
  mapTable,
  type ScopedMap,
  stringKey,
} from '../../engine/index.ts';

/** Before the names of scopes that say how often windows have fired after their ends. */
export const AMENDED = 'amended';

/** Up to where windows were closed when the allowed lateness was less than it is; gone when that no longer matters. */
const CLOSED = 'closed';
const DEFINITION = 'definition';

/** Small facts of a window operator, by scope: what is open, up to when it has fired, what it is. */
export function controlTable(): MapSpec<string, number> {
  return mapTable<string, number>({
    key: stringKey,
    value: floatCodec,
    version: 1,
    logicalRows: function* (view) {
      for (const { key, value } of view.scan()) {
        const scope = new ByteReader(key).orderedString();
        // Which events came after the end of their window is a matter of the way; so are former settings.
        if (scope.startsWith(AMENDED) || scope === CLOSED) continue;
        yield scope === DEFINITION ? key : Buffer.concat([key, value]);
      }
    },
  });
}

/**
 * What a window operator has to know of itself after a restart: the watermark up to which it has fired,
 * which windows are open, and whether the state was made by the same definition.
 */
export class WindowControl {
  readonly #table: MapTable<string, number>;
  readonly #reached: ScopedMap<string, number>;
  readonly #lateness_ms: number;
  #watermark_ms: number;
  /** Windows that end until here were closed by a run with less allowed lateness. */
  #closedBefore_ms: number;

  /** Throws `window_changed` when the stored state belongs to another definition. */
  constructor(table: MapTable<string, number>, operator: string, definition: string, lateness_ms: number) {
    this.#table = table;
    this.#lateness_ms = lateness_ms;
    const [stored, said] = table.scope(DEFINITION).entries()[0] ?? [];
    if (stored !== undefined && stored !== definition) {
      throw new MillraceError(
        'window_changed',
        `The state of "${operator}" belongs to ${stored}, the program says ${definition}. Give the operator a new name (its windows then begin anew), or rebuild its state from the stream.`,
      );
    }
    this.#reached = table.scope('watermark');
    this.#watermark_ms = this.#reached.get('') ?? Number.NEGATIVE_INFINITY;
    this.#closedBefore_ms = table.scope(CLOSED).get('') ?? Number.NEGATIVE_INFINITY;
    const formerLateness_ms = saidLateness(said);
    if (formerLateness_ms === lateness_ms) return;
    table.scope(DEFINITION).set(definition, sayLateness(lateness_ms));
    if (formerLateness_ms === undefined || formerLateness_ms > lateness_ms) return;
    this.#closedBefore_ms = Math.max(this.#closedBefore_ms, this.#watermark_ms - formerLateness_ms);
    if (this.#closedBefore_ms > Number.NEGATIVE_INFINITY) table.scope(CLOSED).set('', this.#closedBefore_ms);
  }

  /** Everything that is due until here has fired. */
  get watermark_ms(): number {
    return this.#watermark_ms;
  }

  /**
   * Windows that end until here are closed, and stay so: with more allowed lateness than before none is opened
   * again whose events have been forgotten.
   */
  get closed_ms(): number {
    return Math.max(this.#closedBefore_ms, this.#watermark_ms - this.#lateness_ms);
  }

  /** Moves on. Infinity, which says that nothing more comes, is taken as a number: sums with it are some then. */
  advance(time_ms: number): number {
    this.#watermark_ms = Math.min(time_ms, Number.MAX_VALUE);
    this.#reached.set('', this.#watermark_ms);
    if (this.#closedBefore_ms > Number.NEGATIVE_INFINITY && this.closed_ms > this.#closedBefore_ms) {
      this.#closedBefore_ms = Number.NEGATIVE_INFINITY;
      this.#table.scope(CLOSED).delete('');
    }
    return this.#watermark_ms;
  }

  /** Numbers by key, under a name. */
  scope(name: string): ScopedMap<string, number> {
    return this.#table.scope(name);
  }

  drop(name: string): void {
    this.#table.drop(name);
  }

  /** Times kept under a name, in no order. */
  times(name: string): number[] {
    return this.#table
      .scope(name)
      .entries()
      .map(([time]) => Number(time));
  }

  add(name: string, time_ms: number): void {
    this.#table.scope(name).set(String(time_ms), 1);
  }

  remove(name: string, time_ms: number): void {
    this.#table.scope(name).delete(String(time_ms));
  }
}

/** The allowed lateness is the value of the definition's row: below 0, since rows without it have the value 1. */
function sayLateness(lateness_ms: number): number {
  return -1 - lateness_ms;
}

function saidLateness(said: number | undefined): number | undefined {
  return said === undefined || said > 0 ? undefined : -1 - said;
}
