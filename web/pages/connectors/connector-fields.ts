import type { Body, FormField } from '../../answers/index.ts';

/** A connector to begin with. */
export const CONNECTOR: Body = {
  ...{ name: 'Shopify', type: 'webhook', config: { secret: '' }, mapping: { preset: 'shopify' } },
};

/** What each type of connector is told; the rest of its members is written as JSON. */
const CONFIGS: Readonly<
  Record<string, readonly (readonly [name: string, title: string, kind?: 'number' | 'list'])[]>
> = {
  webhook: [['secret', 'Secret']],
  file_drop: [
    ['folder', 'Folder'],
    ['interval_s', 'Look every, s', 'number'],
  ],
  s3: [
    ['bucket', 'Bucket'],
    ['prefix', 'Prefix'],
    ['region', 'Region'],
    ['access_key_id', 'Access key'],
    ['secret_access_key', 'Secret'],
    ['interval_s', 'Look every, s', 'number'],
  ],
  http_poll: [
    ['url', 'URL'],
    ['auth.value', 'Authorization'],
    ['interval_s', 'Ask every, s', 'number'],
  ],
  kafka: [
    ['brokers', 'Brokers', 'list'],
    ['topics', 'Topics', 'list'],
    ['sasl.mechanism', 'SASL: plain, scram-sha-256, scram-sha-512'],
    ['sasl.username', 'User'],
    ['sasl.password', 'Password'],
  ],
  kinesis: [
    ['stream', 'Stream'],
    ['region', 'Region'],
    ['access_key_id', 'Access key'],
    ['secret_access_key', 'Secret'],
  ],
};

const hasRules = ({ mapping }: Body): boolean =>
  typeof mapping === 'object' && mapping !== null && 'rules' in mapping;

/** Connectors by form; secrets that are left as they are shown stay. */
export const CONNECTOR_FIELDS: readonly FormField[] = [
  { path: 'name', title: 'Name', isRequired: true },
  {
    ...{ path: 'type', title: 'Reads', isFixed: true },
    options: [
      ['webhook', 'a webhook'],
      ['file_drop', 'a folder'],
      ['s3', 'a bucket'],
      ['http_poll', 'a URL'],
      ['kafka', 'Kafka'],
      ['kinesis', 'Kinesis'],
    ],
    write: ({ config: _, ...body }, type) => ({ ...body, type }),
  },
  {
    ...{ path: 'mapping.preset', title: 'Records are those of', isFor: (body) => !hasRules(body) },
    options: [
      ['', 'events as they are'],
      ...['shopify', 'woocommerce', 'stripe', 'cloudevents', 'segment'].map((one) => [one, one] as const),
    ],
  },
  ...Object.entries(CONFIGS).flatMap(([type, members]) =>
    members.map(
      ([name, title, kind]): FormField => ({
        ...{ path: `config.${name}`, title, isFor: (body) => body.type === type },
        ...(kind === undefined ? {} : { kind }),
        ...(name === 'url' ? { isWide: true } : {}),
      }),
    ),
  ),
  { path: 'enabled', title: 'On', kind: 'check', fallback: true },
];

/** A webhook to begin with. */
export const WEBHOOK: Body = { name: 'Alarm', url: 'https://example.com/hook', events: ['anomaly.detected'] };

export const WEBHOOK_FIELDS: readonly FormField[] = [
  { path: 'name', title: 'Name', isRequired: true },
  { path: 'url', title: 'URL', isRequired: true, isWide: true },
  { path: 'events', title: 'Events', kind: 'list', isWide: true, isRequired: true },
];
