import type { Body, FormField } from '../../answers/index.ts';
import type { Options } from '../../parts/index.ts';

/** A rule to begin with. */
export const RULE: Body = {
  ...{ name: 'Revenue by country', metric: 'revenue_gross', group_by: ['country'], window: '1h' },
};

const WINDOWS: Options = [
  ['1m', 'minute'],
  ['5m', '5 minutes'],
  ['15m', '15 minutes'],
  ['1h', 'hour'],
  ['1d', 'day'],
];
const isThreshold = ({ method }: Body): boolean => method === 'threshold';

/** Anomaly rules by form. */
export const ruleFields = (metrics: Options): readonly FormField[] => [
  { path: 'name', title: 'Name', isRequired: true },
  { path: 'metric', title: 'Metric', options: metrics },
  { path: 'group_by', title: 'By', kind: 'list', hint: 'Dimensions, with commas' },
  { path: 'window', title: 'Window', options: WINDOWS, fallback: '1h' },
  {
    ...{ path: 'method', title: 'Method', fallback: 'auto' },
    options: [
      ['auto', 'by itself'],
      ['zscore', 'z-score'],
      ['seasonal_esd', 'seasonal ESD'],
      ['prophet', 'Prophet'],
      ['threshold', 'a threshold'],
    ],
  },
  {
    ...{ path: 'direction', title: 'Deviations', fallback: 'both' },
    options: [
      ['both', 'both ways'],
      ['low', 'too little'],
      ['high', 'too much'],
    ],
  },
  {
    path: 'threshold.above',
    title: 'Above',
    kind: 'number',
    isFor: isThreshold,
    hint: 'Money in minor units',
  },
  { path: 'threshold.below', title: 'Below', kind: 'number', isFor: isThreshold },
  {
    ...{ path: 'sensitivity', title: 'Sensitivity', kind: 'number', fallback: '0.9999' },
    ...{ hint: 'Share of normal windows that pass', isFor: (body) => !isThreshold(body) },
  },
  { path: 'min_change_percent', title: 'Least change, %', kind: 'number', fallback: '0' },
  {
    ...{ path: 'filters', title: 'Filters', kind: 'filters', isWide: true },
    hint: 'country=DE,FR; channel!=email',
  },
  { path: 'enabled', title: 'On', kind: 'check', fallback: true },
];

/** An alert to begin with. */
export const ALERT: Body = { name: 'Anomalies', condition: { anomaly: { min_severity: 'medium' } } };

const isOfAnomalies = ({ condition }: Body): boolean =>
  typeof condition === 'object' && condition !== null && 'anomaly' in condition;

/** Where each kind of channel says whom it tells; lists are written with commas. */
const TARGETS: Readonly<Record<string, readonly [member: string, isList: boolean]>> = {
  webhook: ['webhook_id', false],
  slack: ['url', false],
  email: ['to', true],
  pagerduty: ['routing_key', false],
  sms: ['to', false],
  whatsapp: ['to', false],
};

type Channel = Readonly<Record<string, unknown>>;
const channelsOf = ({ channels }: Body): readonly Channel[] =>
  Array.isArray(channels) ? (channels as readonly Channel[]) : [];
const typeOf = (body: Body): string => String(channelsOf(body)[0]?.type ?? '');

const CHANNEL: readonly FormField[] = [
  {
    ...{ path: 'channels', title: 'Tell', isFor: (body) => channelsOf(body).length < 2 },
    options: [['', 'webhooks that asked for it'], ...Object.keys(TARGETS).map((one) => [one, one] as const)],
    read: typeOf,
    write: (body, type) => ({ ...body, channels: type === '' ? [] : [{ type }] }),
  },
  {
    ...{ path: 'channels.target', title: 'Whom', isWide: true, isRequired: true },
    hint: 'An id, an address, a key or a number; stored keys are not shown again',
    isFor: (body) => channelsOf(body).length === 1,
    read: (body) => {
      const [member = ''] = TARGETS[typeOf(body)] ?? [];
      return [channelsOf(body)[0]?.[member] ?? ''].flat().join(', ');
    },
    write: (body, text) => {
      const type = typeOf(body);
      const [member = 'to', isList] = TARGETS[type] ?? [];
      const value = isList === true ? text.split(',').map((one) => one.trim()) : text.trim();
      return { ...body, channels: [{ type, [member]: value }] };
    },
  },
];

/** Alerts by form: of anomalies or of a threshold, with one channel; several are written as JSON. */
export const alertFields = (metrics: Options, rules: Options): readonly FormField[] => [
  { path: 'name', title: 'Name', isRequired: true },
  {
    ...{ path: 'condition', title: 'When' },
    options: [
      ['anomaly', 'a rule finds something'],
      ['threshold', 'a metric passes a bound'],
    ],
    read: (body) => (isOfAnomalies(body) ? 'anomaly' : 'threshold'),
    write: (body, kind) => ({
      ...body,
      condition:
        kind === 'anomaly'
          ? { anomaly: { min_severity: 'medium' } }
          : { threshold: { metric: 'revenue_gross', window: '1h', above: 100_000 } },
    }),
  },
  {
    ...{ path: 'condition.anomaly.rule_id', title: 'Rule', isFor: isOfAnomalies },
    options: [['', 'all'], ...rules],
  },
  {
    ...{ path: 'condition.anomaly.min_severity', title: 'At least', isFor: isOfAnomalies, fallback: 'low' },
    options: ['low', 'medium', 'high'].map((one) => [one, one] as const),
  },
  ...(
    [
      { path: 'condition.threshold.metric', title: 'Metric', options: metrics },
      { path: 'condition.threshold.window', title: 'Window', options: WINDOWS, fallback: '1h' },
      { path: 'condition.threshold.group_by', title: 'By', kind: 'list', hint: 'Dimensions, with commas' },
      { path: 'condition.threshold.above', title: 'Above', kind: 'number', hint: 'Money in minor units' },
      { path: 'condition.threshold.below', title: 'Below', kind: 'number' },
    ] satisfies readonly FormField[]
  ).map((field) => ({ ...field, isFor: (body: Body) => !isOfAnomalies(body) })),
  ...CHANNEL,
  { path: 'for_windows', title: 'After windows', kind: 'number', fallback: '1' },
  { path: 'cooldown_seconds', title: 'Then quiet for, s', kind: 'number', fallback: '0' },
  { path: 'notify_recovery', title: 'Tell when it is over', kind: 'check', fallback: true },
  { path: 'enabled', title: 'On', kind: 'check', fallback: true },
];
