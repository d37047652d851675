import { flatten, isObject, type Members } from '../events/index.ts';
import { itemsOf, sumOfItems } from './items.ts';
import { MappingError } from './mapping-error.ts';
import type { Mapping, MappingRule, ValueSpec } from './mapping-schema.ts';
import { Scope, type SourceRecordBody } from './scope.ts';
import { fieldValue, type MoneyOf } from './values.ts';

export type MappedRecord =
  /** `dropped`: why a record gives nothing on purpose: the word of a rule, or `no_rule`. */
  | { readonly ok: true; readonly events: readonly Members[]; readonly dropped?: string }
  | { readonly ok: false; readonly code: 'mapping_failed'; readonly field: string; readonly message: string };

const REQUIRED = ['event_id', 'type', 'time'];

/**
 * The events that a mapping makes of one record: those of every rule that holds, all of them or none. A function of
 * record and mapping alone, so a record that comes again gives the same events. They are yet to be checked as events. Never throws.
 */
export function mapRecord(mapping: Mapping, record: SourceRecordBody): MappedRecord {
  const scope = new Scope(record);
  const rules = mapping.rules.filter(({ when }) => when === undefined || scope.holds(when));
  const drop = rules.find((rule) => rule.drop !== undefined)?.drop;
  if (drop !== undefined) return { ok: true, events: [], dropped: drop };
  const makers = rules.filter((rule) => rule.drop === undefined);
  if (makers.length === 0) return { ok: true, events: [], dropped: 'no_rule' };
  try {
    const events = makers.flatMap((rule) => eventsOfRule(rule, record, scope, mapping));
    for (const [at, made] of events.entries()) complete(made, record.id, at);
    return { ok: true, events: events.map(({ event }) => event) };
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    return { ok: false, code: error.code, field: error.field, message: error.message };
  }
}

function eventsOfRule(
  rule: MappingRule,
  record: SourceRecordBody,
  scope: Scope,
  { exponents }: Mapping,
): readonly Made[] {
  const scopes = rule.each === undefined ? [scope] : scope.each(rule.each);
  return scopes.map((one) => eventOf(rule, record, one, exponents));
}

function eventOf(
  { flat, event: fields = {}, items: itemsSpec, amount_of_items, data: dataFields }: MappingRule,
  { body }: SourceRecordBody,
  scope: Scope,
  exponents: Mapping['exponents'],
): Made {
  const event: Record<string, unknown> = Object.create(null);
  const members = flat === true ? flatten(body) : undefined;
  if (isObject(members)) Object.assign(event, members);
  const currency = fields.currency && fieldValue('currency', fields.currency, scope, NO_MONEY);
  const money: MoneyOf = {
    currency: typeof currency === 'string' ? currency.toUpperCase() : undefined,
    exponents,
  };
  Object.assign(event, valuesOf(fields, scope, money));
  if (money.currency !== undefined) event.currency = money.currency;
  if (itemsSpec !== undefined) {
    const items = itemsOf(itemsSpec, scope, money);
    if (items.length > 0) event.items = items;
    if (amount_of_items === true) event.amount = sumOfItems(items);
  }
  if (dataFields !== undefined) {
    const data = valuesOf(dataFields, scope, money);
    if (Object.keys(data).length > 0) event.data = data;
  }
  return { event, isFlat: flat === true };
}

const NO_MONEY: MoneyOf = { currency: undefined, exponents: undefined };

function valuesOf(
  fields: Readonly<Record<string, ValueSpec>>,
  scope: Scope,
  money: MoneyOf,
): Record<string, unknown> {
  const values: Record<string, unknown> = Object.create(null);
  for (const [field, spec] of Object.entries(fields)) {
    const value = fieldValue(field, spec, scope, money);
    if (value !== undefined) values[field] = value;
  }
  return values;
}

/** An event in the making. */
interface Made {
  readonly event: Record<string, unknown>;
  readonly isFlat: boolean;
}

/** Names an event that the source does not name, after its record. A flat one is checked as an event is. */
function complete({ event, isFlat }: Made, id: string | undefined, at: number): void {
  if (id !== undefined) event.event_id ??= at === 0 ? id : `${id}#${at}`;
  if (!isFlat) requireFields(event);
}

function requireFields(event: Members): void {
  const missing = REQUIRED.find((field) => event[field] === undefined);
  if (missing !== undefined)
    throw new MappingError(missing, 'the record has nothing where the mapping looks for it');
}
