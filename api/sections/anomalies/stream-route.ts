import { z } from 'zod';
import type { AnomalyView } from '../../../analytics/index.ts';
import { maskFor, maskGroups, type PiiMask } from '../../answers/index.ts';
import {
  type AnomalyFeed,
  ApiError,
  type EventStreams,
  type Route,
  route,
  type ServerEvent,
} from '../../http/index.ts';
import type { AnomalyParts } from './rule-routes.ts';

/** Streams of one key: a dashboard on every desk has the same. */
const STREAMS_OF_KEY_MAX = 2_000;
const RANK = { low: 0, medium: 1, high: 2 } as const;

const query = z.strictObject({
  metric: z.string().min(1).max(64).optional(),
  rule_id: z.string().min(1).max(128).optional(),
  kind: z.enum(['metric', 'silence', 'pipeline']).optional(),
  severity: z.enum(['low', 'medium', 'high']).optional().describe('The least'),
  after: z.coerce
    .number()
    .pipe(z.int().min(0))
    .optional()
    .describe('Sequence of the stream behind which it begins; default: what comes from now on'),
});
type Filter = Omit<z.output<typeof query>, 'after'>;

/** Section 8: anomalies as they happen. */
export function streamRoute({ answers }: AnomalyParts, streams: EventStreams): Route {
  return route({
    ...{ id: 'followAnomalies', method: 'GET' as const, path: '/anomalies/stream', tag: 'Anomalies' },
    summary: 'Anomalies as they happen, by server-sent events',
    description:
      'Each is an event named `anomaly.detected`, `anomaly.explained`, `anomaly.revised`, `anomaly.ended`, `anomaly.retracted`, ' +
      '`pipeline.stalled` or `pipeline.recovered`; its `id` is its sequence in the stream ANOMALIES. A client that ' +
      'comes again with `Last-Event-ID` goes on behind it, without a gap or a repeat, also after a restart of the ' +
      'service. Comments are signs of life. `nats sub "anomalies.<tenant>.>"` gets the same.',
    permission: 'kpis:read',
    query,
    answers: { 200: { description: 'The events', content: { 'text/event-stream': { schema: z.string() } } } },
    problems: ['too_many_streams', 'not_supported', 'stream_unavailable'],
    handle: async ({ tenant, principal, request, query: { after, ...filter } }) => {
      const feed = answers.ports.anomalies;
      if (feed === undefined)
        throw new ApiError('not_supported', 'This process cannot read the stream ANOMALIES.');
      const mask = maskFor(principal, answers.tenants?.maskedOf(tenant));
      const seen = seenOf(request.headers.get('last-event-id')) ?? after ?? (await feed.last());
      return {
        status: 200,
        headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
        stream: streams.stream(
          principal.key_id,
          (signal) => maskedEvents(mask, eventsOf(feed, tenant, seen, filter, signal)),
          STREAMS_OF_KEY_MAX,
        ),
      };
    },
  });
}

function seenOf(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

async function* eventsOf(
  feed: AnomalyFeed,
  tenant: string,
  seen: number,
  filter: Filter,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  for (let after = seen; !signal.aborted; ) {
    const message = await feed.next(tenant, after, signal).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    });
    if (message === undefined) return;
    after = message.sequence;
    const data = JSON.parse(Buffer.from(message.data).toString()) as AnomalyView & { readonly type: string };
    if (isAsked(data, filter)) yield { event: data.type, id: String(after), data };
  }
}

async function* maskedEvents(mask: PiiMask, events: AsyncIterable<ServerEvent>): AsyncGenerator<ServerEvent> {
  for await (const event of events) yield { ...event, data: maskGroups(mask, event.data) };
}

function isAsked(data: AnomalyView, { metric, rule_id, kind, severity }: Filter): boolean {
  return (
    (metric ?? data.metric) === data.metric &&
    (rule_id ?? data.rule_id) === data.rule_id &&
    (kind === undefined || kind === data.kind) &&
    (severity === undefined || RANK[data.severity] >= RANK[severity])
  );
}
