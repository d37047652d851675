import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  changeProblem,
  MAX_NAMED_ORDERS,
  STATUS_PATTERN,
  statusChange,
  statusText,
} from '../../../analytics/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { type ApiPorts, positionOf, type RawCall, type Route, route, timeText } from '../../http/index.ts';
import { checkAll, prepare, timeLimits } from '../../sections/ingest/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';
import { ordersOf } from './list-routes.ts';
import { ASKED_PROBLEMS } from './order-api-route.ts';
import type { FoundOrder } from './order-view.ts';

/** A change of one order. */
interface Change {
  readonly order_id: string;
  readonly to: string;
  readonly reason?: string | undefined;
  readonly data?: Readonly<Record<string, unknown>>;
}

const id = z.string().min(1).max(128);
const reason = z.string().min(1).max(128).optional();
const ids = z.array(id).min(1).max(MAX_NAMED_ORDERS).describe('Of the orders');

const answerSchema = z.object({
  succeeded: z.int(),
  failed: z.int(),
  results: z
    .array(
      z.object({
        order_id: z.string(),
        ok: z.boolean(),
        status: z.string().optional().describe('That it has now'),
        error: z.object({ code: z.string(), message: z.string() }).optional(),
      }),
    )
    .describe('In the order of the request'),
  position: z.unknown().describe('`min_position` of queries that must see the changes; null: there are none'),
});

const ANSWER = {
  ...{ succeeded: 1, failed: 1, position: { EVENTS: { 0: 18_235 } } },
  results: [
    { order_id: 'ORD-1', ok: true, status: 'cancelled' },
    {
      ...{ order_id: 'ORD-2', ok: false },
      error: { code: 'wrong_state', message: 'it is delivered: it cannot be cancelled any more' },
    },
  ],
};

/** Changes of many orders at once, each by an event. */
export function actionRoutes(inquiries: Inquiries, ports: ApiPorts): readonly Route[] {
  const action = <B extends z.ZodType>(spec: {
    readonly id: string;
    readonly path: string;
    readonly summary: string;
    readonly description: string;
    readonly body: B;
    readonly example: unknown;
    changesOf(body: z.output<B>): readonly Change[];
  }): Route =>
    route({
      ...{
        id: spec.id,
        method: 'POST' as const,
        path: `/orders/bulk/${spec.path}`,
        tag: 'Orders',
        face: ORDERS,
      },
      ...{ summary: spec.summary, description: spec.description, permission: 'events:write' as const },
      audited: 'ingest',
      body: spec.body,
      body_examples: { some: { summary: 'Some orders', value: spec.example } },
      answers: { 200: { description: 'What became of each', schema: answerSchema, example: ANSWER } },
      problems: [
        ...new Set([...BODY_PROBLEMS, ...ASKED_PROBLEMS, 'stream_unavailable', 'stream_full'] as const),
      ],
      handle: async (call) => ({
        status: 200,
        json: await changed(inquiries, ports, call, spec.changesOf(call.body as z.output<B>)),
      }),
    });
  const how =
    'An order that is not there (`not_found`), or whose state does not allow the change (`wrong_state`), is an error ' +
    'of its row; the others are changed. A request that is repeated changes nothing more.';
  return [
    action({
      ...{ id: 'ordersBulkStatus', path: 'status', summary: 'Give orders a status' },
      description: `Publishes \`order.confirmed\` and so on, or \`order.status_changed\` for a status of your own. ${how}`,
      body: z.strictObject({
        order_ids: ids,
        status: id.regex(STATUS_PATTERN, 'must have a letter or a digit'),
        reason,
      }),
      example: { order_ids: ['ORD-1', 'ORD-2'], status: 'confirmed' },
      changesOf: (body) =>
        body.order_ids.map((order_id) => ({ order_id, to: body.status, reason: body.reason })),
    }),
    action({
      ...{ id: 'ordersBulkShip', path: 'ship', summary: 'Ship orders, with their tracking data' },
      description: `Publishes \`order.shipped\` with \`data.tracking\`. ${how}`,
      body: z.strictObject({
        shipments: z
          .array(
            z.strictObject({
              order_id: id,
              tracking_number: id,
              carrier: id.optional(),
              tracking_url: z.url().max(1_024).optional(),
            }),
          )
          .min(1)
          .max(MAX_NAMED_ORDERS),
      }),
      example: { shipments: [{ order_id: 'ORD-1', tracking_number: '1Z999', carrier: 'UPS' }] },
      changesOf: (body) =>
        body.shipments.map(({ order_id, ...tracking }) => ({ order_id, to: 'shipped', data: { tracking } })),
    }),
    action({
      ...{ id: 'ordersBulkCancel', path: 'cancel', summary: 'Cancel orders, with a reason' },
      description: `Publishes \`order.cancelled\`. ${how}`,
      body: z.strictObject({ order_ids: ids, reason: reason.unwrap() }),
      example: { order_ids: ['ORD-1', 'ORD-2'], reason: 'out of stock' },
      changesOf: (body) =>
        body.order_ids.map((order_id) => ({ order_id, to: 'cancelled', reason: body.reason })),
    }),
  ];
}

type Result = z.output<typeof answerSchema>['results'][number];

async function changed(
  inquiries: Inquiries,
  ports: ApiPorts,
  call: RawCall,
  changes: readonly Change[],
): Promise<z.output<typeof answerSchema>> {
  const wanted = [...new Set(changes.map(({ order_id }) => order_id))];
  // Of the state as it is with all that was in the stream: what was changed a moment ago is seen.
  const { answer: orders } = await inquiries.answered((asking) =>
    ordersOf(asking, call, wanted, { force_fresh: true }),
  );
  const byId = new Map(orders.map((order) => [order.order_id, order]));
  const seen = new Set<string>();
  const planned = changes.map((change): Result & { readonly event?: object } => {
    const { order_id } = change;
    const refused = (code: string, message: string) => ({ order_id, ok: false, error: { code, message } });
    const order = byId.get(order_id);
    if (order === undefined) return refused('not_found', 'there is no order with this id');
    if (seen.has(order_id)) return refused('duplicate', 'it is in the request twice: the first one counts');
    seen.add(order_id);
    const problem = changeProblem(order.status, change.to);
    if (problem !== undefined) return refused('wrong_state', problem);
    return {
      order_id,
      ok: true,
      status: statusText(change.to),
      event: eventOf(change, order, ports.clock.now()),
    };
  });
  const events = planned.flatMap(({ event }) => (event === undefined ? [] : [event]));
  const position = await publish(ports, call.tenant, events);
  const results = planned.map(({ event: _, ...result }) => result);
  const succeeded = results.filter(({ ok }) => ok).length;
  return { succeeded, failed: results.length - succeeded, results, position };
}

/** Its id follows from the change and the state that it changes: a repeat is the same event. */
function eventOf({ order_id, to, reason: why, data }: Change, order: FoundOrder, now_ms: number): object {
  const identity = JSON.stringify([order_id, statusText(to), order.status, order.status_at]);
  const time_ms = Math.max(now_ms, Date.parse(order.updated_at) + 1);
  return {
    event_id: `bulk_${createHash('sha256').update(identity).digest('hex').slice(0, 40)}`,
    ...statusChange(to),
    ...{ time: timeText(time_ms), order_id, source: 'bulk' },
    ...(why === undefined ? {} : { reason: why }),
    ...(data === undefined ? {} : { data }),
  };
}

async function publish(ports: ApiPorts, tenant: string, events: readonly object[]) {
  if (events.length === 0) return null;
  const encoder = new TextEncoder();
  const bodies = events.map((event) => ({ ok: true, bytes: encoder.encode(JSON.stringify(event)) }) as const);
  const checks = await checkAll({ events: bodies, whole: false }, timeLimits(ports, tenant), tenant);
  const { messages, rejected } = prepare(tenant, checks);
  const [why] = rejected;
  if (why !== undefined) throw new Error(`an event of a bulk action is good: ${why.reason}`);
  const { sequences, incarnation } = await ports.events.publishAll(messages);
  return positionOf(
    sequences.reduce((a, b) => Math.max(a, b), 0),
    incarnation,
  );
}
