import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colours } from '../state/index.ts';
import { hand, isNear, onKey, shareOf } from './chart-hand.ts';
import { levelFor, levelsOf } from './chart-levels.ts';
import {
  type ChartProps,
  colourOf,
  columnsOf,
  formOf,
  lineColour,
  optionsOf,
  placesOf,
  type Series,
} from './chart-options.ts';

/** A picture is higher where it is wide. px. */
const HEIGHTS = [
  [480, 220],
  [1_300, 260],
  [Number.POSITIVE_INFINITY, 340],
] as const;

const heightOf = (width: number): number => HEIGHTS.find(([below]) => width < below)?.[1] ?? 0;

/** Marks are places among all points: a line that has them is drawn as it is. */
const levelsIn = (props: ChartProps): readonly uPlot.AlignedData[] =>
  props.kind === 'bars' || props.series.some(({ marks }) => marks !== undefined)
    ? [columnsOf(props)]
    : levelsOf(columnsOf(props));

/** Names of the lines; a click takes one away or brings it again. */
function Legend({
  series,
  hidden,
  turn,
}: {
  readonly series: readonly Series[];
  readonly hidden: ReadonlySet<string>;
  readonly turn: (label: string) => void;
}) {
  return (
    <div class="legend">
      {series.map((one, at) => {
        const stroke = lineColour(colourOf(one, at));
        return (
          <button
            key={one.label}
            type="button"
            class="plain"
            aria-pressed={!hidden.has(one.label)}
            onClick={() => turn(one.label)}
          >
            <svg viewBox="0 0 14 10" aria-hidden="true">
              {one.band !== undefined && <rect width="14" height="10" rx="2" fill={stroke} />}
              <line
                {...{ x1: 0, x2: 14, y1: 5, y2: 5, stroke }}
                {...(one.isDashed === true ? { 'stroke-dasharray': '3 3' } : {})}
              />
            </svg>
            {one.label}
          </button>
        );
      })}
    </div>
  );
}

/**
 * Lines or bars over time, with the values beside the pointer. Drag to look closer, with the shift key to move;
 * double-click to look at all. New numbers leave what is looked at as it is.
 */
export function Chart(props: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const current = useRef(props);
  current.current = props;
  const isPart = useSignal(false);
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const { times, series, label, height } = props;
  const painted = colours.value;
  const form = formOf(props);
  const levels = useRef<readonly uPlot.AlignedData[]>([]);
  const drawn = useRef<readonly number[]>([]);
  const refine = (of: uPlot): void => {
    const next = levelFor(levels.current, shareOf(of), of.width);
    if (next === undefined || next === of.data || plot.current !== of) return;
    const { min, max } = of.scales.x ?? {};
    of.setData(next, false);
    if (min !== undefined && max !== undefined) of.setScale('x', { min, max });
  };
  useLayoutEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const now = (): ChartProps => current.current;
    const sizeOf = (width: number) => ({ width, height: height ?? heightOf(width) });
    const first = sizeOf(element.clientWidth || 600);
    const moved = (of: uPlot): void => {
      isPart.value = isNear(of);
      // Not while it is being moved.
      queueMicrotask(() => refine(of));
    };
    levels.current = levelsIn(now());
    drawn.current = now().times;
    const made = new uPlot(
      optionsOf(now, first.width, first.height, hand(now, moved)),
      levelFor(levels.current, 1, first.width) ?? columnsOf(now()),
      element,
    );
    plot.current = made;
    hidden.value = new Set();
    const watch = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== made.width) made.setSize(sizeOf(width));
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [form, painted]);
  useLayoutEffect(() => {
    const made = plot.current;
    if (made === null || drawn.current === times) return;
    const isSame = drawn.current[0] === times[0] && drawn.current.at(-1) === times.at(-1);
    const span = isSame && isNear(made) ? { ...made.scales.x } : undefined;
    levels.current = levelsIn(current.current);
    drawn.current = times;
    made.setData(levelFor(levels.current, 1, made.width) ?? columnsOf(current.current));
    if (span?.min !== undefined && span.max !== undefined)
      made.setScale('x', { min: span.min, max: span.max });
  }, [times, series]);
  const turn = (name: string): void => {
    const next = new Set(hidden.value);
    if (!next.delete(name)) next.add(name);
    hidden.value = next;
    for (const [at, place] of placesOf(series).entries()) {
      const show = !next.has(series[at]?.label ?? '');
      for (let of = place.at; of < place.at + place.count; of++) plot.current?.setSeries(of, { show });
    }
  };
  return (
    <div class="chart-frame">
      {series.length > 1 && <Legend series={series} hidden={hidden.value} turn={turn} />}
      <div
        class="chart"
        role="img"
        aria-label={`${label}. Plus and minus look closer and farther, arrows move`}
        tabindex={0}
        ref={holder}
        onKeyDown={(event) => {
          if (event.ctrlKey || event.metaKey || event.altKey || plot.current === null) return;
          if (onKey(plot.current, event.key)) event.preventDefault();
        }}
      />
      {isPart.value && (
        <button
          type="button"
          class="whole"
          onClick={() => {
            if (plot.current !== null) onKey(plot.current, '0');
          }}
        >
          Show all
        </button>
      )}
    </div>
  );
}
