import { type Body, type Definition, type FormField, memberOf } from '../../answers/index.ts';
import type { Options } from '../../parts/index.ts';

/** A sink to begin with: what changes of the orders by day, on a subject. */
export const sinkOf = (start: string): Body => ({
  name: 'Sales by day',
  source: { query: { metrics: ['orders_count', 'revenue_net'], granularity: '1d', start } },
  destination: { nats: 'sales.daily' },
});

const has = (body: Body, path: string): boolean => memberOf(body, path) !== undefined;
const isOfAnomalies = (body: Body): boolean => has(body, 'source.anomalies');
const isOfQuery = (body: Body): boolean => !isOfAnomalies(body);
const placeOf = ({ destination }: Body): string => Object.keys(destination ?? {})[0] ?? 'nats';
const goesTo =
  (place: string) =>
  (body: Body): boolean =>
    placeOf(body) === place;

/** Where a destination begins, before its members are written. */
const PLACES: Readonly<Record<string, unknown>> = {
  nats: 'sales.daily',
  kafka: { connector_id: '', topic: '' },
  s3: 's3://',
};

/** A member of what anomalies are told of. They are told of without any, too: the source stays. */
const ofAnomalies = (name: string): Pick<FormField, 'path' | 'isFor' | 'write'> => ({
  path: `source.anomalies.${name}`,
  isFor: isOfAnomalies,
  write: (body, value) => {
    const { [name]: _, ...others } = (memberOf(body, 'source.anomalies') ?? {}) as Body;
    return { ...body, source: { anomalies: value === '' ? others : { ...others, [name]: value } } };
  },
});

/** Sinks by form: what is told, to whom, and how often it is looked at. */
export const sinkFields = (start: string, metrics: Options, kafka: Options): readonly FormField[] => [
  { path: 'name', title: 'Name', isRequired: true },
  {
    ...{ path: 'source', title: 'Tells' },
    options: [
      ['query', 'rows that changed'],
      ['anomalies', 'anomalies'],
    ],
    read: (body) => (isOfAnomalies(body) ? 'anomalies' : 'query'),
    write: ({ schedule: _, timezone: __, every_minutes: ___, ...body }, kind) => ({
      ...body,
      source: kind === 'query' ? sinkOf(start).source : { anomalies: {} },
    }),
  },
  {
    ...{ path: 'source.query.metrics', title: 'Metrics', kind: 'list', isWide: true },
    ...{ isRequired: true, isFor: isOfQuery },
  },
  {
    ...{ path: 'source.query.group_by', title: 'By', kind: 'list', isFor: isOfQuery },
    hint: 'Dimensions, with commas',
  },
  {
    ...{ path: 'source.query.granularity', title: 'Every', fallback: '', isFor: isOfQuery },
    options: [
      ['', 'whole range'],
      ['1h', 'hour'],
      ['1d', 'day'],
      ['1w', 'week'],
      ['1M', 'month'],
    ],
  },
  {
    ...{ path: 'source.query.start', title: 'Since', isRequired: true, isFor: isOfQuery },
    hint: '2025-01-01T00:00:00Z',
  },
  {
    ...{ path: 'source.query.filters', title: 'Filters', kind: 'filters', isWide: true },
    ...{ hint: 'country=DE,FR; channel!=email', isFor: isOfQuery },
  },
  { ...ofAnomalies('metric'), title: 'Of metric', options: [['', 'all'], ...metrics] },
  {
    ...{ ...ofAnomalies('severity'), title: 'Of severity' },
    options: [['', 'all'], ...['low', 'medium', 'high'].map((one) => [one, one] as const)],
  },
  {
    ...{ path: 'destination', title: 'To' },
    options: [
      ['nats', 'a subject of NATS'],
      ['kafka', 'a topic of Kafka'],
      ['s3', 'files on S3'],
    ],
    read: placeOf,
    write: (body, place) => ({ ...body, destination: { [place]: PLACES[place] } }),
  },
  {
    ...{ path: 'destination.nats', title: 'Subject', isRequired: true, isFor: goesTo('nats') },
    hint: 'Behind sinks.<tenant>.',
  },
  {
    ...{ path: 'destination.kafka.connector_id', title: 'Cluster of', isFor: goesTo('kafka') },
    options: [['', 'choose a connector'], ...kafka],
  },
  { path: 'destination.kafka.topic', title: 'Topic', isRequired: true, isFor: goesTo('kafka') },
  {
    ...{ path: 'destination.s3', title: 'Folder', isRequired: true, isFor: goesTo('s3') },
    hint: 's3://bucket/prefix',
  },
  {
    ...{ path: 'schedule', title: 'Schedule', isFor: isOfQuery },
    ...{ offers: ['0 * * * *', '0 6 * * *', '0 6 * * 1'], hint: 'None: when something has changed' },
  },
  {
    ...{ path: 'every_minutes', title: 'Look every, min', kind: 'number', fallback: '15' },
    isFor: (body) => isOfQuery(body) && !has(body, 'schedule'),
  },
  {
    ...{ path: 'timezone', title: 'Time zone', fallback: 'UTC' },
    ...{ offers: ['UTC', 'Europe/Berlin', 'America/New_York'], isFor: (body) => has(body, 'schedule') },
  },
  { path: 'enabled', title: 'On', kind: 'check', fallback: true },
];

/** What a sink tells, in words. */
export function toldText({ source }: Definition): string {
  const query = memberOf({ source }, 'source.query') as Body | undefined;
  if (query === undefined) return 'anomalies';
  const by = [query.group_by ?? []].flat();
  return `${[query.metrics ?? []].flat().join(', ')}${by.length === 0 ? '' : ` by ${by.join(', ')}`}`;
}

/** Where it tells it. */
export function destinationText({ destination }: Definition): string {
  const of = { destination };
  const [subject, topic, folder] = ['nats', 'kafka.topic', 's3'].map((path) =>
    memberOf(of, `destination.${path}`),
  );
  return String(folder ?? (topic === undefined ? `NATS ${subject}` : `Kafka ${topic}`));
}
