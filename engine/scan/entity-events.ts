import type { Chunk, ChunkHashes } from '../columns/index.ts';
import { EntitySlice, type EntityVisitor, LABEL_BITS, SliceEntities } from './entity-slice.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Of all chunks, where it is known: memory is taken once. */
  readonly rows?: number;
}

/** Likewise, where something else labels the rows. */
export interface LabelledEventsConfig extends Pick<EntityEventsConfig, 'entity' | 'rows'> {
  /** As `RowLabels.of`; the array is written to. */
  readonly labels: Pick<RowLabels, 'of'>;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
export const EVENT_LABELS = 1 << LABEL_BITS;
const SLICE_BITS = 8;
const SLICES = 1 << SLICE_BITS;

/** The time of an event, ms; its label is what is left: `event - eventTimeOf(event) * EVENT_LABELS`. */
export function eventTimeOf(event: number): number {
  return Math.floor(event / EVENT_LABELS);
}

/**
 * Collects the events of each entity from the chunks of a scan, in any order, and hands them out entity by entity, in
 * order of time and, at one time, of labels. 12 to 20 bytes an event: a long range is asked for in parts.
 *
 * What comes is put down by slice of the hashes, and handed out slice by slice, so that one fits the processor's
 * cache. Chunks are sorted by hash, so rows of a slice lie together there. The loops over rows and events decide
 * nothing that a processor cannot foresee.
 */
export class EntityEvents {
  readonly #entity: number;
  readonly #labels: Pick<RowLabels, 'of'>;
  readonly #index = new WideIndex();
  #slices: readonly EntitySlice[];
  readonly #entities = new SliceEntities();
  /** By local place of an entity in the chunk at hand: its run there × 256 + its slice. */
  #runs = new Uint32Array(0);

  constructor(config: EntityEventsConfig | LabelledEventsConfig) {
    this.#slices = slicesFor((config.rows ?? 0) >> SLICE_BITS);
    this.#entity = config.entity;
    this.#labels = 'kind' in config ? new RowLabels(config) : config.labels;
  }

  add(chunk: Chunk): void {
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const hashes = chunk.hash(this.#entity);
    const places = this.#index.of(hashes.index, chunk.rows);
    const times = chunk.time_ms();
    const none = this.#openRuns(hashes);
    if (none >= 0) for (let row = 0; row < chunk.rows; row++) if (places[row] === none) labels[row] = 0;
    const runs = this.#runs;
    for (let row = 0; row < chunk.rows; ) {
      const own = (runs[places[row] as number] as number) & (SLICES - 1);
      row = append(this.#slices[own] as EntitySlice, own, { places, runs, times, labels }, row, chunk.rows);
    }
  }

  /** A run for each entity of a chunk; the place of those rows that have none, -1 where there are no such rows. */
  #openRuns({ hi, lo }: ChunkHashes): number {
    if (this.#runs.length < hi.length) this.#runs = new Uint32Array(hi.length * 2);
    const runs = this.#runs;
    let none = -1;
    for (let place = 0; place < hi.length; place++) {
      const [first, second] = [hi[place] as number, lo[place] as number];
      const own = first >>> (32 - SLICE_BITS);
      if ((first | second) === 0) {
        none = place;
        runs[place] = 0;
      } else runs[place] = ((this.#slices[own] as EntitySlice).addRun(first, second) << SLICE_BITS) | own;
    }
    return none;
  }

  /** `check` is called every few milliseconds, and may throw. */
  visit(visit: EntityVisitor, check?: () => void): void {
    this.visitSlices((slice, entities) => entities.visit(slice, visit), check);
  }

  /** It has no events any more, and another one may use its memory. */
  end(): void {
    spare = new WeakRef(this.#slices);
    this.#slices = [];
  }

  /** For kernels that go through the events in the order in which they came: that of time, for most entities. */
  visitSlices(
    visit: (slice: EntitySlice, entities: SliceEntities) => void,
    check: () => void = () => {},
  ): void {
    for (const slice of this.#slices) {
      if (slice.events === 0) continue;
      check();
      this.#entities.number(slice);
      visit(slice, this.#entities);
    }
  }
}

/** Memory of an ended one, until it is collected: to get it anew for each part of a query costs a fifth of the query. */
let spare: WeakRef<readonly EntitySlice[]> | undefined;

/** Slices of about so many events. */
function slicesFor(expected: number): readonly EntitySlice[] {
  const slices = spare?.deref();
  spare = undefined;
  if (slices === undefined) return Array.from({ length: SLICES }, () => new EntitySlice(expected));
  for (const slice of slices) slice.clear();
  return slices;
}

interface LabelledEntities {
  readonly places: Uint32Array;
  readonly runs: Uint32Array;
  readonly times: Float64Array;
  readonly labels: Uint8Array;
}

/** Adds the events of rows from `from` on, up to the first one of another slice, and returns that row. */
function append(
  slice: EntitySlice,
  own: number,
  { places, runs, times, labels }: LabelledEntities,
  from: number,
  end: number,
): number {
  let { event, what, events } = slice;
  let row = from;
  for (; row < end; row++) {
    const run = runs[places[row] as number] as number;
    if ((run & (SLICES - 1)) !== own) break;
    if (events === event.length) {
      slice.grow(events);
      ({ event, what } = slice);
    }
    const label = labels[row] as number;
    event[events] = (times[row] as number) * EVENT_LABELS + label;
    what[events] = (run ^ own) | label;
    // A row without a label is written over.
    events += (label + 255) >> LABEL_BITS;
  }
  slice.events = events;
  return row;
}
