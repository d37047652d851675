import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { type Answered, type AnswerMeta, type ApiRequest, asCurl } from '../api/index.ts';
import { now, range } from '../state/index.ts';
import { type Sheet, saveCsv, savePng } from './download.ts';
import { formatAge, formatTime } from './format.ts';
import { type Reserve, reservedHeight, useKeptHeight } from './kept-height.ts';
import { Menu } from './menu.tsx';
import { Copyable, copyText, Problem } from './notes.tsx';

interface TileProps<T> {
  readonly title: string;
  /** What is shown when it is answered; undefined where nothing is asked. */
  readonly answer?: Answered<T>;
  /** What was asked, for "as curl". */
  readonly request?: ApiRequest | null;
  /** The numbers behind the picture, for "CSV"; where nothing is asked, as they are. */
  readonly sheet?: ((data: T) => Sheet) | Sheet;
  /** Whether it has a picture to save. */
  readonly hasPicture?: boolean;
  /** How high what is shown will be, about: its place is kept until it is there. A picture has one by itself. */
  readonly reserve?: Reserve;
  /** Columns of the grid of 12 that it takes. */
  readonly span?: 3 | 4 | 6 | 8 | 12;
  readonly actions?: ComponentChildren;
  /** Of the data, or as it is where nothing is asked. */
  readonly children: ((data: T) => ComponentChildren) | ComponentChildren;
}

const metaOf = (data: unknown): AnswerMeta | undefined =>
  typeof data === 'object' && data !== null && 'meta' in data ? (data.meta as AnswerMeta) : undefined;

/**
 * A part of a page with its own answer: what it says while it loads, what it says when it fails, how old and how
 * complete it is, and what can be taken from it. One that fails leaves the others as they are.
 */
export function Tile<T>({
  title,
  answer,
  request,
  sheet,
  hasPicture,
  reserve,
  span = 12,
  actions,
  children,
}: TileProps<T>) {
  const frame = useRef<HTMLElement>(null);
  const copied = useSignal(false);
  /** A text that could not be copied is shown, to be copied by hand. */
  const uncopied = useSignal<string | undefined>(undefined);
  const data = answer?.data;
  const shownSheet = sheetNow(sheet, data);
  const items = [
    ...(hasPicture === true
      ? [{ title: 'Save as PNG', act: () => frame.current && savePng(frame.current, title) }]
      : []),
    ...(shownSheet === undefined ? [] : [{ title: 'Save as CSV', act: () => saveCsv(shownSheet(), title) }]),
    ...(request
      ? [{ title: copied.value ? 'Copied' : 'Copy as curl', act: () => copy(asCurl(request)) }]
      : []),
    ...(answer === undefined ? [] : [{ title: 'Ask again', act: answer.again }]),
  ];
  const copy = async (text: string): Promise<void> => {
    if (!(await copyText(text))) {
      uncopied.value = text;
      return;
    }
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, 2_000);
  };
  const shown = typeof children === 'function' ? (data === undefined ? null : children(data)) : children;
  const isFirst = answer !== undefined && data === undefined && answer.problem === undefined;
  const height_px = useKeptHeight(title, frame, answer !== undefined && data !== undefined, reserve);
  return (
    <section
      class={`tile span-${span}`}
      {...(reserve === undefined ? {} : { style: { '--reserve': `${reservedHeight(reserve)}px` } })}
      ref={frame}
      aria-busy={answer?.isLoading ?? false}
    >
      <header>
        <h2>{title}</h2>
        {actions}
        {items.length > 0 && <Menu label={`${title}: more`} items={items} />}
      </header>
      {answer?.problem !== undefined && <Problem problem={answer.problem} again={answer.again} />}
      {uncopied.value !== undefined && <Copyable text={uncopied.value} />}
      {isFirst ? (
        <Waiting key="waiting" label={`${title} is loading`} height_px={height_px} isTall={hasPicture} />
      ) : (
        shown
      )}
      {answer !== undefined && data !== undefined && <Freshness answer={answer} meta={metaOf(data)} />}
    </section>
  );
}

/** What makes the numbers to be saved; undefined where there are none yet. */
function sheetNow<T>(sheet: TileProps<T>['sheet'], data: T | undefined): (() => Sheet) | undefined {
  if (typeof sheet !== 'function') return sheet && (() => sheet);
  return data === undefined ? undefined : () => sheet(data);
}

interface WaitingProps {
  readonly label: string;
  /** Default: a few lines. */
  readonly height_px?: number | undefined;
  /** As a chart. */
  readonly isTall?: boolean | undefined;
}

/** The place of what is asked for and not there yet. */
export function Waiting({ label, height_px, isTall }: WaitingProps) {
  return (
    <div
      class={isTall === true ? 'waiting tall' : 'waiting'}
      {...(height_px === undefined ? {} : { style: { minHeight: `${height_px}px` } })}
      role="status"
      aria-label={label}
    />
  );
}

/** How old what is shown is, until when it is complete, and what the answer warns of. */
function Freshness({
  answer,
  meta,
}: {
  readonly answer: Answered<unknown>;
  readonly meta: AnswerMeta | undefined;
}) {
  const { at_ms = 0, isLoading, problem } = answer;
  const age_ms = Math.max(0, now.value - at_ms);
  const parts: string[] = [];
  if (problem !== undefined || age_ms > 60_000) parts.push(`${formatAge(age_ms)} old`);
  if (isLoading && age_ms > 1_000) parts.push('asking again');
  const until = meta?.complete_until;
  if (until !== undefined) parts.push(until === null ? 'nothing complete yet' : untilText(until));
  if ((meta?.approximate?.length ?? 0) > 0) parts.push(`approximate: ${meta?.approximate?.join(', ')}`);
  const warnings = (meta?.warnings ?? []).map((one) =>
    typeof one === 'string' ? one : (one.message ?? one.code ?? ''),
  );
  if (parts.length === 0 && warnings.length === 0) return null;
  return (
    <footer class="fresh">
      {parts.join(' · ')}
      {warnings.map((text) => (
        <span key={text} class="warning">
          {text}
        </span>
      ))}
    </footer>
  );
}

function untilText(until: string): string {
  const { end_ms, zone } = range.value;
  return Date.parse(until) >= end_ms ? 'complete' : `complete until ${formatTime(until, zone)}`;
}
