import type { Direction, Episode, GroupTexts, JudgedWindow, Severity } from '../../operators/index.ts';
import type { MetricUnit } from '../kpis/index.ts';
import { formatUtc, minorUnitExponent, type Zone } from '../query/index.ts';
import type { RuleBody } from './rule-schema.ts';

const SEVERITIES = ['low', 'medium', 'high'] as const;
/** Steps of the score above the threshold: ten times and a thousand times rarer than what is flagged at all. */
const MEDIUM_SCORE = 1;
const HIGH_SCORE = 3;
/** Shares of what was expected that raise and lower severity by one. */
const LARGE_CHANGE = 0.5;
const SMALL_CHANGE = 0.2;

/**
 * How bad a window is: by how rare it is, one step up where it is off by half of what was expected or more, one down
 * where by less than a fifth; and no more than the stakes of the rule say of the difference. undefined: not at all.
 */
export function severityOf(
  { value, verdict }: JudgedWindow,
  direction: Direction,
  threshold: number,
  rule: Pick<RuleBody, 'direction' | 'min_change_percent' | 'stakes' | 'method'>,
): Severity | undefined {
  const { score, expected } = verdict;
  // A bound that a user set is broken or not: nothing says how much that matters.
  if (rule.method === 'threshold') return 'high';
  if (expected === null || (rule.direction !== 'both' && rule.direction !== direction)) return undefined;
  const difference = Math.abs(value - expected);
  const change = expected === 0 ? Number.POSITIVE_INFINITY : difference / Math.abs(expected);
  if (change * 100 < rule.min_change_percent) return undefined;
  const over = score - threshold;
  let rank = over >= HIGH_SCORE ? 2 : over >= MEDIUM_SCORE ? 1 : 0;
  if (change >= LARGE_CHANGE) rank++;
  else if (change < SMALL_CHANGE) rank--;
  const { stakes } = rule;
  const most = stakes === undefined || difference >= stakes.high ? 2 : difference >= stakes.medium ? 1 : 0;
  return SEVERITIES[Math.max(0, Math.min(rank, most))];
}

export interface TextParts {
  /** Of the metric. */
  readonly title: string;
  readonly unit: MetricUnit;
  readonly dimensions: readonly string[];
  readonly window: RuleBody['window'];
  readonly zone: Zone;
  /** What was expected is a bound that a user set. */
  readonly isBound: boolean;
}

/** E.g. "Revenue 77 % below its expected value on 2026-03-19 (expected 52,000.00 EUR, actual 12,000.00 EUR)". */
export function textOf(
  { title, unit, dimensions, window, zone, isBound }: TextParts,
  { values, currency }: GroupTexts,
  { value, expected, direction }: Pick<Episode, 'value' | 'expected' | 'direction'>,
  { start_ms, end_ms }: { readonly start_ms: number; readonly end_ms: number },
): string {
  const where = dimensions.map((name, at) => `${name} ${values[at] === '' ? 'none' : values[at]}`).join(', ');
  const what = where === '' ? title : `${title} (${where})`;
  const change = changeText(value, expected);
  const side = direction === 'low' ? 'below' : 'above';
  const said = (number: number): string => numberText(number, unit, currency);
  return (
    `${what} ${change}${side} its ${isBound ? 'threshold' : 'expected value'} ${whenText(window, zone, start_ms, end_ms)} ` +
    `(${isBound ? 'threshold' : 'expected'} ${said(expected)}, actual ${said(value)})`
  );
}

/** Of what was expected, rounded: "77 % "; '' where nothing was. */
function changeText(value: number, expected: number): string {
  if (expected === 0) return '';
  const percent = (Math.abs(value - expected) / Math.abs(expected)) * 100;
  return `${percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)} % `;
}

function whenText(window: RuleBody['window'], zone: Zone, start_ms: number, end_ms: number): string {
  if (window === '1d') return `on ${zone.format(start_ms).slice(0, 10)}`;
  return `from ${formatUtc(start_ms)} to ${formatUtc(end_ms)}`;
}

function numberText(value: number, unit: MetricUnit, currency: string | undefined): string {
  const grouped = (number: number, digits: number): string =>
    number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  switch (unit) {
    case 'money': {
      const digits = minorUnitExponent(currency ?? '');
      return `${grouped(value / 10 ** digits, digits)} ${currency === undefined || currency === '' ? '' : currency}`.trim();
    }
    case 'ratio':
      return `${grouped(value * 100, 1)} %`;
    case 'days':
    case 'seconds':
      return `${grouped(value, 1)} ${unit}`;
    default:
      return Number.isInteger(value) ? grouped(value, 0) : grouped(value, 1);
  }
}
