import { parseEventTime } from '../events/index.ts';
import { MappingError } from './mapping-error.ts';
import type { Mapping, ValueSpec } from './mapping-schema.ts';
import { fromMinorUnits, minorUnits } from './money.ts';
import type { Scope } from './scope.ts';

type PathSpec = Extract<ValueSpec, { readonly path: unknown }>;
type SumSpec = Extract<ValueSpec, { readonly sum: unknown }>;

const MONEY: ReadonlySet<string> = new Set(['amount', 'discount', 'shipping', 'tax', 'unit_price']);
const encoder = new TextEncoder();

/** What money of an event is read by. */
export interface MoneyOf {
  readonly currency: string | undefined;
  readonly exponents: Mapping['exponents'];
}

/**
 * A field of the event. Undefined where the source has nothing at its paths; what is there and cannot be read is an
 * error, never left out.
 * @throws MappingError
 */
export function fieldValue(field: string, spec: ValueSpec, scope: Scope, money: MoneyOf): unknown {
  if (typeof spec === 'string') return pathValue(field, { path: spec }, scope, money);
  if ('const' in spec) return spec.const;
  if ('join' in spec) return joined(field, spec.join, scope);
  if ('sum' in spec) return summed(field, spec, scope, money);
  return pathValue(field, spec, scope, money);
}

function pathValue(field: string, spec: PathSpec, scope: Scope, money: MoneyOf): unknown {
  const value = scope.first(spec.path);
  if (value === undefined) return undefined;
  if (field === 'time') return timeText(value, spec.format ?? 'rfc3339');
  const as = spec.as ?? (MONEY.has(field) ? 'money' : 'text');
  if (as === 'any') return value;
  if (as === 'integer') return integer(field, value);
  if (as === 'text') return renamed(textOf(field, value), spec) || undefined;
  // `+ 0`: not -0.
  const amount = (spec.negate === true ? -1 : 1) * moneyOf(field, value, as, money) + 0;
  if (spec.minus === undefined) return amount;
  const less = scope.at(spec.minus);
  if (less === undefined) throw new MappingError(field, `${spec.minus} is not there to be taken away`);
  return amount - moneyOf(field, less, as, money);
}

function renamed(text: string, { map, slug }: PathSpec): string {
  if (map !== undefined && Object.hasOwn(map, text)) return map[text] ?? text;
  return slug === true ? text.trim().toLowerCase().replaceAll(/\s+/g, '_') : text;
}

/** Undefined when a part of it is not there: half an id is none. */
function joined(field: string, parts: Extract<ValueSpec, { join: unknown }>['join'], scope: Scope): unknown {
  const texts: string[] = [];
  for (const part of parts) {
    const value = typeof part === 'string' ? scope.at(part) : part.const;
    if (value === undefined) return undefined;
    texts.push(textOf(field, value));
  }
  return texts.join('');
}

/** Without `or`, what is not there adds nothing; with it, it stands for the whole sum, which would lack something. */
function summed(field: string, { sum, or }: SumSpec, scope: Scope, money: MoneyOf): unknown {
  let total = 0;
  for (const { each, path, when, negate } of sum) {
    const elements = scope.eachNested(each);
    if (elements === undefined && or !== undefined) return pathValue(field, { path: or }, scope, money);
    for (const element of elements ?? []) {
      if (when !== undefined && !element.holds(when)) continue;
      const value = element.first(path);
      if (value === undefined && or !== undefined) return pathValue(field, { path: or }, scope, money);
      if (value !== undefined) total += (negate === true ? -1 : 1) * moneyOf(field, value, 'money', money);
    }
  }
  if (!Number.isSafeInteger(total)) throw new MappingError(field, 'is more than 2^53-1 minor units');
  // Not -0.
  return total + 0;
}

/** Text, and numbers and booleans as text, with all their digits. */
export function textOf(field: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  throw new MappingError(field, 'is an object or a list, where one value is wanted');
}

export function integer(field: string, value: unknown): number {
  const number = Number(textOf(field, value));
  if (!Number.isSafeInteger(number)) throw new MappingError(field, `${String(value)} is not an integer`);
  return number;
}

export function moneyOf(field: string, value: unknown, as: 'money' | 'minor', of: MoneyOf): number {
  const text = textOf(field, value);
  const { currency, exponents } = of;
  if (currency === undefined)
    throw new MappingError(field, 'has no currency: map one, or give it as a constant');
  if (as === 'money') return minorUnits(field, text, currency);
  const exponent = exponents?.[currency];
  return exponent === undefined ? integer(field, value) : fromMinorUnits(field, text, currency, exponent);
}

function timeText(value: unknown, format: NonNullable<PathSpec['format']>): string {
  const text = textOf('time', value);
  if (format === 'epoch_s' || format === 'epoch_ms') {
    const epoch = /^\d{1,15}(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    const date = new Date(Math.floor(format === 'epoch_s' ? epoch * 1_000 : epoch));
    if (Number.isNaN(date.getTime())) throw new MappingError('time', `${text} is no ${format}`);
    return date.toISOString();
  }
  const full = format === 'utc' && !/(?:[zZ]|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text;
  const bytes = encoder.encode(full);
  if (Number.isNaN(parseEventTime(bytes, 0, bytes.length)))
    throw new MappingError('time', `${JSON.stringify(text)} is no date-time (${format})`);
  return full;
}
