import { z } from 'zod';
import type { AlertNotice } from '../../../analytics/index.ts';
import type { MessageQueue } from '../../../engine/index.ts';

/** Notices of an alert that the stream keeps. */
export const LOG_MAX_NOTICES = 1_000;

const entrySchema = z.object({
  notice: z.custom<AlertNotice>((given) => typeof given === 'object' && given !== null && 'id' in given),
  time_ms: z.number(),
  told_at_ms: z.number(),
});
export type AlertLogEntry = z.output<typeof entrySchema>;

/**
 * What alerts have told, of all processes: a subject of the stream of deliveries for each, which keeps the last
 * 1,000 for 30 days. Throws `queue_unavailable` (retriable).
 */
export class AlertLog {
  readonly #queue: Pick<MessageQueue, 'append' | 'list'>;

  constructor(queue: Pick<MessageQueue, 'append' | 'list'>) {
    this.#queue = queue;
  }

  async append(tenant: string, alert_id: string, entry: AlertLogEntry): Promise<void> {
    const id = `${tenant}/${alert_id}/${entry.notice.id}`;
    const data = Buffer.from(JSON.stringify(entry));
    await this.#queue.append({ subject: subjectOf(tenant, alert_id), id, data });
  }

  /** Oldest first; a notice that two processes wrote is there once. */
  async entries(tenant: string, alert_id: string): Promise<readonly AlertLogEntry[]> {
    const byId = new Map<string, AlertLogEntry>();
    for (const { data } of await this.#queue.list(subjectOf(tenant, alert_id))) {
      const entry = entrySchema.safeParse(JSON.parse(Buffer.from(data).toString())).data;
      if (entry !== undefined && !byId.has(entry.notice.id)) byId.set(entry.notice.id, entry);
    }
    return [...byId.values()];
  }
}

const subjectOf = (tenant: string, alert_id: string): string => `deliveries.${tenant}.${alert_id}`;
