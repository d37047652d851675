import { type Chunk, type ChunkHashes, roomFor } from '../columns/index.ts';
import { EntitySlice, type EntityVisitor, LABEL_BITS, SliceEntities } from './entity-slice.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Which entities; default: all. */
  readonly share?: EntityShare;
  /** Of these entities in all chunks, where it is known: memory is taken once. */
  readonly rows?: number;
}

/** The entities with some first bits of their hash. Plain data. */
export interface EntityShare {
  readonly index: number;
  /** A power of two. */
  readonly of: number;
}

/**
 * To which of `of` shares an entity belongs. Sorted chunks have the rows of a share in a few long runs, so it costs
 * little to go past those of others.
 */
export function shareOf(hi: number, of: number): number {
  return of === 1 ? 0 : hi >>> (Math.clz32(of) + 1);
}

/** Likewise, where something else labels the rows. */
export interface LabelledEventsConfig extends Pick<EntityEventsConfig, 'entity' | 'share' | 'rows'> {
  /** As `RowLabels.of`; the array is written to. */
  readonly labels: Pick<RowLabels, 'of'>;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
export const EVENT_LABELS = 1 << LABEL_BITS;
const SLICE_BITS = 8;
const SLICES = 1 << SLICE_BITS;
/** Beside a slice: the entity is of another share. */
const FOREIGN = SLICES;
const RUN_BITS = SLICE_BITS + 1;

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
  readonly #times = new WideIndex();
  #slices: readonly EntitySlice[];
  readonly #entities = new SliceEntities();
  readonly #share: EntityShare;
  /** Bits of a hash that all entities of the share have. */
  readonly #shareBits: number;
  /** By local place of an entity in the chunk at hand: its run there × 512 + its slice, or `FOREIGN`. */
  #runs = new Uint32Array(0);

  constructor(config: EntityEventsConfig | LabelledEventsConfig) {
    this.#slices = slicesFor((config.rows ?? 0) >> SLICE_BITS);
    this.#entity = config.entity;
    this.#share = config.share ?? { index: 0, of: 1 };
    this.#shareBits = 31 - Math.clz32(this.#share.of);
    this.#labels = 'kind' in config ? new RowLabels(config) : config.labels;
  }

  add(chunk: Chunk): void {
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const hashes = chunk.hash(this.#entity);
    const places = this.#index.of(hashes.index, chunk.rows);
    const { base_ms, scale_ms, values } = chunk.times();
    const none = this.#openRuns(hashes);
    if (none >= 0) for (let row = 0; row < chunk.rows; row++) if (places[row] === none) labels[row] = 0;
    const { rows } = chunk;
    const runs = this.#runs;
    const labelled = {
      ...{ places, runs, labels, base: base_ms * EVENT_LABELS, scale: scale_ms * EVENT_LABELS },
      values: values instanceof Float64Array ? values : this.#times.of(values, rows),
    };
    for (let row = 0; row < rows; ) {
      const own = (runs[places[row] as number] as number) & (FOREIGN | (SLICES - 1));
      if (own === FOREIGN) row = pass(places, runs, row, rows);
      else row = append(this.#slices[own] as EntitySlice, own, labelled, row, rows);
    }
  }

  /** A run for each entity of a chunk; the place of those rows that have none, -1 where there are no such rows. */
  #openRuns({ hi, lo }: ChunkHashes): number {
    if (this.#runs.length < hi.length) this.#runs = new Uint32Array(roomFor(hi.length));
    const [runs, bits, slices] = [this.#runs, this.#shareBits, this.#slices];
    const { index, of } = this.#share;
    // To the right by 32 would be by none.
    const isShared = of > 1;
    let none = -1;
    let own = 0;
    let slice = slices[own] as EntitySlice;
    let { runs: run, hi: runHi, lo: runLo } = slice;
    for (let place = 0; place < hi.length; place++) {
      const first = hi[place] as number;
      const second = lo[place] as number;
      if (isShared && first >>> (32 - bits) !== index) {
        runs[place] = FOREIGN;
        continue;
      }
      if ((first | second) === 0) {
        none = place;
        runs[place] = 0;
        continue;
      }
      // Hashes of a slice lie together, mostly.
      const next = (first << bits) >>> (32 - SLICE_BITS);
      if (next !== own) {
        slice.runs = run;
        own = next;
        slice = slices[own] as EntitySlice;
        ({ runs: run, hi: runHi, lo: runLo } = slice);
      }
      if (run === runHi.length) {
        slice.growRuns(run * 2);
        ({ hi: runHi, lo: runLo } = slice);
      }
      runHi[run] = first;
      runLo[run] = second;
      runs[place] = (run++ << RUN_BITS) | own;
    }
    slice.runs = run;
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
  readonly labels: Uint8Array;
  /** The event of a row: base + scale × value + label. */
  readonly base: number;
  readonly scale: number;
  readonly values: Float64Array | Uint32Array;
}

/** The next row, from `from` on, of an entity of the share. */
function pass(places: Uint32Array, runs: Uint32Array, from: number, end: number): number {
  let row = from + 1;
  while (row < end && runs[places[row] as number] === FOREIGN) row++;
  return row;
}

/** Adds the events of rows from `from` on, up to the first one of another slice, and returns that row. */
function append(
  slice: EntitySlice,
  own: number,
  { places, runs, labels, base, scale, values }: LabelledEntities,
  from: number,
  end: number,
): number {
  let { event, what, events } = slice;
  let row = from;
  for (; row < end; row++) {
    const run = runs[places[row] as number] as number;
    if ((run & (FOREIGN | (SLICES - 1))) !== own) break;
    if (events === event.length) {
      slice.grow(events);
      ({ event, what } = slice);
    }
    const label = labels[row] as number;
    event[events] = base + (values[row] as number) * scale + label;
    what[events] = ((run ^ own) >>> (RUN_BITS - LABEL_BITS)) | label;
    // A row without a label is written over.
    events += (label + 255) >> LABEL_BITS;
  }
  slice.events = events;
  return row;
}
