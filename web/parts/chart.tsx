import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colour, colours } from '../state/index.ts';
import { currencyDigits, formatValue, type Unit } from './format.ts';

/** One line, or a band between two. */
export interface Series {
  readonly label: string;
  /** One value a time; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly unit?: Unit | string;
  readonly currency?: string | null;
  /** 1 to 8; default: its place. */
  readonly colour?: number;
  /** A line of comparison, or of what is not complete. */
  readonly isDashed?: boolean;
  /** Upper and lower bound that are painted as a band behind the line. */
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] };
  /** Points that stand out, e.g. anomalies: places in `values`. */
  readonly marks?: readonly number[];
}

interface ChartProps {
  /** Starts of the buckets, seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly zone: string;
  /** Said to readers who do not see it. */
  readonly label: string;
  readonly height?: number;
  readonly kind?: 'line' | 'bars';
  /** What stands below the axis, where the places are no times. */
  readonly place?: (seconds: number) => string;
}

const HEIGHT_PX = 240;
const DAY_S = 86_400;
/** Colours of lines in the style sheet: `--line-1` and on. */
export const LINE_COLOURS = 8;

const lineColour = (at: number): string => colour(`line-${((at - 1) % LINE_COLOURS) + 1}`);

type Values = (number | null | undefined)[];

/** What the lines are for uPlot: each band adds two lines of its own. */
function columnsOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  const lines = series.flatMap(({ values, band }): Values[] =>
    band === undefined ? [[...values]] : [[...values], [...band.high], [...band.low]],
  );
  return [[...times], ...lines] as uPlot.AlignedData;
}

function seriesOf(one: Series, at: number, kind: ChartProps['kind']): uPlot.Series[] {
  const stroke = lineColour(one.colour ?? at + 1);
  const marks = new Set(one.marks ?? []);
  const line: uPlot.Series = {
    label: one.label,
    stroke,
    width: 2,
    value: (_self, raw) => formatValue(raw, one.unit, one.currency),
    ...(one.isDashed === true ? { dash: [5, 5], width: 1.5 } : {}),
    ...(kind === 'bars' && one.isDashed !== true
      ? { fill: stroke, paths: uPlot.paths.bars?.({ size: [0.7, 48] }) as uPlot.Series.PathBuilder }
      : {}),
    points:
      marks.size === 0
        ? { show: (_self, _series, from, to) => to - from < 40 && kind !== 'bars', size: 5 }
        : { show: true, size: 9, fill: colour('bad'), stroke: colour('ground'), filter: () => [...marks] },
  };
  if (one.band === undefined) return [line];
  const edge: uPlot.Series = { label: '', stroke: 'transparent', width: 0, points: { show: false } };
  return [line, { ...edge, label: `${one.label}, high` }, { ...edge, label: `${one.label}, low` }];
}

function optionsOf(
  { series, zone, height = HEIGHT_PX, kind, place }: ChartProps,
  width: number,
): uPlot.Options {
  const axis = {
    stroke: colour('ink-2'),
    grid: { stroke: colour('rule'), width: 1 },
    ticks: { show: false },
  };
  const [first] = series;
  const bands: uPlot.Band[] = [];
  let at = 1;
  for (const [index, one] of series.entries()) {
    if (one.band !== undefined) {
      bands.push({ series: [at + 1, at + 2], fill: `${lineColour(one.colour ?? index + 1)}22` });
    }
    at += one.band === undefined ? 1 : 3;
  }
  return {
    width,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    cursor: { points: { size: 7 }, drag: { x: true, y: false }, focus: { prox: 24 } },
    legend: { live: true },
    scales: { y: { range: (_self, low, high) => spanOf(low, high) } },
    axes: [
      {
        ...{ ...axis, size: 34, font: '12px system-ui' },
        values: (_self, splits, _axis, _space, step_s) =>
          splits.map((at) => place?.(at) ?? timeText(at, step_s, zone)),
      },
      {
        ...axis,
        size: 64,
        font: '12px system-ui',
        values: (_self, splits) => splits.map((value) => axisText(value, first)),
      },
    ],
    series: [
      {
        label: place === undefined ? 'Time' : 'Period',
        ...(place === undefined
          ? {}
          : { value: (_self: uPlot, at: number | null) => (at === null ? '' : place(at)) }),
      },
      ...series.flatMap((one, index) => seriesOf(one, index, kind)),
    ],
    bands,
  };
}

/** A value beside the axis: money without its currency, which stands in the legend. */
function axisText(value: number, first: Series | undefined): string {
  const { unit, currency } = first ?? {};
  if (unit !== 'money') return formatValue(value, unit, null, true);
  return formatValue(value / 10 ** currencyDigits(currency ?? ''), 'number', null, true);
}

/** A time below the axis: the hour, the day or the month, as far as two of them differ. */
function timeText(seconds: number, step_s: number, timeZone: string): string {
  const of = (options: Intl.DateTimeFormatOptions): string =>
    new Date(seconds * 1_000).toLocaleString('en-GB', { timeZone, ...options });
  if (step_s < DAY_S) return of({ hour: '2-digit', minute: '2-digit' });
  return of(step_s < 28 * DAY_S ? { day: 'numeric', month: 'short' } : { month: 'short', year: 'numeric' });
}

/** From zero, for a line that begins elsewhere shows small changes as large ones; with room above. */
function spanOf(low: number | null, high: number | null): [number, number] {
  const least = Math.min(0, low ?? 0);
  const most = Math.max(0, high ?? 0);
  const room = (most - least || 1) * 0.08;
  return [least === 0 ? 0 : least - room, most + room];
}

/** Lines or bars over time, with the values under the pointer. Drag to look closer, double-click to look at all. */
export function Chart(props: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const { times, series, label, height = HEIGHT_PX } = props;
  const painted = colours.value;
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const plot = new uPlot(optionsOf(props, element.clientWidth || 600), columnsOf(times, series), element);
    const watch = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height });
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [times, series, painted, height, props.kind, props.zone]);
  return <div class="chart" role="img" aria-label={label} ref={holder} />;
}
