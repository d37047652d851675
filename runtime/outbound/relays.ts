import type { Logger } from 'pino';
import { z } from 'zod';
import {
  asMillraceError,
  type Clock,
  type MessageQueue,
  type Work,
  type WorkItem,
  type WorkOutcome,
} from '../../engine/index.ts';
import { NOTICE_TYPES, type Notice } from '../delivery/index.ts';
import { orderNotices } from './order-events.ts';
import { TenantEvents } from './tenant-events.ts';

/** Messages of a source that a process turns into notices at once. */
const HELD_MAX = 64;
const UNFINISHED_MAX = 1_024;
const LEASE_MS = 30_000;

const ANOMALIES = 'relay-anomalies';
const JOBS = 'relay-jobs';
const ORDERS = 'relay-orders';

/** Where what is told comes from. A source that is not there tells nothing. */
export interface NoticeSources {
  /** Stream ANOMALIES: `anomalies.<tenant>.<metric>.<severity>`, an anomaly as JSON. */
  readonly anomalies?: MessageQueue;
  /** The bucket of jobs: `$KV.millrace-jobs.job.<tenant>.<job>`. */
  readonly jobs?: MessageQueue;
  /** Stream EVENTS: `events.<tenant>.>`. */
  readonly events?: MessageQueue;
}

interface RelayParts {
  readonly sources: NoticeSources;
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: (notice: Notice) => Promise<void>;
  /** Tenants whose order events somebody asked for, and since when. */
  readonly orderTenants: () => ReadonlyMap<string, number>;
  readonly isWanted: (tenant: string, type: string) => boolean;
}

/**
 * Turns what other streams say into notices, once for all processes: each reads with the others, from where they were
 * when the first one began.
 */
export class Relays {
  readonly #parts: RelayParts;
  readonly #works: Work[] = [];
  readonly #orders: TenantEvents;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    const { sources, clock, log, orderTenants, isWanted } = parts;
    this.#orders = new TenantEvents({
      ...{ events: sources.events, name: ORDERS, held_max: HELD_MAX, tenants: orderTenants, clock, log },
      handle: (item) => this.#relay(orderNotices(item, clock.now(), isWanted)),
    });
  }

  start(): void {
    const { sources, clock } = this.#parts;
    const spec = {
      from_ms: clock.now(),
      held_max: HELD_MAX,
      unfinished_max: UNFINISHED_MAX,
      lease_ms: LEASE_MS,
    };
    const read = (
      queue: MessageQueue | undefined,
      name: string,
      subject: string,
      of: typeof anomalyNotices,
    ): void => {
      if (queue === undefined) return;
      const handle = (item: WorkItem): Promise<WorkOutcome> => this.#relay(of(item));
      this.#works.push(queue.work({ ...spec, name, subjects: [subject] }, handle));
    };
    read(sources.anomalies, ANOMALIES, 'anomalies.>', anomalyNotices);
    read(sources.jobs, JOBS, '$KV.millrace-jobs.job.>', jobNotices);
    this.follow();
  }

  /** Reads the events of those tenants whose order events are asked for now. */
  follow(): void {
    this.#orders.follow();
  }

  /** Whether some process may still make notices of events of these sequences, both inclusive. */
  mayHold(first: number, last: number): Promise<boolean> {
    return this.#orders.mayHold(first, last);
  }

  async #relay(notices: readonly Notice[]): Promise<WorkOutcome> {
    for (const notice of notices) {
      try {
        await this.#parts.store(notice);
      } catch (error) {
        // Too large, say: it would fail for ever, and hold the place of others.
        if (asMillraceError(error).retriable) throw error;
        const { tenant, type, id } = notice;
        this.#parts.log.error({ err: error, tenant, type, id }, 'a notice cannot be stored and is left out');
      }
    }
    return 'done';
  }

  async close(): Promise<void> {
    await this.#orders.close();
    await Promise.all(this.#works.map((work) => work.stop()));
  }
}

const anomalySchema = z.looseObject({
  id: z.string().optional(),
  /** Which of `NOTICE_TYPES` it is; default: detected. */
  type: z.string().optional(),
});

/** `anomaly.detected`, or what the message says that it is. Its id is the message's own, else where it lies. */
function anomalyNotices(item: WorkItem): readonly Notice[] {
  const payload = anomalySchema.safeParse(jsonOf(item.data)).data;
  const [, tenant = ''] = item.subject.split('.');
  if (payload === undefined || tenant === '') return [];
  const type = NOTICE_TYPES.find((one) => one === payload.type) ?? 'anomaly.detected';
  const id = item.header('Nats-Msg-Id') ?? payload.id ?? `ANOMALIES:${item.sequence}`;
  return [{ tenant, type, id, time_ms: item.stored_at_ms, payload }];
}

const jobSchema = z.looseObject({
  job_id: z.string(),
  tenant: z.string(),
  type: z.string(),
  status: z.string(),
  created_by: z.string(),
  created_at_ms: z.number(),
  finished_at_ms: z.number().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  result: z.unknown().optional(),
  report: z.object({ id: z.string(), name: z.string(), due_ms: z.number() }).optional(),
  file: z.object({ name: z.string(), media_type: z.string(), size_bytes: z.number() }).loose().nullish(),
});

/** `export.failed` of an export that has failed, and `report.completed` of a run of a report. */
function jobNotices(item: WorkItem): readonly Notice[] {
  const job = jobSchema.safeParse(jsonOf(item.data)).data;
  if (job === undefined || job.type !== 'export') return [];
  const { report } = job;
  const isReport = job.status === 'succeeded' && report !== undefined;
  if (!isReport && job.status !== 'failed') return [];
  const { tenant, job_id, status, error, created_by } = job;
  const time_ms = job.finished_at_ms ?? item.stored_at_ms;
  const created_at = new Date(job.created_at_ms).toISOString();
  if (isReport) {
    const { media_type, size_bytes } = job.file ?? {};
    const payload = {
      ...{ report_id: report.id, name: report.name, due_at: new Date(report.due_ms).toISOString() },
      ...{ job_id, export: `/exports/${job_id}`, media_type, size_bytes, result: job.result },
    };
    return [{ tenant, type: 'report.completed', id: job_id, time_ms, payload }];
  }
  const payload = {
    job_id,
    status,
    error,
    created_by,
    created_at,
    finished_at: new Date(time_ms).toISOString(),
  };
  return [{ tenant, type: 'export.failed', id: job_id, time_ms, payload }];
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
