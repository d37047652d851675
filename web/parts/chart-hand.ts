import type uPlot from 'uplot';
import { colour } from '../state/index.ts';
import { placeOf } from './chart-levels.ts';
import {
  type ChartProps,
  type Current,
  colourOf,
  lineColour,
  placesOf,
  type Series,
} from './chart-options.ts';
import { formatTime, formatValue } from './format.ts';

/** How far a key moves the picture, and how much nearer one looks by a key; of what is seen. */
const STEP = 0.15;
const NEARER = 0.7;

type Span = readonly [min: number, max: number];

const wholeOf = (plot: uPlot): Span => {
  const [times] = plot.data;
  return [times[0] ?? 0, times.at(-1) ?? 0];
};

const seenOf = (plot: uPlot): Span => [plot.scales.x?.min ?? 0, plot.scales.x?.max ?? 0];

/** Whether only a part is seen. */
export function isNear(plot: uPlot): boolean {
  const [[from, to], [min, max]] = [wholeOf(plot), seenOf(plot)];
  return min > from || max < to;
}

/** How much of the whole is seen, 0 to 1. */
export function shareOf(plot: uPlot): number {
  const [[from, to], [min, max]] = [wholeOf(plot), seenOf(plot)];
  return to > from ? Math.min(1, (max - min) / (to - from)) : 1;
}

/** Shows a span of the whole, moved inside where it lies beyond an end. */
export function look(plot: uPlot, min: number, max: number): void {
  const [from, to] = wholeOf(plot);
  const width = Math.min(max - min, to - from);
  if (width <= 0) return;
  const begin = Math.min(Math.max(min, from), to - width);
  plot.setScale('x', { min: begin, max: begin + width });
}

const move = (plot: uPlot, by: number): void => {
  const [min, max] = seenOf(plot);
  look(plot, min + by, max + by);
};

/** Arrows move, `+` and `-` look nearer and farther, `0` shows the whole. True where the key meant the picture. */
export function onKey(plot: uPlot, key: string): boolean {
  const [min, max] = seenOf(plot);
  const width = max - min;
  if (key === 'ArrowLeft' || key === 'ArrowRight') {
    if (!isNear(plot)) return false;
    move(plot, (key === 'ArrowLeft' ? -STEP : STEP) * width);
  } else if (key === '+' || key === '-') {
    const next = key === '+' ? width * NEARER : width / NEARER;
    const middle = (min + max) / 2;
    look(plot, middle - next / 2, middle + next / 2);
  } else if (key === '0') look(plot, ...wholeOf(plot));
  else return false;
  return true;
}

/** Moves the picture while the shift key and a button are held. */
function drag(plot: uPlot, event: MouseEvent): void {
  const [min, max] = seenOf(plot);
  const perPx = (max - min) / plot.over.clientWidth;
  const onMove = ({ clientX }: MouseEvent): void => {
    const by = (event.clientX - clientX) * perPx;
    look(plot, min + by, max + by);
  };
  const onUp = (): void => {
    removeEventListener('mousemove', onMove);
    removeEventListener('mouseup', onUp);
  };
  addEventListener('mousemove', onMove);
  addEventListener('mouseup', onUp);
  event.preventDefault();
}

function onWheel(plot: uPlot, event: WheelEvent): void {
  const by_px = event.shiftKey ? event.deltaY : event.deltaX;
  // Up and down is the page's own, and so is everything while the whole is seen.
  if (!isNear(plot) || (!event.shiftKey && Math.abs(event.deltaX) < Math.abs(event.deltaY))) return;
  event.preventDefault();
  const [min, max] = seenOf(plot);
  move(plot, (by_px * (max - min)) / plot.over.clientWidth);
}

function row(of: Series, value: number | null, stroke: string): HTMLElement {
  const element = document.createElement('div');
  const [swatch, name, text] = ['i', 'span', 'b'].map((tag) => document.createElement(tag)) as [
    ...[HTMLElement, HTMLElement, HTMLElement],
  ];
  swatch.style.color = stroke;
  name.textContent = of.label;
  text.textContent = formatValue(value, of.unit, of.currency);
  element.append(swatch, name, text);
  return element;
}

/** The rows beside the pointer: each line's value, and its band. */
function rowsOf({ series }: ChartProps, plot: uPlot, at: number): HTMLElement[] {
  const places = placesOf(series);
  return series.flatMap((one, index) => {
    if (plot.series[places[index]?.at ?? 0]?.show === false) return [];
    const stroke = lineColour(colourOf(one, index));
    const [low, high] = [one.band?.low[at] ?? null, one.band?.high[at] ?? null];
    const value = one.values[at] ?? null;
    const own = row(one, value, stroke);
    if (low === null || high === null) return value === null && series.length > 1 ? [] : [own];
    const band = row({ ...one, label: 'between' }, low, `${stroke}55`);
    band.lastElementChild?.append(` – ${formatValue(high, one.unit, one.currency)}`);
    return value === null ? [band] : [own, band];
  });
}

function fill(tip: HTMLElement, plot: uPlot, props: ChartProps): void {
  const { idx, left = -1 } = plot.cursor;
  const time = idx === null || idx === undefined ? undefined : plot.data[0][idx];
  tip.hidden = time === undefined || left < 0;
  if (tip.hidden || time === undefined) return;
  // What is drawn may be coarser than what there is.
  const at = placeOf(props.times, time);
  const head = document.createElement('strong');
  // Of a bucket that begins with its day, the day is enough.
  head.textContent = props.place?.(time) ?? formatTime(time * 1_000, props.zone).replace(/, 00:00$/, '');
  if (props.openSince !== undefined && at >= props.openSince) head.textContent += ', not over';
  tip.replaceChildren(head, ...rowsOf(props, plot, at));
  const isRight = left > plot.over.clientWidth / 2;
  tip.style.transform = `translate(${isRight ? left - tip.offsetWidth - 12 : left + 12}px, 4px)`;
}

/** Another ground behind the buckets that are not over. */
function paintOpen(plot: uPlot, { openSince, times }: ChartProps): void {
  const since = openSince === undefined ? undefined : times[Math.max(0, openSince - 1)];
  if (since === undefined || (openSince ?? 0) >= times.length) return;
  const { ctx, bbox } = plot;
  const x = Math.max(bbox.left, plot.valToPos(since, 'x', true));
  if (x >= bbox.left + bbox.width) return;
  ctx.save();
  ctx.fillStyle = colour('soft');
  ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
  ctx.restore();
}

/** What a hand does with a picture: values beside the pointer, moving it, and what is told when it is moved. */
export function hand(now: Current, moved: (plot: uPlot) => void): uPlot.Plugin {
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  return {
    hooks: {
      init: (plot) => {
        plot.over.append(tip);
        plot.over.addEventListener('mousedown', (event) => {
          if (event.shiftKey && event.button === 0) drag(plot, event);
        });
        plot.over.addEventListener('wheel', (event) => onWheel(plot, event), { passive: false });
      },
      setCursor: (plot) => fill(tip, plot, now()),
      setScale: (plot, name) => {
        if (name === 'x') moved(plot);
      },
      drawClear: (plot) => paintOpen(plot, now()),
    },
  };
}
