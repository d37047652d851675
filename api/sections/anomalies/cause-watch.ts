import { z } from 'zod';
import { anomalySubject, type CauseQuery } from '../../../analytics/index.ts';
import {
  asMillraceError,
  type MessageQueue,
  type MetricSample,
  Metrics,
  type Work,
  type WorkItem,
  type WorkOutcome,
} from '../../../engine/index.ts';
import { analyticsOf, planQuery, runQuery } from '../../answers/index.ts';
import { causeQueryOf } from './cause-route.ts';
import type { AnomalyParts } from './rule-routes.ts';

/** Anomalies that a process looks into at once. */
const HELD_MAX = 4;
const UNFINISHED_MAX = 1_024;
const LEASE_MS = 30_000;
/** Rows that may be read for one: more take longer than anybody waits for. */
const EXPLAINED_MAX_ROWS = 20_000_000;
/** Of one rule and window so many are explained: where all groups break, each says the same. */
const EXPLAINED_MAX_OF_WINDOW = 20;
/** What was found so long ago is not explained any more, ms: those that come now are wanted first. */
const AGE_MAX_MS = 60_000;
const QUERY_MAX_MS = 20_000;
/** An anomaly that the state of this process has not yet, or a place for the query, is looked for again. */
const AGAIN_MS = 100;
const CAUSES_NAMED_MAX = 3;
const WINDOWS_REMEMBERED_MAX = 1_000;

const messageSchema = z.looseObject({
  type: z.literal('anomaly.detected'),
  ...{ id: z.string(), revision: z.int(), kind: z.literal('metric'), rule_id: z.string() },
  ...{ metric: z.string(), severity: z.enum(['low', 'medium', 'high']), start: z.string() },
});
type Detected = z.output<typeof messageSchema>;

const causesSchema = z.object({
  causes: z.array(
    z.object({ where: z.record(z.string(), z.string().nullable()), share: z.number(), surprise: z.number() }),
  ),
  unexplained: z.number().nullable(),
});

export interface CauseWatchParts {
  readonly anomalies: AnomalyParts;
  /** Stream ANOMALIES; undefined: nothing is explained. */
  readonly found: Pick<MessageQueue, 'work'> | undefined;
}

/**
 * Looks into each anomaly of a metric as it is found, and says what it comes from: `anomaly.explained`, with the id and
 * the revision of what it explains. It is no part of the task, which has to judge the next window: a scan of the event
 * log takes as long as the windows have rows.
 */
export class CauseWatch {
  readonly #parts: CauseWatchParts;
  readonly #metrics = new Metrics();
  readonly #explained = this.#metrics.counter(
    'millrace.anomalies.explained',
    'Anomalies whose causes were told',
  );
  readonly #unexplained = this.#metrics.counter(
    'millrace.anomalies.unexplained',
    'Anomalies that were looked into and have no cause among the dimensions',
  );
  readonly #time = this.#metrics.counter(
    'millrace.anomalies.explain.time',
    'Time that looking for causes took',
  );
  /** Explained ones by rule and window. */
  readonly #ofWindow = new Map<string, number>();
  readonly #stop = new AbortController();
  #work: Work | undefined;

  constructor(parts: CauseWatchParts) {
    this.#parts = parts;
    for (const reason of ['late', 'many', 'large', 'failed'] as const) this.#leaveOut(reason, 0);
  }

  start(): void {
    const from_ms = this.#parts.anomalies.answers.ports.clock.now();
    const spec = { held_max: HELD_MAX, unfinished_max: UNFINISHED_MAX, lease_ms: LEASE_MS };
    this.#work = this.#parts.found?.work(
      { ...spec, name: 'causes', subjects: ['anomalies.>'], from_ms },
      (item) => this.#heard(item),
    );
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work?.stop();
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  #leaveOut(reason: 'late' | 'many' | 'large' | 'failed', by = 1): 'done' {
    const what = 'Anomalies whose causes were not looked for';
    this.#metrics.counter('millrace.anomalies.explain.left_out', what, { reason }).add(by);
    return 'done';
  }

  async #heard(item: WorkItem): Promise<WorkOutcome> {
    const [, tenant = ''] = item.subject.split('.');
    const message = messageSchema.safeParse(jsonOf(item.data)).data;
    // A threshold of an alert is no expectation that parts could be compared with.
    if (message === undefined || this.#parts.anomalies.rules.get(tenant, message.rule_id) === undefined)
      return 'done';
    const { clock, log } = this.#parts.anomalies.answers.ports;
    if (clock.now() - item.stored_at_ms > AGE_MAX_MS) return this.#leaveOut('late');
    const window = `${tenant} ${message.rule_id} ${message.start}`;
    const before = this.#ofWindow.get(window) ?? 0;
    if (before >= EXPLAINED_MAX_OF_WINDOW) return this.#leaveOut('many');
    try {
      await this.#explain(tenant, message);
    } catch (thrown) {
      const { code, retriable } = asMillraceError(thrown);
      if (this.#stop.signal.aborted || retriable || AGAIN_CODES.has(code)) return { again_ms: AGAIN_MS };
      // A rule that was deleted, or one that groups by all the usual dimensions: nothing to look for.
      if (!EXPECTED_CODES.has(code))
        log.warn({ err: thrown, tenant, id: message.id }, 'an anomaly is not explained');
      return this.#leaveOut('failed');
    }
    this.#ofWindow.set(window, before + 1);
    const [oldest] = this.#ofWindow.keys();
    if (this.#ofWindow.size > WINDOWS_REMEMBERED_MAX && oldest !== undefined) this.#ofWindow.delete(oldest);
    return 'done';
  }

  async #explain(tenant: string, message: Detected): Promise<void> {
    const { anomalies: parts } = this.#parts;
    const { answers } = parts;
    const query = causeQueryOf(parts, tenant, message.id);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(QUERY_MAX_MS)]);
    const asker = { request: { signal }, tenant, principal: { key_id: 'anomalies' } };
    const { queries } = analyticsOf(answers.ports.settings);
    const wish = { wish: { force_fresh: false } };
    const { plan, refused } = await planQuery(answers, asker, queries.causes, query, wish);
    if (refused !== undefined || plan.rows > EXPLAINED_MAX_ROWS) return void this.#leaveOut('large');
    const began_ms = performance.now();
    const { answer } = await runQuery(answers, asker, queries.causes, query, wish);
    this.#time.add((performance.now() - began_ms) / 1_000);
    const { causes, unexplained } = causesSchema.parse(answer.body);
    if (causes.length === 0) return this.#unexplained.add();
    await this.#tell(tenant, message, query, causes.slice(0, CAUSES_NAMED_MAX), unexplained);
    this.#explained.add();
  }

  async #tell(
    tenant: string,
    { id, revision, metric, severity, ...message }: Detected,
    { dimensions }: CauseQuery,
    causes: z.output<typeof causesSchema>['causes'],
    unexplained: number | null,
  ): Promise<void> {
    const [first] = causes;
    const named = Object.entries(first?.where ?? {}).map(([name, value]) => `${name} ${value ?? 'none'}`);
    const likely_cause = first && {
      ...first,
      text: `${named.join(', ')} (${percentOf(first.share)} of the change)`,
    };
    const said = { ...message, id, revision, metric, severity, type: 'anomaly.explained' };
    const payload = { ...said, tenant, likely_cause, causes, unexplained, dimensions };
    await this.#parts.anomalies.answers.ports.anomalies?.publish({
      subject: anomalySubject(tenant, metric, severity),
      payload: Buffer.from(JSON.stringify(payload)),
      id: `${id}-${revision}-explained`,
    });
  }
}

/** The state of this process is behind, or others ask much: later. */
const AGAIN_CODES = new Set(['not_found', 'state_not_ready', 'too_many_queries']);
const EXPECTED_CODES = new Set(['validation_failed', 'wrong_state']);

const percentOf = (share: number): string => `${Math.round(share * 100)} %`;

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
