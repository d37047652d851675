import {
  CLUSTER_TYPES,
  type FinderParts,
  type FoundPage,
  type FraudQuery,
  findEvents,
  formatUtc,
  IpClusters,
  parseCondition,
  parseRange,
  positionOfQueryId,
} from '../../../analytics/index.ts';
import { type AnswerParts, MASK, maskFor } from '../../answers/index.ts';
import { EVENTS_STREAM, PARTITION, type RawCall } from '../../http/index.ts';
import type { SearchTurns } from '../events/index.ts';

/** Of one page of them. */
const PAGE_EVENTS = 5_000;
/** How long they are read, ms. */
const DEADLINE_MS = 10_000;

/** An event with all that clusters look at: a mask that changes it hides one of these. */
const LOOKED_AT = JSON.stringify({
  customer_id: 'c',
  data: { ip: 'i', card_fingerprint: 'f', card: 'n', card_hash: 'h' },
});

const OF_TYPES = { field: 'type', in: CLUSTER_TYPES };

interface FoundClusters {
  readonly clusters: { readonly complete: boolean } | null;
  readonly warning?: string;
}

/** The clusters of the range as it was at the answer's position. Throws ApiError `too_busy`. */
export async function clustersOf(
  { ports, tenants }: AnswerParts,
  turns: SearchTurns,
  { tenant, principal, request }: RawCall,
  query: FraudQuery,
  query_id: string,
): Promise<FoundClusters> {
  if (!query.ip_clusters) return { clusters: null };
  const mask = maskFor(principal, tenants?.maskedOf(tenant));
  if (mask.textOf(LOOKED_AT).includes(MASK))
    return {
      clusters: null,
      warning: 'No ip_clusters: the tenant masks what they are made of for your role.',
    };
  const finder = ports.finder?.();
  if (finder === undefined)
    return { clusters: null, warning: 'No ip_clusters: the events in the stream cannot be read yet.' };
  // An answer of an empty state has no position.
  const upTo = positionOfQueryId(query_id)[EVENTS_STREAM]?.[PARTITION] ?? 0;
  const read = await turns.take(tenant, () => readEvents(finder, tenant, query, upTo, request.signal));
  const all = read.found.clusters(query);
  const { complete, events_read, missing } = read;
  return {
    clusters: {
      ...{ complete, events_read, clusters_total: all.length },
      ...{ clusters: all.slice(0, query.limit).map((one) => ({ ...one, list: listOf(one.ip, query) })) },
    },
    ...(complete
      ? {}
      : {
          warning:
            `ip_clusters is of ${events_read} events, the newest of the range` +
            `${missing > 0 ? `; ${missing} more are not in the stream any more` : ''}. Ask for a shorter range.`,
        }),
  };
}

interface Read {
  readonly found: IpClusters;
  readonly complete: boolean;
  readonly events_read: number;
  readonly missing: number;
}

/** Reads the events with an address, the newest first. */
async function readEvents(
  finder: FinderParts,
  tenant: string,
  query: FraudQuery,
  upTo: number,
  signal: AbortSignal,
): Promise<Read> {
  const found = new IpClusters();
  const condition = parseCondition({ and: [OF_TYPES, { field: 'data.ip', exists: true }] }, finder.terms);
  const began_ms = performance.now();
  const isOver = (): boolean => performance.now() - began_ms > DEADLINE_MS;
  const asked = { tenant, ...parseRange(query.start, query.end), upTo, order: 'desc' as const, condition };
  let [events_read, missing] = [0, 0];
  let after: FoundPage['next'];
  do {
    const payloads_max = query.max_events - events_read;
    const limit = Math.min(PAGE_EVENTS, payloads_max);
    const page = await findEvents(
      finder,
      { ...asked, after, limit, words: [], payloads_max, isOver },
      signal,
    );
    for (const { text, time_ms } of page.events) if (text !== null) found.add(text, time_ms);
    events_read += page.scanned.payloads_read;
    missing += page.scanned.payloads_missing;
    after = page.next;
  } while (after !== undefined && events_read < query.max_events && !isOver());
  return { found, complete: after === undefined && missing === 0, events_read, missing };
}

/** The request that lists the events of an address. */
function listOf(ip: string, query: FraudQuery): object {
  const { start_ms, end_ms } = parseRange(query.start, query.end);
  const body = {
    ...{ from: formatUtc(start_ms), to: formatUtc(end_ms) },
    query: { and: [OF_TYPES, { field: 'data.ip', eq: ip }] },
  };
  return { method: 'POST', path: '/events/search', body };
}
