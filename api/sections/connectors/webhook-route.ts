import { z } from 'zod';
import {
  type ConnectorBody,
  type Connectors,
  type Definition,
  type KindDefinitions,
  WEBHOOK_TYPE,
} from '../../../runtime/index.ts';
import { ApiError, type ApiPorts, type RawCall, type Route, readWithin, route } from '../../http/index.ts';
import { isPing, isSigned, recordsOf } from './webhook-request.ts';

/** The largest body that is taken. */
const MAX_SENT_BYTES = 1_000_000;

export interface WebhookInParts {
  readonly ports: Pick<ApiPorts, 'clock'>;
  readonly connectors: Connectors;
  readonly definitions: KindDefinitions<ConnectorBody>;
  /** Throws 429 when too much is sent to one connector. */
  readonly admit: (connector_id: string) => void;
  /** Throws 401 or 403 unless the request has a key that may write events of the tenant. */
  readonly requireKey: (request: Request, tenant: string) => Promise<void>;
}

const answerSchema = z.object({
  records: z.int().describe('That the body held'),
  accepted: z.int().describe('Events that the stream has stored'),
  dropped: z.int().describe('Records that the mapping or the filters left out, such as test orders'),
  dead_letters: z.int().describe('Records that could not be read; they are kept with the reason'),
});

/** Money is decimal text of major units there. */
const ORDER_EXAMPLE = {
  ...{ id: 820_982, name: '#1001', created_at: '2025-08-10T10:00:00-05:00', currency: 'GBP' },
  ...{ total_price: '27.50', total_discounts: '5.00', total_tax: '2.50', test: false },
  line_items: [{ id: 1, sku: 'TEA', quantity: 3, price: '10.00' }],
};
const JSON_RECORD = z.unknown().describe('A record as the source sends it');

/** What a shop system is given as the URL of its webhook. */
export function webhookInRoute(parts: WebhookInParts): Route {
  return route({
    id: 'sendToConnector',
    method: 'POST',
    path: '/connectors/{id}/events',
    tag: 'Connectors',
    summary: 'Send records to a webhook connector',
    description:
      "Takes the source's own payload as it is: one JSON value, a list of them, or NDJSON. The source signs it with the " +
      "connector's secret, as the preset or `config.signature` says, or sends a key of the role `ingest`. Answers 202 " +
      'after the stream has stored the events. A record that cannot be read is kept as a dead letter and answered with ' +
      '202 too: to send it again would change nothing.',
    permission: 'none',
    audited: 'ingest',
    params: z.object({ id: z.string().max(128) }),
    raw_body: {
      description: `At most ${MAX_SENT_BYTES} bytes, unpacked`,
      content: {
        'application/json': {
          schema: JSON_RECORD,
          examples: { order: { summary: 'An order of Shopify', value: ORDER_EXAMPLE } },
        },
        'application/x-ndjson': { schema: JSON_RECORD },
      },
    },
    answers: {
      202: {
        description: 'Stored',
        schema: answerSchema,
        example: { records: 1, accepted: 1, dropped: 0, dead_letters: 0 },
      },
    },
    problems: [
      ...[
        'unauthorized',
        'key_revoked',
        'key_expired',
        'token_invalid',
        'token_expired',
        'signature_invalid',
      ],
      ...[
        'role_forbidden',
        'scope_forbidden',
        'tenant_forbidden',
        'tenant_mismatch',
        'not_found',
        'wrong_state',
      ],
      ...['not_supported', 'rate_limited', 'too_busy', 'too_many_events', 'body_too_large', 'body_too_slow'],
      ...['malformed_body', 'unsupported_encoding', 'stream_unavailable', 'stream_missing', 'stream_full'],
      'jwks_unavailable',
    ] as const,
    handle: async (call) => {
      const connector = requireWebhook(parts, call.params.id);
      const { tenant, name } = connector;
      call.onBehalf?.({ tenant, name });
      parts.admit(connector.id);
      const bytes = await readWithin(call, MAX_SENT_BYTES);
      if (isPing(connector, call.request, bytes)) return answer({ in: 0, accepted: 0, dropped: 0, dead: 0 });
      await requireSender(parts, connector, call, bytes);
      if (!connector.body.enabled)
        throw new ApiError('wrong_state', 'The connector is paused. Send it again when it is resumed.');
      return answer(await parts.connectors.take(connector, recordsOf(call.request, bytes)));
    },
  });
}

function answer(counts: Awaited<ReturnType<Connectors['take']>>): { status: 202; json: object } {
  const { in: records, accepted, dropped, dead } = counts;
  return { status: 202, json: { records, accepted, dropped, dead_letters: dead } };
}

function requireWebhook({ definitions }: WebhookInParts, id: string): Definition<ConnectorBody> {
  for (const tenant of definitions.tenants()) {
    const connector = definitions.get(tenant, id);
    if (connector === undefined) continue;
    if (connector.body.type === WEBHOOK_TYPE) return connector;
    throw new ApiError('not_supported', 'This connector reads by itself: nothing is sent to it.');
  }
  throw new ApiError('not_found', 'There is no connector with this id.');
}

async function requireSender(
  { connectors, ports, requireKey }: WebhookInParts,
  connector: Definition<ConnectorBody>,
  { request }: RawCall,
  bytes: Uint8Array,
): Promise<void> {
  if (isSigned(connectors, connector, request, bytes, ports.clock.now())) return;
  await requireKey(request, connector.tenant);
}
