import type { Logger } from 'pino';
import { z } from 'zod';
import type { MessageQueue } from '../../engine/index.ts';
import { hashOf } from './notice.ts';

/** What the log says of one try, or of a wish to try again. */
const entrySchema = z.object({
  delivery_id: z.string(),
  /** `webhook-id` of all its tries. */
  message_id: z.string(),
  type: z.string(),
  /** Of the notice; null for a test, which is not kept. */
  sequence: z.int().nullable(),
  /** `pending`: somebody wants it tried again; `retrying`: it failed, and is tried again. */
  status: z.enum(['pending', 'succeeded', 'retrying', 'failed']),
  response_status: z.int().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  duration_ms: z.number().nullable(),
  at_ms: z.number(),
  next_attempt_at_ms: z.number().nullable(),
});
export type LogEntry = z.infer<typeof entrySchema>;

/** All that is known of one delivery, its tries oldest first. */
export interface DeliveryView {
  readonly delivery_id: string;
  readonly message_id: string;
  readonly type: string;
  readonly sequence: number | null;
  readonly status: LogEntry['status'];
  /** Of the first try that is still in the log. */
  readonly created_at_ms: number;
  readonly next_attempt_at_ms: number | null;
  readonly attempts: readonly LogEntry[];
}

const subjectOf = (tenant: string, endpoint: string): string => `deliveries.${tenant}.${endpoint}`;

/**
 * What became of deliveries, by endpoint: one message of a stream for each try. The stream bounds it, by number and
 * by age. Throws `queue_unavailable` (retriable).
 */
export class DeliveryLog {
  readonly #queue: MessageQueue;
  readonly #log: Logger;

  constructor(queue: MessageQueue, log: Logger) {
    this.#queue = queue;
    this.#log = log;
  }

  /** `id` names the try: a repeat of it within some minutes is not written again. */
  async append(tenant: string, endpoint: string, id: string, entry: LogEntry): Promise<void> {
    const data = Buffer.from(JSON.stringify(entry));
    await this.#queue.append({ subject: subjectOf(tenant, endpoint), id, data });
  }

  /** All that is kept of an endpoint, oldest first. */
  async entries(tenant: string, endpoint: string): Promise<readonly LogEntry[]> {
    const messages = await this.#queue.list(subjectOf(tenant, endpoint));
    return messages.flatMap(({ data, sequence }) => {
      const entry = entryOf(data);
      if (entry !== undefined) return [entry];
      this.#log.warn({ sequence }, 'an entry of the log of deliveries cannot be read');
      return [];
    });
  }

  /** The deliveries of an endpoint, the newest first. */
  async deliveries(tenant: string, endpoint: string): Promise<readonly DeliveryView[]> {
    const byId = new Map<string, LogEntry[]>();
    for (const entry of await this.entries(tenant, endpoint)) {
      const known = byId.get(entry.delivery_id);
      if (known === undefined) byId.set(entry.delivery_id, [entry]);
      else known.push(entry);
    }
    return [...byId.values()].map(viewOf).sort((a, b) => b.created_at_ms - a.created_at_ms);
  }

  async purge(tenant: string, endpoint: string): Promise<void> {
    await this.#queue.purge(subjectOf(tenant, endpoint));
  }
}

function entryOf(data: Uint8Array): LogEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(Buffer.from(data).toString())).data;
  } catch {
    return undefined;
  }
}

function viewOf(entries: readonly LogEntry[]): DeliveryView {
  const [first, last] = [entries[0], entries.at(-1)] as [LogEntry, LogEntry];
  const { delivery_id, message_id, type, status, next_attempt_at_ms, sequence } = last;
  return {
    ...{ delivery_id, message_id, type, sequence, status, next_attempt_at_ms },
    created_at_ms: first.at_ms,
    attempts: entries.filter((entry) => entry.status !== 'pending'),
  };
}

/** Names the delivery of a message to somebody. */
export const deliveryIdOf = (tenant: string, target: string, message_id: string): string =>
  `dlv_${hashOf(tenant, target, message_id)}`;

/** Tries of a delivery since somebody last wished for it. */
export function triesOf(entries: readonly LogEntry[], delivery_id: string): number {
  const own = entries.filter((entry) => entry.delivery_id === delivery_id);
  return own.length - 1 - own.findLastIndex(({ status }) => status === 'pending');
}

/** Whether a delivery was told, or given up, and nobody has wished for it since. */
export function isOver(entries: readonly LogEntry[], delivery_id: string): boolean {
  const last = entries.findLast((entry) => entry.delivery_id === delivery_id);
  return last?.status === 'succeeded' || last?.status === 'failed';
}

/** Why nobody is told of something any more that was about somebody who was erased. */
export const ERASED = {
  code: 'erased',
  message: 'The customer was erased, and what was to be told with them.',
};

/** Deliveries that failed for good in a row, up to now, since a time; tests and what was erased do not count. */
export function failuresInRow(all: readonly LogEntry[], since_ms: number): number {
  const entries = all.filter(({ sequence, error }) => sequence !== null && error?.code !== ERASED.code);
  const last = entries.findLastIndex(({ status, at_ms }) => status === 'succeeded' || at_ms < since_ms);
  return entries.slice(last + 1).filter(({ status }) => status === 'failed').length;
}
