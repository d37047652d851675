import { z } from 'zod';
import type { MessageQueue } from '../../../engine/index.ts';
import type { PiiMask } from '../../answers/index.ts';
import { filled, PLACEHOLDERS, type TemplateValues } from './rule-template.ts';

/** In-app notifications of a tenant that the stream keeps. */
export const INBOX_MAX = 1_000;

const pickedSchema = z.object({ value: z.string(), paths: z.array(z.array(z.string())) });
const entrySchema = z.object({
  id: z.string(),
  rule_id: z.string(),
  rule_name: z.string(),
  event: z.string(),
  order_id: z.string(),
  time_ms: z.number(),
  template: z.string(),
  values: z.partialRecord(z.enum(PLACEHOLDERS), pickedSchema),
  isTest: z.boolean(),
});
export type InboxEntry = z.output<typeof entrySchema>;
export type StoredEntry = InboxEntry & { readonly sequence: number };

const subjectOf = (tenant: string): string => `deliveries.${tenant}.in-app`;

/**
 * What tenants are told in the application: of all processes, a subject of the stream of deliveries for each tenant,
 * which keeps the last 1,000 for 30 days. Throws `queue_unavailable` (retriable).
 */
export class Inbox {
  readonly #queue: Pick<MessageQueue, 'append' | 'list'>;

  constructor(queue: Pick<MessageQueue, 'append' | 'list'>) {
    this.#queue = queue;
  }

  /** A repeat of an id is there once. */
  async add(tenant: string, entry: InboxEntry): Promise<void> {
    const data = Buffer.from(JSON.stringify(entry));
    await this.#queue.append({ subject: subjectOf(tenant), id: `${tenant}/in-app/${entry.id}`, data });
  }

  /** Newest first. */
  async entries(tenant: string): Promise<readonly StoredEntry[]> {
    const byId = new Map<string, StoredEntry>();
    for (const { data, sequence } of await this.#queue.list(subjectOf(tenant))) {
      const entry = entrySchema.safeParse(JSON.parse(Buffer.from(data).toString())).data;
      if (entry !== undefined && !byId.has(entry.id)) byId.set(entry.id, { ...entry, sequence });
    }
    return [...byId.values()].reverse();
  }
}

/** A notification for somebody who may not see everything. */
export function shownEntry(
  entry: InboxEntry,
  mask: PiiMask,
): { readonly order_id: string; readonly text: string } {
  const values: TemplateValues = Object.fromEntries(
    Object.entries(entry.values).map(([name, picked]) => [name, maskedAny(mask, picked.paths, picked.value)]),
  );
  return { order_id: masked(mask, ['order_id'], entry.order_id), text: filled(entry.template, values) };
}

/** A value that several members make is masked where one of them is. */
function maskedAny(mask: PiiMask, paths: readonly (readonly string[])[], value: string): string {
  const left = paths.map((path) => masked(mask, path, value));
  return left.find((text) => text !== value) ?? value;
}

/** A value as the mask leaves it where it lies in an event. */
function masked(mask: PiiMask, path: readonly string[], value: string): string {
  if (mask.isEmpty) return value;
  const event = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
  const left: unknown = JSON.parse(mask.textOf(JSON.stringify(event)));
  const found = path.reduce<unknown>(
    (from, name) => (Object(from) as Record<string, unknown>)[name] ?? from,
    left,
  );
  return typeof found === 'string' ? found : '';
}
