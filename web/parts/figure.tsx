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
}

/** One number beside the same of the span before. */
export function Figure({ title, value, unit, currency, previous, change_pct, isBadUp }: FigureProps) {
  const way = change_pct === null || change_pct === undefined || change_pct === 0 ? 0 : Math.sign(change_pct);
  const kind = way === 0 ? '' : way > 0 === (isBadUp !== true) ? 'good' : 'bad';
  return (
    <div class="figure">
      <div class="name">{title}</div>
      <div class="value">{formatValue(value, unit, currency)}</div>
      {previous !== undefined && (
        <div class={`change ${kind}`}>
          {change_pct === null || change_pct === undefined ? '' : `${formatChange(change_pct)} `}
          <span>before: {formatValue(previous, unit, currency)}</span>
        </div>
      )}
    </div>
  );
}
