import {
  ByteWriter,
  type Codec,
  decodeRow,
  defineOperator,
  type MapSpec,
  type MapTable,
  MillraceError,
  mapTable,
  type Operator,
  type OperatorDoc,
  refuseAsync,
  stringKey,
  type TableSpecs,
  type Timers,
  trustedJsonCodec,
} from '../../engine/index.ts';
import type { AggregateSpec, ResultOf } from '../aggregates/index.ts';
import { checkedKey } from '../core/index.ts';
import { onWatermark, type Trigger } from './trigger.ts';
import { controlTable, WindowControl } from './window-control.ts';
import { type CountRow, CountWindows, countRowCodec } from './window-count.ts';
import { logicalPane, type PanedRow, panedRowCodec, type RenewBytes } from './window-pane.ts';
import { PanedWindows } from './window-paned.ts';
import { changesOf, takingBack } from './window-retractions.ts';
import { logicalSessions, type SessionRow, SessionWindows, sessionRowCodec } from './window-session.ts';
import { SlicedWindows } from './window-sliced.ts';
import { logicalInstants, type SlidingRow, SlidingWindows, slidingRowCodec } from './window-sliding.ts';
import type {
  WindowConfig,
  WindowMode,
  WindowOutput,
  WindowPlan,
  WindowResult,
  WindowSides,
} from './window-types.ts';
import { type Windower, Windowing } from './windower.ts';
import type { AlignedSpec, CountWindow, SessionWindow, SlidingWindow, WindowSpec } from './windows.ts';

export const windowDoc: OperatorDoc = {
  kind: 'window',
  summary: 'An aggregate of the events of each key and window of event time',
};

/**
 * Windowed aggregation by key. Results come when the watermark reaches a window's end, sorted by (end, key);
 * see `WindowConfig` for early and late results. Throws `bad_window` for a configuration that has no meaning.
 */
export function window<E, S extends AggregateSpec<E>>(
  name: string,
  config: WindowConfig<NoInfer<E>, S>,
): Operator<E, WindowResult<ResultOf<S>>, WindowSides<E>>;
export function window<E, S extends AggregateSpec<E>>(
  name: string,
  config: WindowConfig<E, S>,
): Operator<E, WindowResult<ResultOf<S>>, WindowSides<E>>;
export function window<E, S extends AggregateSpec<E>>(
  name: string,
  config: WindowConfig<E, S>,
): Operator<E, WindowResult<ResultOf<S>>, WindowSides<E>> {
  // The plan has functions around those that are given.
  refuseAsync(config, `window "${name}"`);
  const plan = planOf(name, config);
  // The results of the resolved aggregate are those of its specification.
  return operatorOf(name, plan) as Operator<E, WindowResult<ResultOf<S>>, WindowSides<E>>;
}

function planOf<E, S extends AggregateSpec<E>>(name: string, config: WindowConfig<E, S>): WindowPlan<E> {
  const { keyOf } = config;
  const plan: WindowPlan<E> = {
    keyOf: (event) => checkedKey(keyOf(event)),
    ...takingBack(name, config),
    window: config.window,
    allowedLateness_ms: config.allowedLateness_ms ?? 0,
    trigger: config.trigger ?? onWatermark(),
    mode: config.mode ?? 'accumulate',
    codec: config.codec ?? trustedJsonCodec<E>(),
    version: config.version ?? 1,
    max_open_windows: config.max_open_windows ?? 10_000,
    max_open_per_key: config.max_open_per_key ?? 10_000,
    max_cached_rows: config.max_cached_rows ?? 100_000,
    max_uncommitted_rows: config.max_uncommitted_rows ?? 50_000,
  };
  if (!(plan.allowedLateness_ms >= 0)) throw bad('allowedLateness_ms must not be negative.');
  if (plan.window.kind === 'global' && plan.trigger.kind === 'watermark') {
    throw bad('A global window never ends: give it an early trigger.');
  }
  if ((plan.window.kind === 'sliding' || plan.window.kind === 'count') && plan.trigger.kind !== 'watermark') {
    throw bad(`${plan.window.kind} windows have no early results.`);
  }
  return plan;
}

function bad(message: string): MillraceError {
  return new MillraceError('bad_window', message);
}

/** The kinds of windows differ in their rows and in what they do with them. */
function operatorOf<E>(
  name: string,
  plan: WindowPlan<E>,
): Operator<E, WindowResult<unknown>, WindowSides<E>> {
  const { window: spec, trigger } = plan;
  switch (spec.kind) {
    case 'tumbling':
    case 'hopping':
    case 'cumulate':
    case 'global': {
      const aligned = { ...plan, window: spec };
      if (trigger.kind === 'watermark') {
        return make<E, AlignedSpec, unknown>(
          'sliced',
          (accumulator) => accumulator,
          SlicedWindows<E>,
        )(name, aligned);
      }
      return make<E, AlignedSpec, PanedRow>(
        'paned',
        panedRowCodec,
        PanedWindows<E>,
        logicalPane,
      )(name, aligned);
    }
    case 'session':
      return make<E, SessionWindow, SessionRow>(
        'session',
        sessionRowCodec,
        SessionWindows<E>,
        logicalSessions,
      )(name, { ...plan, window: spec });
    case 'sliding':
      return make<E, SlidingWindow, SlidingRow>(
        'sliding',
        slidingRowCodec,
        SlidingWindows<E>,
        logicalInstants,
      )(name, { ...plan, window: spec });
    case 'count':
      return make<E, CountWindow, CountRow>('count', countRowCodec, CountWindows<E>, (row) => ({
        ...row,
        wake_ms: Number.POSITIVE_INFINITY,
      }))(name, {
        ...plan,
        window: spec,
      });
  }
}

/** `hopping, size_ms 60000, hop_ms 1000` */
function inWords({ kind, ...parts }: WindowSpec | Trigger): string {
  return [kind, ...Object.entries(parts).map(([name, value]) => `${name} ${value}`)].join(', ');
}

/** Layouts of the rows: state of one is refused by another, through the version of the table. */
const LAYOUTS = { sliced: 1, paned: 2, session: 3, sliding: 4, count: 5 } as const;
const LAYOUT_ROOM = 8;

interface Tables<V> extends TableSpecs {
  readonly rows: MapSpec<string, V>;
  readonly control: MapSpec<string, number>;
}

/** One kind of windows. */
type WindowKind<E, W extends WindowSpec, V> = new (
  plan: WindowPlan<E, W>,
  rows: MapTable<string, V>,
  control: WindowControl,
  timers: Pick<Timers, 'set' | 'clear'>,
) => Windower<E>;

/** How rows lie around accumulators, and what becomes of accumulators that lie in them as bytes. */
type RowCodecOf<V> = (accumulator: Codec<unknown>, renew?: RenewBytes) => Codec<V>;

/** Where an aggregate migrates, rows of an older version of the same layout are read with its codecs of then. */
function rowMigration<E, V>(
  layout: keyof typeof LAYOUTS,
  rowCodec: RowCodecOf<V>,
  { codec, codecOf }: WindowPlan<E>['aggregate'],
): Pick<MapSpec<string, V>, 'migrate'> {
  if (codecOf === undefined) return {};
  return {
    migrate: (bytes, from) => {
      if (from % LAYOUT_ROOM !== LAYOUTS[layout]) throw bad('The rows are of another kind of windows.');
      const former = codecOf(Math.floor(from / LAYOUT_ROOM));
      const renew: RenewBytes = (given) => {
        const writer = new ByteWriter();
        codec.write(writer, decodeRow(former, given));
        return writer.copy();
      };
      return decodeRow(rowCodec(former, renew), bytes);
    },
  };
}

/** Names a result for good: what a window gives is told apart by its revision. */
const revisionOf = ({ key, window, pane, kind }: WindowResult<unknown>): string =>
  `${window.start_ms} ${window.end_ms} ${pane.index} ${kind ?? ''} ${key}`;

function make<E, W extends WindowSpec, V>(
  layout: keyof typeof LAYOUTS,
  rowCodec: RowCodecOf<V>,
  Windows: WindowKind<E, W, V>,
  /** What of a row is content, for the digest. */
  logical?: (row: V, mode: WindowMode) => V,
) {
  return defineOperator<E, WindowResult<unknown>, WindowPlan<E, W>, Tables<V>, WindowSides<E>>({
    kind: windowDoc.kind,
    summary: windowDoc.summary,
    sides: ['late', 'overflow'],
    retractions: ({ retractions }) => retractions,
    changes: (plan) => [changesOf(plan)],
    namesResults: true,
    // A global one never ends: where events are counted it gives results without time.
    needsWatermark: ({ window: spec, trigger }) => spec.kind !== 'global' || trigger.kind !== 'events',
    definition: ({ window: spec, mode, trigger, aggregate }) => ({
      window: inWords(spec),
      mode,
      trigger: inWords(trigger),
      aggregate: aggregate.kind,
    }),
    state: ({ version, max_cached_rows, mode, aggregate }) => ({
      rows: mapTable<string, V>({
        changesInPlace: true,
        key: stringKey,
        value: rowCodec(aggregate.codec),
        version: version * LAYOUT_ROOM + LAYOUTS[layout],
        ...rowMigration(layout, rowCodec, aggregate),
        cacheRows: max_cached_rows,
        ...(logical === undefined ? {} : { logical: (row) => logical(row, mode) }),
      }),
      control: controlTable(),
    }),
    start: ({ name, config, state, metrics, timers, emit, emitTo, requestBarrier }) => {
      const labels = { operator: name };
      const given = metrics.counter('millrace.window.results', 'Results of windows', labels);
      const late = metrics.counter('millrace.window.late', 'Events whose windows were all closed', labels);
      const overflow = metrics.counter(
        'millrace.window.overflow',
        'Events past a limit on open windows',
        labels,
      );
      metrics.gauge('millrace.window.cached', 'Accumulators in memory', () => state.rows.cachedRows, labels);
      const { window: spec, mode, trigger, aggregate } = config;
      const definition = JSON.stringify({ window: spec, mode, trigger, aggregate: aggregate.shape });
      const output: WindowOutput<E> = {
        emit: (results) => {
          given.add(results.length);
          emit(results, revisionOf);
        },
        late: (events) => {
          late.add(events.length);
          emitTo('late', events);
        },
        overflow: (events) => {
          overflow.add(events.length);
          emitTo('overflow', events);
        },
        requestBarrier,
      };
      const control = new WindowControl(state.control, name, definition, config.allowedLateness_ms);
      const windower = new Windows(config, state.rows, control, timers);
      return new Windowing(config, state.rows, control, windower, output);
    },
  });
}
