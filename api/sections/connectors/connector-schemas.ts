import { z } from 'zod';
import { type ConnectorBody, type ConnectorState, type Definition, HEALTHS } from '../../../runtime/index.ts';
import { timeTextOrNull } from '../../http/index.ts';

export const statusSchema = z.object({
  connector_id: z.string(),
  type: z.string(),
  health: z
    .enum([...HEALTHS, 'paused'])
    .describe(
      '`waiting`: it cannot read now and tries again; `failed`: another try changes nothing before it is changed or run',
    ),
  lag: z.int().nullable().describe('Records that wait at the source; null: not known, or it is sent to'),
  position: z.unknown().describe('After the last record whose events are stored; null: at the beginning'),
  position_at: z.string().nullable().describe('When that was'),
  counts: z
    .object({
      in: z.int().describe('Records that were read or sent, those that came again too'),
      accepted: z.int().describe('Events that were stored; one that comes again counts once in every query'),
      dropped: z.int().describe('Records that the mapping or the filters left out'),
      dead: z.int().describe('Records that became dead letters'),
    })
    .describe('Since it was made'),
  last_record_at: z.string().nullable(),
  error: z
    .object({ code: z.string(), message: z.string(), at: z.string() })
    .nullable()
    .describe('The last one; it may be over: `health` says so'),
});

export const STATUS_EXAMPLE = {
  connector_id: 'connector_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
  ...{ type: 'webhook', health: 'ok', lag: null, position: null, position_at: null },
  counts: { in: 1_204, accepted: 1_180, dropped: 23, dead: 1 },
  last_record_at: '2025-08-01T12:00:00.000Z',
  error: null,
};

export function statusView(
  { id, body }: Definition<ConnectorBody>,
  state: ConnectorState,
): z.output<typeof statusSchema> {
  const { health, lag, position, position_at_ms, counts, last_record_at_ms, error } = state;
  return {
    connector_id: id,
    type: body.type,
    health: body.enabled ? health : 'paused',
    lag,
    position: position ?? null,
    position_at: timeTextOrNull(position_at_ms),
    counts,
    last_record_at: timeTextOrNull(last_record_at_ms),
    error:
      error === null
        ? null
        : { code: error.code, message: error.message, at: timeTextOrNull(error.at_ms) ?? '' },
  };
}

export const EXAMPLES = {
  shopify: {
    summary: 'The webhooks of a Shopify shop',
    value: {
      name: 'UK shop',
      type: 'webhook',
      config: { secret: 'the secret of the app that sends' },
      mapping: { preset: 'shopify' },
    },
  },
  own: {
    summary: 'A system of your own, by rules',
    value: {
      name: 'till',
      type: 'webhook',
      config: {},
      mapping: {
        rules: [
          {
            when: { kind: 'sale' },
            event: {
              event_id: 'receipt',
              type: { const: 'order.created' },
              time: 'sold_at',
              order_id: 'receipt',
              currency: { const: 'GBP' },
              amount: 'total',
            },
          },
        ],
      },
      filters: { country: ['GB', 'IE'] },
    },
  },
};
