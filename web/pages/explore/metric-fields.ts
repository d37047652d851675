import type { Body, FormField } from '../../answers/index.ts';

/** A metric to begin with. */
export const METRIC: Body = { name: 'email_orders', type: 'count', event: 'order.created' };

const isRatio = ({ type }: Body): boolean => type === 'ratio';
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  sum: ['amount', 'discount', 'shipping', 'tax', 'quantity'],
  avg: ['amount', 'discount', 'shipping', 'tax'],
  distinct: ['customer_id', 'order_id', 'session_id'],
};

const fieldOf = (type: string): FormField => ({
  ...{ path: 'field', title: 'Of', fallback: '' },
  options: [['', 'choose'], ...(FIELDS[type] ?? []).map((name) => [name, name.replace('_', ' ')] as const)],
  isFor: (body) => body.type === type,
});

/** Metrics of one's own, by form; a ratio has two of them inside, and is written as JSON. */
export const METRIC_FIELDS: readonly FormField[] = [
  { path: 'name', title: 'Name', isRequired: true },
  {
    ...{ path: 'type', title: 'Type' },
    options: [
      ['count', 'number of events'],
      ['sum', 'sum'],
      ['avg', 'mean'],
      ['distinct', 'different ids'],
    ],
    isFor: (body) => !isRatio(body),
  },
  {
    ...{ path: 'event', title: 'Event', kind: 'list', isRequired: true, isFor: (body) => !isRatio(body) },
    hint: 'A type, or several with commas',
  },
  ...Object.keys(FIELDS).map(fieldOf),
  {
    ...{ path: 'filters', title: 'Filters', kind: 'filters', isWide: true, isFor: (body) => !isRatio(body) },
    hint: 'country=DE,FR; channel!=email',
  },
  { path: 'title', title: 'Title' },
  { path: 'description', title: 'Description', isWide: true },
];
