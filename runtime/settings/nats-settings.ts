import { z } from 'zod';
import type { NatsAccess, NatsCredentials, NatsServer, StreamPlacement } from '../../connectors/index.ts';

const MAX_REPLICAS = 5;
const MAX_TCP_PORT = 65_535;

const url = z
  .string()
  .regex(/^(nats|tls|ws|wss):\/\/\S+$/, 'must be one or more URLs such as nats://127.0.0.1:4222')
  .optional();
const text = z.string().optional();
const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `must be an integer from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be an integer from ${min} to ${max}`)
    .optional();
const token = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, 'must be one word of letters, digits, "_" and "-"')
  .optional();

/** The server that is used, by the names that the `nats` tool has for them where it has one. */
export const natsFields = {
  NATS_URL: url.describe('NATS server to use; without it an embedded one is started'),
  NATS_CREDS: text.describe('Credentials file of NATS_URL: JWT and seed'),
  NATS_NKEY: text.describe('File with the NKey seed for NATS_URL'),
  NATS_USER: text.describe('User of NATS_URL, with NATS_PASSWORD'),
  NATS_PASSWORD: text.describe('Password of NATS_USER'),
  NATS_TOKEN: text.describe('Token of NATS_URL'),
  NATS_CA: text.describe("PEM file of the authority that signed the server's certificate"),
  NATS_CERT: text.describe('PEM file of the certificate shown to the server, with NATS_KEY'),
  NATS_KEY: text.describe('PEM file of the key of NATS_CERT'),
  NATS_DOMAIN: token.describe('JetStream domain that the streams are in'),
  NATS_INBOX_PREFIX: z
    .string()
    .regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/, 'must be a subject without wildcards, such as _INBOX_millrace')
    .optional()
    .describe('Begins the subjects that answers come on; without it `_INBOX`'),
  NATS_REPLICAS: number(1, MAX_REPLICAS).describe(
    'Replicas of streams and buckets that are made; without it 1',
  ),
  NATS_PLACEMENT_CLUSTER: text.describe('Cluster that streams and buckets are made in'),
  NATS_PLACEMENT_TAGS: text.describe('Tags of servers that streams and buckets are made on, with commas'),
  NATS_SERVER_BIN: text.describe('nats-server binary of the embedded server'),
  NATS_PORT: number(0, MAX_TCP_PORT).describe('TCP port of the embedded server; without it a free one'),
};

type NatsFields = z.infer<z.ZodObject<typeof natsFields>>;

/** Names of what says who one is: one of them at most. */
const IDENTITIES = ['NATS_CREDS', 'NATS_NKEY', 'NATS_USER', 'NATS_TOKEN'] as const;
/** What means nothing to the embedded server. */
const OF_URL = [
  ...IDENTITIES,
  ...(['NATS_PASSWORD', 'NATS_CA', 'NATS_CERT', 'NATS_KEY', 'NATS_DOMAIN'] as const),
  ...(['NATS_REPLICAS', 'NATS_PLACEMENT_CLUSTER', 'NATS_PLACEMENT_TAGS'] as const),
];

/** What of these settings does not go together. */
export function checkNats(s: NatsFields, context: z.RefinementCtx): void {
  const issue = (name: keyof NatsFields, message: string): void =>
    context.addIssue({ code: 'custom', path: [name], message });
  const given = IDENTITIES.filter((name) => s[name] !== undefined);
  const [first, second] = given;
  if (first !== undefined && second !== undefined) issue(second, `does not go together with ${first}`);
  if (s.NATS_PASSWORD !== undefined && s.NATS_USER === undefined)
    issue('NATS_PASSWORD', 'goes with NATS_USER');
  if (s.NATS_USER !== undefined && s.NATS_PASSWORD === undefined)
    issue('NATS_USER', 'goes with NATS_PASSWORD');
  if ((s.NATS_CERT === undefined) !== (s.NATS_KEY === undefined)) {
    issue(
      s.NATS_CERT === undefined ? 'NATS_KEY' : 'NATS_CERT',
      'goes with the other of NATS_CERT and NATS_KEY',
    );
  }
  if (s.NATS_URL === undefined) {
    for (const name of OF_URL) if (s[name] !== undefined) issue(name, 'goes with NATS_URL');
  }
}

/** What the settings say of NATS. */
export interface NatsSettings {
  /** Undefined: an embedded one is started. */
  readonly nats: NatsServer | undefined;
  /** Of the embedded server; 0: a free one. */
  readonly natsPort: number;
}

export function natsOf(s: NatsFields): NatsSettings {
  const { NATS_URL: server } = s;
  return {
    nats: server === undefined ? undefined : { url: server, ...accessOf(s) },
    natsPort: s.NATS_PORT ?? 0,
  };
}

function accessOf(s: NatsFields): NatsAccess {
  const credentials = credentialsOf(s);
  const streams = placementOf(s);
  const hasTls = s.NATS_CA !== undefined || s.NATS_CERT !== undefined;
  return {
    ...(credentials === undefined ? {} : { credentials }),
    ...(hasTls ? { tls: tlsOf(s) } : {}),
    ...(s.NATS_DOMAIN === undefined ? {} : { domain: s.NATS_DOMAIN }),
    ...(s.NATS_INBOX_PREFIX === undefined ? {} : { inboxPrefix: s.NATS_INBOX_PREFIX }),
    ...(Object.keys(streams).length === 0 ? {} : { streams }),
  };
}

function credentialsOf(s: NatsFields): NatsCredentials | undefined {
  if (s.NATS_CREDS !== undefined) return { kind: 'creds', file: s.NATS_CREDS };
  if (s.NATS_NKEY !== undefined) return { kind: 'nkey', file: s.NATS_NKEY };
  if (s.NATS_TOKEN !== undefined) return { kind: 'token', token: s.NATS_TOKEN };
  return s.NATS_USER === undefined
    ? undefined
    : { kind: 'user', user: s.NATS_USER, password: s.NATS_PASSWORD ?? '' };
}

const tlsOf = (s: NatsFields): NonNullable<NatsAccess['tls']> => ({
  ...(s.NATS_CA === undefined ? {} : { ca_file: s.NATS_CA }),
  ...(s.NATS_CERT === undefined ? {} : { cert_file: s.NATS_CERT }),
  ...(s.NATS_KEY === undefined ? {} : { key_file: s.NATS_KEY }),
});

function placementOf(s: NatsFields): StreamPlacement {
  const tags = (s.NATS_PLACEMENT_TAGS ?? '').split(',').map((tag) => tag.trim());
  const named = tags.filter((tag) => tag !== '');
  const placement = {
    ...(s.NATS_PLACEMENT_CLUSTER === undefined ? {} : { cluster: s.NATS_PLACEMENT_CLUSTER }),
    ...(named.length === 0 ? {} : { tags: named }),
  };
  return {
    ...(s.NATS_REPLICAS === undefined ? {} : { replicas: s.NATS_REPLICAS }),
    ...(Object.keys(placement).length === 0 ? {} : { placement }),
  };
}
