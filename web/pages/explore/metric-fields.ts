import { type Body, type FormField, memberOf, withMember } from '../../answers/index.ts';
import type { Options } from '../../parts/index.ts';

/** A metric to begin with. */
export const METRIC: Body = { name: 'email_orders', type: 'count', event: 'order.created' };

/** Members of an event that a kind of metric can be of. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  sum: ['amount', 'discount', 'shipping', 'tax', 'quantity'],
  avg: ['amount', 'discount', 'shipping', 'tax'],
  distinct: ['customer_id', 'order_id', 'session_id'],
};
const TYPES: Options = [
  ['count', 'number of events'],
  ['sum', 'sum'],
  ['avg', 'mean'],
  ['distinct', 'different ids'],
  ['ratio', 'one divided by another'],
];
const EVENT = 'order.created';
const EVENT_HINT = 'A type, or several with commas';
const FILTERS_HINT = 'country=DE,FR; channel!=email';

const fieldOptions = (type: string): Options => [
  ['', 'choose'],
  ...(FIELDS[type] ?? []).map((name) => [name, name.replace('_', ' ')] as const),
];

/** What is counted begins anew as another type of metric: a ratio has two parts in place of events. */
function ofType({ field: _, numerator: __, denominator: ___, ...body }: Body, type: string): Body {
  const { event, filters, ...texts } = body;
  if (type === 'ratio') return { ...texts, type, numerator: 'orders_count', denominator: 'visits' };
  const rows = { event: event ?? EVENT, ...(filters === undefined ? {} : { filters }) };
  return { ...texts, type, ...rows };
}

const isPart = (body: Body, side: string, type?: string): boolean => {
  const part = memberOf(body, side);
  return typeof part === 'object' && (type === undefined || memberOf(body, `${side}.type`) === type);
};

/** One of the two parts of a ratio: a metric by its name, or what to count. */
function partFields(
  side: 'numerator' | 'denominator',
  title: string,
  metrics: Options,
): readonly FormField[] {
  const isRatio = ({ type }: Body): boolean => type === 'ratio';
  const isNamed = (body: Body): boolean => isRatio(body) && typeof body[side] === 'string';
  const fields = ['sum', 'distinct'].map(
    (type): FormField => ({
      ...{ path: `${side}.field`, title: `${title}: ${type === 'sum' ? 'sum of' : 'different'}` },
      options: fieldOptions(type),
      isFor: (body) => isPart(body, side, type),
    }),
  );
  return [
    {
      ...{ path: side, title, isFor: isRatio },
      options: [['metric', 'a metric'], ...TYPES.filter(([type]) => type !== 'avg' && type !== 'ratio')],
      read: (body) => (isNamed(body) ? 'metric' : String(memberOf(body, `${side}.type`))),
      write: (body, type) =>
        withMember(body, side, type === 'metric' ? 'orders_count' : { type, event: EVENT }),
    },
    { path: side, title: `${title}: metric`, options: metrics, isFor: isNamed },
    {
      ...{ path: `${side}.event`, title: `${title}: event`, kind: 'list', isRequired: true },
      ...{ hint: EVENT_HINT, isFor: (body) => isPart(body, side) },
    },
    ...fields,
    {
      ...{ path: `${side}.filters`, title: `${title}: filters`, kind: 'filters', isWide: true },
      ...{ hint: FILTERS_HINT, isFor: (body) => isPart(body, side) },
    },
  ];
}

const isOfEvents = ({ type }: Body): boolean => type !== 'ratio';

/** Metrics of one's own, by form. */
export const metricFields = (metrics: Options): readonly FormField[] => [
  { path: 'name', title: 'Name', isRequired: true },
  { path: 'type', title: 'Type', options: TYPES, write: ofType },
  {
    ...{ path: 'event', title: 'Event', kind: 'list', isRequired: true },
    ...{ hint: EVENT_HINT, isFor: isOfEvents },
  },
  ...Object.keys(FIELDS).map(
    (type): FormField => ({
      ...{ path: 'field', title: 'Of', fallback: '', options: fieldOptions(type) },
      isFor: (body) => body.type === type,
    }),
  ),
  {
    ...{ path: 'filters', title: 'Filters', kind: 'filters', isWide: true },
    ...{ hint: FILTERS_HINT, isFor: isOfEvents },
  },
  ...partFields('numerator', 'Divide', metrics),
  ...partFields('denominator', 'By', metrics),
  { path: 'title', title: 'Title' },
  { path: 'description', title: 'Description', isWide: true },
];
