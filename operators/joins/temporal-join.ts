import {
  type Codec,
  type Counter,
  defineOperator,
  type Either,
  type Handlers,
  type MapSpec,
  mapTable,
  type OperatorContext,
  type OperatorDoc,
  type ScopedMap,
  stringKey,
} from '../../engine/index.ts';
import { checkedKey, checkedTime } from '../core/index.ts';
import { evenGrid, type WindowGrid } from '../windows/index.ts';
import {
  type BufferEntry,
  JOIN_ROWS,
  type JoinBuffer,
  type JoinState,
  joinBuffers,
  joinState,
  type Reached,
} from './join-buffer.ts';
import {
  byTimeAndKey,
  byVersion,
  checkedSetting,
  codecOf,
  DEFAULT_MAX_ENTRIES_PER_KEY,
  encoded,
  type JoinFunction,
  JoinOutput,
  nameOfRow,
  type OrderedRow,
  takeRows,
  type Version,
  versionCodec,
} from './join-common.ts';
import type { EnrichMode, JoinInput, JoinLimits, LateRows, TableInput } from './join-config.ts';

/** Configuration of `temporalJoin`: left rows with the version of the table's row that was valid at their time. */
export type TemporalJoinConfig<L, R, Out> = JoinLimits &
  EnrichMode<L, R, Out> & {
    readonly left: JoinInput<L>;
    /** Each row is a version of its key's row of the table, valid from its time until the next version's. */
    readonly right: TableInput<R>;
    /** A version is forgotten, and matches no more, this long after its own time, ms. Default: never. */
    readonly retain_ms?: number;
    /** How far behind the watermark rows of both sides may come and still count, ms. Default 0. */
    readonly allowedLateness_ms?: number;
    /** Left rows are joined in time buckets of this length, when the bucket is complete, ms. Default 100. */
    readonly bucket_ms?: number;
  };

export const temporalJoinDoc: OperatorDoc = {
  kind: 'temporal-join',
  summary: 'Enriches a stream with the version of a table that was valid at each event time',
};

/**
 * Temporal join: each left row with the version of a table (the right stream) as of the left row's event
 * time, as `left.connect(right, temporalJoin(…))`. Results are a function of the set of rows that are
 * not late, and come out in a fixed order, behind the watermark.
 * State: what the watermark has not passed, and the newest version of each key. Errors:
 * `join_buffer_full`, `join_changed`, `bad_event_time`, `bad_join_config`.
 */
export function temporalJoin<L, R, Out>(name: string, config: TemporalJoinConfig<L, R, Out>) {
  checkedSetting('retain_ms', config.retain_ms ?? 0, 0);
  checkedSetting('allowedLateness_ms', config.allowedLateness_ms ?? 0, 0);
  checkedSetting('bucket_ms', config.bucket_ms ?? DEFAULT_BUCKET_MS, 1);
  checkedSetting('max_entries_per_key', config.max_entries_per_key ?? 1, 1);
  return make<L, R, Out>()(name, config);
}

const DEFAULT_BUCKET_MS = 100;
/** Forgetting is looked after in steps of this part of the retention: fewer timers for keys that change often. */
const RETAIN_STEPS = 16;

type State<L, R> = JoinState<L, R> & { readonly current: MapSpec<string, Version<R>> };

function stateOf<L, R, Out>({ left, right, cache_rows }: TemporalJoinConfig<L, R, Out>): State<L, R> {
  const current = mapTable<string, Version<R>>({
    key: stringKey,
    value: versionCodec(codecOf(right)),
    version: 1,
    ...(cache_rows === undefined ? {} : { cacheRows: cache_rows }),
  });
  return { ...joinState(codecOf(left), codecOf(right), cache_rows), current };
}

const make = <L, R, Out>() =>
  defineOperator<Either<L, R>, Out, TemporalJoinConfig<L, R, Out>, State<L, R>, LateRows<L, R>>({
    kind: temporalJoinDoc.kind,
    summary: temporalJoinDoc.summary,
    needsWatermark: () => true,
    sides: ['late'],
    state: stateOf,
    definition: ({ bucket_ms = DEFAULT_BUCKET_MS }) => ({ bucket_ms }),
    definedTables: JOIN_ROWS,
    retractions: () => 'refuses',
    start: (context) => new TemporalJoin(context),
  });

type Context<L, R, Out> = OperatorContext<TemporalJoinConfig<L, R, Out>, State<L, R>, Out, LateRows<L, R>>;

class TemporalJoin<L, R, Out> implements Handlers<Either<L, R>> {
  readonly #context: Context<L, R, Out>;
  readonly #left: JoinBuffer<L>;
  /** Versions that the watermark has not passed. */
  readonly #right: JoinBuffer<R>;
  /** The newest of the others, by key. */
  readonly #current: ScopedMap<string, Version<R>>;
  readonly #join: JoinFunction<L, R, Out>;
  readonly #leftCodec: Codec<L>;
  readonly #rightCodec: Codec<R>;
  readonly #output: JoinOutput<Out>;
  readonly #late: Counter;
  readonly #missing: Counter;
  readonly #bucket_ms: number;
  readonly #buckets: WindowGrid;
  readonly #retainStep_ms: number;
  readonly #reached: Reached;
  /** A left row waits until the watermark less the lateness has passed its bucket. */
  readonly delayWatermark_ms: number;
  /** Buckets below it are joined. */
  #closed: number;
  #expiring: string[] = [];

  constructor(context: Context<L, R, Out>) {
    const { config, state, name, metrics } = context;
    this.#context = context;
    this.#bucket_ms = config.bucket_ms ?? DEFAULT_BUCKET_MS;
    this.#buckets = evenGrid(this.#bucket_ms);
    this.delayWatermark_ms = this.#bucket_ms + (config.allowedLateness_ms ?? 0);
    const limit = config.max_entries_per_key ?? DEFAULT_MAX_ENTRIES_PER_KEY;
    const buffers = joinBuffers<L, R>(state, name, limit, `buckets of ${this.#bucket_ms} ms`);
    this.#left = buffers.left;
    this.#right = buffers.right;
    this.#reached = buffers.reached;
    this.#closed = this.#buckets.indexOf(this.#reached.time_ms);
    this.#current = state.current.scope('current');
    this.#join = config.join as JoinFunction<L, R, Out>;
    this.#leftCodec = codecOf(config.left);
    this.#rightCodec = codecOf(config.right);
    this.#output = new JoinOutput(context);
    const step_ms = (config.retain_ms ?? 0) / RETAIN_STEPS;
    this.#retainStep_ms = Math.max(1, Math.ceil(step_ms / this.#bucket_ms)) * this.#bucket_ms;
    const labels = { operator: name };
    this.#late = metrics.counter(
      'millrace.temporal_join.late',
      'Rows of either side that came after the left rows of their time were joined',
      labels,
    );
    this.#missing = metrics.counter(
      'millrace.temporal_join.missing',
      'Left rows without a version, dropped',
      labels,
    );
    const buckets = (): number => this.#left.buckets + this.#right.buckets;
    metrics.gauge(
      'millrace.temporal_join.buckets',
      'Time buckets with waiting rows, both sides',
      buckets,
      labels,
    );
  }

  onBatch(items: readonly Either<L, R>[]): void {
    const late = takeRows(items, {
      left: (value) => this.#onLeft(value),
      right: (value) => this.#onRight(value),
    });
    if (late.length === 0) return;
    this.#late.add(late.length);
    this.#context.emitTo('late', late);
  }

  /** Whether it is late. */
  #onLeft(value: L): boolean {
    const { left } = this.#context.config;
    const time_ms = checkedTime(left.timeOf(value), this.#context.name);
    const bucket = this.#buckets.indexOf(time_ms);
    if (bucket < this.#closed) return true;
    this.#left.append(bucket, checkedKey(left.keyOf(value)), { time_ms, value, matched: false });
    return false;
  }

  /** Whether it is late. */
  #onRight(value: R): boolean {
    const { right } = this.#context.config;
    const time_ms = checkedTime(right.timeOf(value), this.#context.name);
    const bucket = this.#buckets.indexOf(time_ms);
    const key = checkedKey(right.keyOf(value));
    if (bucket < this.#closed) {
      this.#advance(key, { time_ms, value }, Number.NEGATIVE_INFINITY);
      return true;
    }
    this.#right.append(bucket, key, { time_ms, value, matched: false });
    return false;
  }

  /** Makes a version the current one; up to `watermark_ms` its end is looked at by the caller, later by a timer. */
  #advance(key: string, version: Version<R>, watermark_ms: number): void {
    const known = this.#current.get(key);
    if (known !== undefined && byVersion(version, known, this.#rightCodec) <= 0) return;
    this.#current.set(key, version);
    this.#remind(key, version, watermark_ms);
  }

  /** Has the version looked at when its retention is over. */
  #remind(key: string, version: Version<R>, watermark_ms: number): void {
    const { retain_ms, allowedLateness_ms = 0 } = this.#context.config;
    if (retain_ms === undefined) return;
    const step_ms = this.#retainStep_ms;
    const gone_ms = Math.ceil((version.time_ms + retain_ms + 1) / step_ms) * step_ms;
    const due_ms = gone_ms + allowedLateness_ms;
    if (due_ms <= watermark_ms) this.#expiring.push(key);
    else this.#context.timers.set(due_ms, key);
  }

  onTimer(_: number, key: string): void {
    // Left rows that wait may still need it: they are joined first.
    this.#expiring.push(key);
  }

  onWatermark(watermark_ms: number): void {
    const { retain_ms, allowedLateness_ms = 0 } = this.#context.config;
    const closed = this.#buckets.indexOf(this.#reached.advance(watermark_ms - allowedLateness_ms));
    if (closed > this.#closed) {
      this.#closed = closed;
      const due = new Set([...this.#left.before(closed), ...this.#right.before(closed)]);
      for (const bucket of [...due].sort((a, b) => a - b)) this.#joinBucket(bucket, watermark_ms);
      this.#output.flush();
    }
    const expiring = this.#expiring;
    if (retain_ms === undefined || expiring.length === 0) return;
    this.#expiring = [];
    for (const key of expiring) {
      const version = this.#current.get(key);
      if (version === undefined) continue;
      if (version.time_ms + retain_ms < this.#buckets.startOf(this.#closed)) this.#current.delete(key);
      // The timer was an older version's, or set for a shorter retention.
      else this.#remind(key, version, watermark_ms);
    }
  }

  #joinBucket(bucket: number, watermark_ms: number): void {
    const versions = new Map<string, Version<R>[]>();
    for (const [key, entries] of this.#right.keys(bucket)) versions.set(key, this.#sorted(entries));
    const rows: (OrderedRow & { readonly value: L; readonly version: R | undefined })[] = [];
    for (const [key, entries] of this.#left.keys(bucket)) {
      const known = versions.get(key) ?? [];
      const before = this.#current.get(key);
      for (const { time_ms, value } of entries) {
        const version = this.#asOf(time_ms, known, before);
        const bytes = (): Uint8Array => encoded(this.#leftCodec, value);
        rows.push({ time_ms, key, side: 'left', bytes, value, version });
      }
    }
    const { type } = this.#context.config;
    for (const row of rows.sort(byTimeAndKey)) {
      const { value, version } = row;
      if (version !== undefined || type === 'left')
        this.#output.push(this.#join(value, version), nameOfRow(row));
      else this.#missing.add();
    }
    for (const [key, sorted] of versions) this.#advance(key, sorted.at(-1) as Version<R>, watermark_ms);
    this.#left.drop(bucket);
    this.#right.drop(bucket);
  }

  /** Ascending: of equal times the one that counts comes last. */
  #sorted(entries: readonly BufferEntry<R>[]): Version<R>[] {
    return entries.toSorted((a, b) => byVersion(a, b, this.#rightCodec));
  }

  /** The value of the version that holds at `time_ms`; `before` is older than all of `versions`. */
  #asOf(time_ms: number, versions: readonly Version<R>[], before: Version<R> | undefined): R | undefined {
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((versions[middle] as Version<R>).time_ms <= time_ms) low = middle + 1;
      else high = middle;
    }
    const version = low > 0 ? versions[low - 1] : before;
    const { retain_ms = Number.POSITIVE_INFINITY, right } = this.#context.config;
    if (version === undefined || time_ms - version.time_ms > retain_ms) return undefined;
    return right.isDeletion?.(version.value) === true ? undefined : version.value;
  }
}
