import { z } from 'zod';
import {
  cubeViews,
  nearestType,
  OPERATORS,
  readAheadOfStoring,
  readCardinality,
  readCompleteUntil,
  readCubeInfo,
  type TypeCountKind,
} from '../../../analytics/index.ts';
import {
  type KvView,
  META_TABLE,
  type Notice,
  type Progress,
  readNotices,
  readProgress,
} from '../../../engine/index.ts';
import type { Jobs } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, MASK, maskFor, type PiiMask, runQuery } from '../../answers/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  EVENTS_STREAM,
  type Freshness,
  operatorSchema,
  operatorStates,
  PARTITION,
  type RawCall,
  type Route,
  requireReader,
  route,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';
import type { Spool } from '../ingest/index.ts';

const DAY_MS = 86_400_000;
/** Days before the watermark whose cubes are looked at. */
const CARDINALITY_DAYS = 30;
/** From this part of its cap on, a cube's day is listed. */
const NEAR_CAP = 0.8;
const MAX_LISTED_CUBE_DAYS = 100;
/** Notices that are counted by reason. */
const REASON_NOTICES = 1_000;
/** Newest rows of the log whose types are counted, about. */
const TYPE_ROWS = 5_000_000;
const TYPES_DEADLINE_MS = 2_000;
const MAX_LISTED_TYPES = 100;

const noticeSchema = z.object({
  sequence: z.number().describe('Stream sequence of the message'),
  detail: z.record(z.string(), z.union([z.string(), z.number()])),
});

const diagnosticsSchema = z.object({
  time: z.string(),
  generation: z.int(),
  ingest: z.array(
    z.object({
      connector: z.string(),
      partition: z.string(),
      position: z.int().describe('Last applied sequence'),
      head: z.int().nullable().describe('Newest known sequence; null: nobody knows'),
      lag_messages: z.int().nullable(),
      staleness_ms: z.number().nullable(),
    }),
  ),
  watermark: z.string().nullable().describe("The tenant's own"),
  ahead_of_storing: z
    .array(z.object({ source: z.string().nullable(), events: z.int() }))
    .describe(
      'Events more than 5 minutes ahead of the time at which the stream stored them, by their source',
    ),
  last_commit: z.object({ number: z.int(), at: z.string() }).nullable(),
  notices: z
    .record(z.string(), z.object({ count: z.int(), newest: z.array(noticeSchema) }))
    .describe('By kind: late, ahead_of_storing, duplicate, conflict, dead_letter'),
  dead_letters_by_reason: z.record(z.string(), z.int()).describe(`Of the newest ${REASON_NOTICES}`),
  uncounted_types: z
    .object({
      types: z.array(
        z.object({
          type: z.string().describe('In its normal form'),
          count: z.int(),
          nearest: z.string().nullable().describe('The nearest type that a metric counts'),
        }),
      ),
      types_total: z.int(),
      scanned_rows: z.int(),
      complete: z.boolean().describe('false: only the newest rows of the log were looked at'),
    })
    .nullable()
    .describe(
      `Types that no metric counts, the most frequent ${MAX_LISTED_TYPES}: their events are kept and can be queried. null when there was no room to look`,
    ),
  cardinality: z.object({
    cells_per_day_max: z.int(),
    near_cap: z.array(
      z.object({
        cube: z.string(),
        day: z.string(),
        cells: z.int(),
        other_rows: z.int().describe('Contributions under `__other__` because the cube was full'),
      }),
    ),
  }),
  outbox: z.object({ owed: z.number(), retries: z.number() }),
  jobs: z.object({ queued: z.int(), running: z.int(), spool_bytes: z.int() }),
  pipeline: z.object({
    state: z.string(),
    since: z.string(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    nats: z.object({ connected: z.boolean() }),
  }),
  topology: z.unknown().describe('Nodes, inputs and state tables'),
  operators: z.array(operatorSchema).describe('How each node stands, of all tenants'),
  topology_mermaid: z.string(),
});

type Diagnostics = z.input<typeof diagnosticsSchema>;

interface Parts {
  readonly jobs: Jobs;
  readonly spool: Spool;
}

/** Section 16: how far processing is and what it set aside, for the caller's tenant. */
export function diagnosticsRoutes(answers: AnswerParts, parts: Parts): readonly Route[] {
  const { ports } = answers;
  const { queries } = analyticsOf(ports.settings);
  return [
    route({
      id: 'getDiagnostics',
      method: 'GET',
      path: '/diagnostics',
      tag: 'Operation',
      summary: 'Lag, watermark, set-aside events, cardinality and topology',
      permission: 'diagnostics:read',
      query: z.strictObject({
        limit: z.coerce.number().pipe(z.int().min(0).max(1_000)).default(20).describe('Notices of each kind'),
      }),
      answers: { 200: { description: 'The diagnostics', schema: diagnosticsSchema } },
      problems: ['state_not_ready'],
      handle: async (call): Promise<Answer> => {
        const mask = maskFor(call.principal, answers.tenants?.maskedOf(call.tenant));
        const state = diagnose(answers, parts, { ...call, limit: call.query.limit, mask });
        const uncounted_types = await uncountedTypes(answers, call, queries.types);
        return { status: 200, json: { ...state, uncounted_types } };
      },
    }),
  ];
}

type UncountedTypes = Diagnostics['uncounted_types'];

/** What of the tenant's events no metric counts, by type; null when the scan has no place or no time. */
async function uncountedTypes(
  answers: AnswerParts,
  call: RawCall,
  kind: TypeCountKind,
): Promise<UncountedTypes> {
  const wish = { wish: { force_fresh: false }, deadline_ms: TYPES_DEADLINE_MS };
  try {
    const { answer } = await runQuery(answers, call, kind, { rows_max: TYPE_ROWS }, wish);
    const types = answer.types.flatMap(({ type, count }) => {
      const uncounted = nearestType(type);
      return uncounted === undefined ? [] : [{ ...uncounted, count }];
    });
    const { scanned_rows, complete } = answer;
    return { types: types.slice(0, MAX_LISTED_TYPES), types_total: types.length, scanned_rows, complete };
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}

function diagnose(
  { ports, tracker }: AnswerParts,
  { jobs, spool }: Parts,
  { tenant, limit, mask }: { readonly tenant: string; readonly limit: number; readonly mask: PiiMask },
): Omit<Diagnostics, 'uncounted_types'> {
  const { generation, reader } = requireReader(ports);
  const pipeline = ports.pipeline();
  const now_ms = ports.clock.now();
  const sample = (name: string): number =>
    pipeline.metrics.filter((metric) => metric.name === name).reduce((sum, { value }) => sum + value, 0);
  const sizes = reader.tableSizes?.();
  return reader.snapshot((table) => {
    const meta = table(META_TABLE);
    const progress = readProgress(meta);
    const counts = progress?.notices[tenant] ?? {};
    const notices = Object.entries(counts).map(([kind, count]) => {
      const newest = readNotices(meta, tenant, kind, limit).map(({ sequence, detail }) => ({
        sequence,
        detail: seen(detail, mask),
      }));
      return [kind, { count, newest }] as const;
    });
    return {
      time: timeText(now_ms),
      generation,
      ingest: [ingestOf(progress, tracker.of(progress))],
      watermark: timeTextOrNull(readCompleteUntil(table, tenant)),
      ahead_of_storing: aheadOf(table, tenant).map((one) =>
        mask.hides('source') ? { ...one, source: MASK } : one,
      ),
      last_commit:
        progress === undefined ? null : { number: progress.commit, at: timeText(progress.committed_at_ms) },
      notices: Object.fromEntries(notices),
      dead_letters_by_reason: byReason(readNotices(meta, tenant, 'dead_letter', REASON_NOTICES)),
      cardinality: {
        cells_per_day_max: ports.settings.cubeCellsPerDay,
        near_cap: nearCap(ports, table, tenant, progress?.watermark_ms ?? now_ms),
      },
      outbox: { owed: sample('millrace.outbox.owed'), retries: sample('millrace.outbox.retries') },
      jobs: { ...jobs.counts(), spool_bytes: spool.size_bytes },
      pipeline: {
        state: pipeline.state,
        since: timeText(pipeline.since_ms),
        error: pipeline.error ?? null,
        nats: { connected: pipeline.nats.connected },
      },
      topology: pipeline.topology,
      operators: [...operatorStates(pipeline.topology, pipeline.metrics, sizes)],
      topology_mermaid: pipeline.mermaid,
    };
  });
}

function ingestOf(progress: Progress | undefined, freshness: Freshness): Diagnostics['ingest'][number] {
  const { sequence, lag_messages, staleness_ms } = freshness;
  return {
    connector: progress?.stream ?? EVENTS_STREAM,
    partition: progress?.partition ?? PARTITION,
    position: sequence,
    head: lag_messages === null ? null : sequence + lag_messages,
    lag_messages,
    staleness_ms,
  };
}

/** Senders whose clocks are ahead, the worst first. */
function aheadOf(table: (name: string) => KvView, tenant: string): Diagnostics['ahead_of_storing'] {
  return Object.entries(readAheadOfStoring(table, tenant))
    .map(([source, events]) => ({ source: source === '' ? null : source, events }))
    .sort((a, b) => b.events - a.events);
}

/** What a notice says, less what may quote an event where something of events is masked. */
function seen(detail: Notice['detail'], mask: PiiMask): Notice['detail'] {
  if (mask.isEmpty) return detail;
  return Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'number' || name === 'reason' ? value : MASK,
    ]),
  );
}

function byReason(notices: readonly Notice[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { detail } of notices) {
    const reason = String(detail.reason ?? 'unknown');
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}

/** Days of cubes that are full, or nearly so. */
function nearCap(
  { settings }: ApiPorts,
  table: (name: string) => KvView,
  tenant: string,
  watermark_ms: number,
): Diagnostics['cardinality']['near_cap'] {
  const end_ms = (Math.floor(watermark_ms / DAY_MS) + 2) * DAY_MS;
  const start_ms = Math.max(0, end_ms - CARDINALITY_DAYS * DAY_MS);
  const { days, definitions } = cubeViews(table, OPERATORS.cubes);
  return readCubeInfo(definitions)
    .filter(({ isDropped }) => !isDropped)
    .flatMap(({ id, name }) =>
      Array.from(readCardinality(days, { cube: id, scope: tenant, start_ms, end_ms }), (day) => ({
        cube: name,
        ...day,
      })),
    )
    .filter(({ cells, refused }) => refused > 0 || cells >= NEAR_CAP * settings.cubeCellsPerDay)
    .sort((a, b) => b.refused - a.refused || b.cells - a.cells)
    .slice(0, MAX_LISTED_CUBE_DAYS)
    .map(({ cube, day_ms, cells, refused }) => ({
      cube,
      day: timeText(day_ms).slice(0, 10),
      cells,
      other_rows: refused,
    }));
}
