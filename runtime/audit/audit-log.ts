import type { Logger } from 'pino';
import {
  type Clock,
  type MessageQueue,
  type MetricSample,
  Metrics,
  MillraceError,
  type QueuedMessage,
} from '../../engine/index.ts';
import { systemRandom, ulid } from '../definitions/index.ts';
import { derived, type KeyTrust } from '../trust/index.ts';
import { type AuditEntry, auditSubject, decodeEntry, encodeEntry } from './audit-entry.ts';
import { IngestSums } from './ingest-sums.ts';

/** Entries that wait to be stored. What is audited is refused while so many do. */
export const WAITING_MAX_ENTRIES = 1_000;
/** Entries that are being stored at once. */
const STORED_AT_ONCE_MAX = 64;
/** How long a change waits for its entry to be stored before it is answered, ms. */
const CHANGE_WAIT_MS = 2_000;
const RETRY_MS = 1_000;
/** How long entries may take to be stored when the process ends, ms. */
const CLOSE_MS = 2_000;
/** Entries that one page looks at, so that a filter that finds little ends. */
const PAGE_MAX_LOOKED_AT = 5_000;
/** By so much the clocks of the processes and of the server may differ, ms. */
const CLOCKS_DIFFER_MS = 300_000;
const CHUNK_MAX_MESSAGES = 1_000;

export interface AuditLogOptions {
  /** The stream of entries, which nobody deletes from. */
  readonly queue: Pick<MessageQueue, 'append' | 'newest' | 'oldest'>;
  readonly trust: KeyTrust;
  readonly clock: Clock;
  readonly log: Logger;
}

export type NewEntry = Omit<AuditEntry, 'id' | 'at_ms' | 'requests'>;

/** Entries of a page, newest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where the next page begins; null: there are no more. */
  readonly before: number | null;
  /** Messages of the stream that are not entries of this installation, or were changed. */
  readonly refused: number;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly stored: () => void;
}

/**
 * The audit log: entries in a stream that only grows. An entry waits in memory until the stream has it. Nothing is
 * left out: what would be audited is refused while too many wait (`audit_unavailable`), and what waits when the process
 * ends goes to its log.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #secret: Uint8Array;
  readonly #waiting: Waiting[] = [];
  readonly #ingest: IngestSums;
  readonly #metrics = new Metrics();
  readonly #stored = this.#metrics.counter(
    'millrace.audit.stored',
    'Entries of the audit log that are stored',
  );
  readonly #failed = this.#metrics.counter('millrace.audit.failed', 'Tries to store entries that failed');
  readonly #refused = this.#metrics.counter(
    'millrace.audit.refused',
    'Requests that were refused, for they could not have been audited',
  );
  #storing: Promise<void> | undefined;
  #closing = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#secret = derived(options.trust.secret, 'audit');
    this.#ingest = new IngestSums(options.clock, (entry, requests) => void this.#add(entry, requests));
    this.#metrics.gauge(
      'millrace.audit.waiting',
      'Entries that wait to be stored',
      () => this.#waiting.length,
    );
    this.#metrics.gauge('millrace.audit.waiting.limit', 'Of them, where requests are refused', () => {
      return WAITING_MAX_ENTRIES;
    });
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /** Throws `audit_unavailable` (retriable) while too many entries wait: what would be audited is not done then. */
  requireRoom(): void {
    if (this.#waiting.length < WAITING_MAX_ENTRIES) return;
    this.#refused.add();
    throw new MillraceError(
      'audit_unavailable',
      `The audit log takes no more entries: ${this.#waiting.length} wait for the NATS server. Nothing was done; try ` +
        'again when it answers.',
      { retriable: true },
    );
  }

  /**
   * Takes an entry. Of what changes something it resolves when the stream has the entry, or 2 s later; else at once.
   * Writes of events are summed up by key for a minute.
   */
  async record(entry: NewEntry): Promise<void> {
    if (entry.action === 'ingest') {
      this.#ingest.add(entry);
      return;
    }
    const stored = this.#add(entry, 1);
    if (entry.action !== 'change' && entry.action !== 'erase') return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CHANGE_WAIT_MS);
    });
    await Promise.race([stored, late]);
    clearTimeout(timer);
  }

  #add(entry: NewEntry, requests: number): Promise<void> {
    const at_ms = this.#options.clock.now();
    const id = `audit_${ulid(at_ms, systemRandom)}`;
    return new Promise((stored) => {
      this.#waiting.push({ entry: { id, at_ms, ...entry, requests }, stored });
      this.#storing ??= this.#store().finally(() => {
        this.#storing = undefined;
      });
    });
  }

  async #store(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.slice(0, STORED_AT_ONCE_MAX);
      const results = await Promise.allSettled(some.map(({ entry }) => this.#append(entry)));
      const done = new Set(some.filter((_, at) => results[at]?.status === 'fulfilled'));
      for (const { stored } of done) stored();
      this.#stored.add(done.size);
      const left = this.#waiting.filter((one) => !done.has(one));
      this.#waiting.splice(0, this.#waiting.length, ...left);
      if (done.size === some.length) continue;
      this.#failed.add(some.length - done.size);
      if (this.#closing) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  async #append(entry: AuditEntry): Promise<void> {
    const { tenant, action, id } = entry;
    const data = encodeEntry(this.#secret, entry);
    await this.#options.queue.append({ subject: auditSubject(tenant, action), id, data });
  }

  /**
   * Entries of a tenant that a filter takes, newest first. A page may have fewer than `max` although there are more:
   * it looks at 5,000 at most. Throws `queue_unavailable` (retriable).
   */
  async page(
    { tenant, action }: { readonly tenant: string; readonly action?: string },
    takes: (entry: AuditEntry) => boolean,
    max: number,
    { before, from_ms }: { readonly before?: number; readonly from_ms?: number } = {},
  ): Promise<AuditPage> {
    const pattern = auditSubject(tenant, action ?? '*');
    const entries: AuditEntry[] = [];
    let [place, looked, refused] = [before, 0, 0];
    for (;;) {
      const messages = await this.#options.queue.newest(pattern, CHUNK_MAX_MESSAGES, place);
      for (const message of messages) {
        looked++;
        place = message.sequence;
        const entry = decodeEntry(this.#secret, message.subject, message.data);
        if (entry === undefined) refused++;
        else if (takes(entry)) entries.push(entry);
        if (entries.length >= max) return { entries, before: place, refused };
        if (this.#isBefore(message, from_ms)) return { entries, before: null, refused };
      }
      if (messages.length < CHUNK_MAX_MESSAGES) return { entries, before: null, refused };
      if (looked >= PAGE_MAX_LOOKED_AT) return { entries, before: place ?? null, refused };
    }
  }

  /** An entry is stored behind its time; one that waited long may lie behind later ones. */
  #isBefore({ stored_at_ms }: QueuedMessage, from_ms: number | undefined): boolean {
    return from_ms !== undefined && stored_at_ms < from_ms - CLOCKS_DIFFER_MS;
  }

  /** When the log begins; null: at the first entry that there ever was. */
  async since_ms(): Promise<number | null> {
    const oldest = await this.#options.queue.oldest();
    return oldest === undefined || oldest.sequence === 1 ? null : oldest.stored_at_ms;
  }

  /** Stores what waits. What the stream does not take in 2 s goes to the log of the process, as it is. */
  async close(): Promise<void> {
    this.#ingest.flush();
    this.#closing = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#storing, late]);
    clearTimeout(timer);
    for (const { entry } of this.#waiting)
      this.#options.log.error({ audit: entry }, 'an entry of the audit log could not be stored');
  }
}
