import { formatChange, formatValue, type Unit } from './format.ts';

interface FigureProps {
  readonly title: string;
  readonly value: number | null | undefined;
  readonly unit: Unit | string;
  readonly currency?: string | null;
  /** The span before. */
  readonly previous?: number | null;
  readonly change_pct?: number | null;
  /** More is worse, e.g. of refunds. */
  readonly isBadUp?: boolean;
  /** Whether it is the one that is looked at, where it can be chosen. */
  readonly isChosen?: boolean;
  readonly choose?: () => void;
}

/** A value as text, its unit smaller beside it. */
function Value({ text }: { readonly text: string }) {
  const [number, unit] = text.split(/ (?=\D+$)/);
  return (
    <div class="value">
      {number}
      {unit !== undefined && <span class="unit"> {unit}</span>}
    </div>
  );
}

/** One number beside the same of the span before. With `choose` it is a button. */
export function Figure(props: FigureProps) {
  const { title, value, unit, currency, previous, change_pct, isBadUp, isChosen, choose } = props;
  const way = change_pct === null || change_pct === undefined || change_pct === 0 ? 0 : Math.sign(change_pct);
  const kind = way === 0 ? '' : way > 0 === (isBadUp !== true) ? 'good' : 'bad';
  const inside = (
    <>
      <div class="name">{title}</div>
      <Value text={formatValue(value, unit, currency)} />
      {previous !== undefined && (
        <div class={`change ${kind}`}>
          {change_pct === null || change_pct === undefined ? '' : `${formatChange(change_pct)} `}
          <span>before: {formatValue(previous, unit, currency)}</span>
        </div>
      )}
    </>
  );
  if (choose === undefined) return <div class="figure">{inside}</div>;
  return (
    <button type="button" class="figure" aria-pressed={isChosen ?? false} onClick={choose}>
      {inside}
    </button>
  );
}
