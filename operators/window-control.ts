import {
  ByteReader,
  floatCodec,
  type MapSpec,
  type MapTable,
  MillraceError,
  mapTable,
  type ScopedMap,
  stringKey,
} from '../engine/index.ts';

/** Before the names of scopes that say how often windows have fired after their ends. */
export const AMENDED = 'amended';

/** Small facts of a window operator, by scope: what is open, up to when it has fired, what it is. */
export function controlTable(): MapSpec<string, number> {
  return mapTable<string, number>({
    key: stringKey,
    value: floatCodec,
    version: 1,
    logicalRows: function* (view) {
      for (const { key, value } of view.scan()) {
        // Which events came after the end of their window is a matter of the way.
        if (new ByteReader(key).orderedString().startsWith(AMENDED)) continue;
        yield Buffer.concat([key, value]);
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
  #watermark_ms: number;

  /** Throws `window_changed` when the stored state belongs to another definition. */
  constructor(table: MapTable<string, number>, operator: string, definition: string) {
    this.#table = table;
    const stored = table.scope('definition').entries()[0]?.[0];
    if (stored === undefined) table.scope('definition').set(definition, 1);
    else if (stored !== definition) {
      throw new MillraceError(
        'window_changed',
        `The state of "${operator}" belongs to ${stored}, the program says ${definition}. Give the operator a new name (its windows then begin anew), or rebuild its state from the stream.`,
      );
    }
    this.#reached = table.scope('watermark');
    this.#watermark_ms = this.#reached.get('') ?? Number.NEGATIVE_INFINITY;
  }

  /** Everything that is due until here has fired. */
  get watermark_ms(): number {
    return this.#watermark_ms;
  }

  /** Moves on. Infinity, which says that nothing more comes, is taken as a number: sums with it are some then. */
  advance(time_ms: number): number {
    this.#watermark_ms = Math.min(time_ms, Number.MAX_VALUE);
    this.#reached.set('', this.#watermark_ms);
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
