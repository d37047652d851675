import uPlot from 'uplot';
import { colour } from '../state/index.ts';
import { FEW_POINTS } from './chart-levels.ts';
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

export interface ChartProps {
  /** Starts of the buckets, seconds since 1970, ascending; or periods 0, 1, 2 … with `place`. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly zone: string;
  /** Said to readers who do not see it. */
  readonly label: string;
  /** Default: as its width asks. px. */
  readonly height?: number;
  readonly kind?: 'line' | 'bars';
  /** What a place is called, where the places are whole numbers and no times. */
  readonly place?: (at: number) => string;
  /** Since where in `times` buckets are not over: they stand on another ground. */
  readonly openSince?: number;
}

const DAY_S = 86_400;
/** Points are drawn of lines that have fewer, and not of lines of comparison. */
const POINTS_MAX = 40;
/** Colours of lines in the style sheet: `--line-1` and on. */
export const LINE_COLOURS = 8;
const FONT = '12px system-ui, "DejaVu Sans", sans-serif';
/** About the width of a digit of `FONT`. */
const DIGIT_PX = 7;

const nameOfColour = (at: number): string => `line-${((at - 1) % LINE_COLOURS) + 1}`;
/** The number of a line's colour: its own, or its place. */
export const colourOf = ({ colour: own }: Series, at: number): number => own ?? at + 1;
export const lineColour = (at: number): string => colour(nameOfColour(at));

type Values = (number | null | undefined)[];

/** What the lines are for uPlot: each band adds two lines of its own. */
export function columnsOf({ times, series }: ChartProps): uPlot.AlignedData {
  const lines = series.flatMap(({ values, band }): Values[] =>
    band === undefined ? [values as Values] : [values as Values, band.high as Values, band.low as Values],
  );
  return [times as number[], ...lines] as uPlot.AlignedData;
}

/** Where in uPlot's series each line begins, and how many it has. */
export function placesOf(
  series: readonly Series[],
): readonly { readonly at: number; readonly count: number }[] {
  let at = 1;
  return series.map(({ band }) => {
    const place = { at, count: band === undefined ? 1 : 3 };
    at += place.count;
    return place;
  });
}

/** What of the properties makes another picture, rather than other numbers in the same one. */
export const formOf = ({ series, zone, kind, place, height, times }: ChartProps): string =>
  JSON.stringify([
    series.map(({ label, unit, currency, colour: own, isDashed, band }) => [
      ...[label, unit, currency, own, isDashed, band !== undefined],
    ]),
    ...[zone, kind, place !== undefined, height, times.length > FEW_POINTS],
  ]);

/** The properties as they are now: the picture outlives the numbers that it began with. */
export type Current = () => ChartProps;

function seriesOf(one: Series, index: number, count: number, kind: ChartProps['kind'], now: Current) {
  const stroke = lineColour(colourOf(one, index));
  const marksNow = (): readonly number[] => now().series[index]?.marks ?? [];
  // To paint many lines that cross a picture is what takes the time: they are thin, and nothing is filled.
  const isDense = now().times.length > FEW_POINTS;
  const isBars = kind === 'bars' && one.isDashed !== true;
  const isAlone =
    count === 1 ||
    (index === 0 &&
      now()
        .series.slice(1)
        .every(({ isDashed }) => isDashed));
  const line: uPlot.Series = {
    label: one.label,
    stroke,
    width: isDense ? 1 : 1.75,
    ...(one.isDashed === true ? { dash: [4, 5], width: 1.5 } : {}),
    ...(isAlone && !isBars && !isDense && one.band === undefined ? { fill: `${stroke}14` } : {}),
    ...(isBars
      ? { fill: stroke, paths: uPlot.paths.bars?.({ size: [0.7, 48] }) as uPlot.Series.PathBuilder }
      : {}),
    points:
      one.marks === undefined
        ? {
            ...{ size: 5, fill: colour('ground') },
            show: (_self, _series, from, to) =>
              to - from < POINTS_MAX && kind !== 'bars' && one.isDashed !== true,
          }
        : {
            show: true,
            size: 9,
            fill: colour('bad'),
            stroke: colour('ground'),
            filter: () => [...marksNow()],
          },
  };
  if (one.band === undefined) return [line];
  const edge: uPlot.Series = { label: '', stroke: 'transparent', width: 0, points: { show: false } };
  return [line, { ...edge }, { ...edge }];
}

const bandsOf = (series: readonly Series[]): uPlot.Band[] =>
  placesOf(series).flatMap(({ at, count }, index) => {
    const one = series[index];
    return count === 1 || one === undefined
      ? []
      : [{ series: [at + 1, at + 2], fill: `${lineColour(colourOf(one, index))}22` } as uPlot.Band];
  });

/** Everything but the numbers. */
export function optionsOf(now: Current, width: number, height: number, plugin: uPlot.Plugin): uPlot.Options {
  const { series, zone, kind, place } = now();
  const axis = { stroke: colour('ink-2'), ticks: { show: false }, font: FONT };
  const isTime = place === undefined;
  return {
    ...{ width, height, plugins: [plugin] },
    padding: [8, isTime ? 22 : 28, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    cursor: {
      y: false,
      points: { size: 7 },
      drag: { x: true, y: false },
      focus: { prox: 24 },
      // With the shift key the picture is moved instead.
      bind: { mousedown: (_self, _target, handler) => (event) => (event.shiftKey ? null : handler(event)) },
    },
    legend: { show: false },
    scales: {
      x: { time: isTime, ...(isTime ? {} : { range: (_self, low, high) => [low, Math.max(high, low + 1)] }) },
      y: { range: (_self, low, high) => spanOf(low, high) },
    },
    axes: [
      {
        ...{ ...axis, size: 26, gap: 6, grid: { show: false } },
        ...(isTime ? {} : { incrs: [1, 2, 5, 10, 20, 50] }),
        values: (_self, splits, _axis, _space, step_s) =>
          splits.map((at) => now().place?.(at) ?? timeText(at, step_s, zone)),
      },
      {
        ...{ ...axis, gap: 8, grid: { stroke: colour('rule'), width: 1 } },
        size: (_self, values) => 16 + DIGIT_PX * Math.max(2, ...(values ?? []).map((text) => text.length)),
        values: (_self, splits) => splits.map((value) => axisText(value, now().series[0])),
      },
    ],
    series: [{}, ...series.flatMap((one, index) => seriesOf(one, index, series.length, kind, now))],
    bands: bandsOf(series),
  };
}

/** A value beside the axis: money without its currency, which stands beside the pointer. */
function axisText(value: number, first: Series | undefined): string {
  const { unit, currency } = first ?? {};
  if (unit !== 'money') return formatValue(value, unit, null, true);
  return formatValue(value / 10 ** currencyDigits(currency ?? ''), 'number', null, true);
}

/** A time below the axis: the hour, the day or the month, as far as two of them differ. */
function timeText(seconds: number, step_s: number, timeZone: string): string {
  const of = (options: Intl.DateTimeFormatOptions): string =>
    new Date(seconds * 1_000).toLocaleString('en-GB', { timeZone, ...options });
  if (step_s < DAY_S) {
    const hour = of({ hour: '2-digit', minute: '2-digit' });
    // A day begins: its name says more than its first hour.
    return hour === '00:00' ? of({ day: 'numeric', month: 'short' }) : hour;
  }
  return of(step_s < 28 * DAY_S ? { day: 'numeric', month: 'short' } : { month: 'short', year: 'numeric' });
}

/** From zero, for a line that begins elsewhere shows small changes as large ones; with room above. */
function spanOf(low: number | null, high: number | null): [number, number] {
  const least = Math.min(0, low ?? 0);
  const most = Math.max(0, high ?? 0);
  if (least === most) return [0, 1];
  const room = (most - least) * 0.08;
  return [least === 0 ? 0 : least - room, most + room];
}
