import { NO_TEXT } from '../../engine/index.ts';
import { CODE, ROW_DIMENSIONS } from '../rows/index.ts';
import { EXACT_DEPTH, flatten, isObject, type Members, own } from './cloud-event.ts';
import type { EventBatch } from './event-batch.ts';
import { parseExact } from './exact-json.ts';
import { textOfScalar } from './member-writer.ts';

/** Steps into an event: names of members, and indexes of arrays. */
export type DimensionPath = readonly (string | number)[];

/** Declared dimensions that are not the member of their name, by tenant and name. Plain data. */
export type DimensionPaths = Readonly<Record<string, Readonly<Record<string, DimensionPath>>>>;

/** Fills the columns of dimensions that lie deeper in events than a member and `data`. One tenant at a time. */
export class PathColumns {
  readonly #custom: readonly string[];
  readonly #paths: DimensionPaths;
  #own: readonly { readonly column: number; readonly path: DimensionPath }[] = [];

  constructor(custom: readonly string[], paths: DimensionPaths) {
    this.#custom = custom;
    this.#paths = paths;
  }

  /** From here on events are those of the tenant. */
  enter(tenant: string): void {
    const own = Object.hasOwn(this.#paths, tenant) ? this.#paths[tenant] : undefined;
    this.#own = this.#custom.flatMap((name, index) => {
      const path = own !== undefined && Object.hasOwn(own, name) ? own[name] : undefined;
      return path === undefined ? [] : [{ column: CODE.dimensions + ROW_DIMENSIONS.length + index, path }];
    });
  }

  /** The tenant has none. */
  get isEmpty(): boolean {
    return this.#own.length === 0;
  }

  /** Of an event in the bytes [start, end), which are JSON. */
  fillFrom(bytes: Uint8Array, start: number, end: number, batch: EventBatch, row: number): void {
    const parsed = parseExact(bytes.subarray(start, end), EXACT_DEPTH);
    const event = parsed.ok ? flatten(parsed.value) : undefined;
    if (isObject(event)) this.fill(event, batch, row);
  }

  fill(event: Members, { dictionary, columns }: EventBatch, row: number): void {
    for (const { column, path } of this.#own) {
      const text = textOfScalar(valueAt(event, path) ?? valueAt(own(event, 'data'), path));
      (columns.codes[column] as Int32Array)[row] = text === '' ? NO_TEXT : dictionary.codeOf(text);
    }
  }
}

function valueAt(root: unknown, path: DimensionPath): unknown {
  let value = root;
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined;
    else value = isObject(value) ? own(value, step) : undefined;
    if (value == null) return undefined;
  }
  return value;
}
