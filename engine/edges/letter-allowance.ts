import { ByteWriter } from '../base/index.ts';
import { type KvTable, prefixEnd } from '../state/index.ts';
import type { OutMessage } from './outbox-rows.ts';

/** Dead letters that one tenant may have sent: as many at once, and again in so much time. */
export interface LetterLimits {
  readonly per_min: number;
  /** Of payloads. */
  readonly bytes_per_h: number;
  /** Of whole letters, summaries included. What is used of it outlives the process. */
  readonly bytes_per_30d: number;
}

const MIN_MS = 60_000;
const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 24 * HOUR_MS;
/** Tenants whose use is remembered; the one that used it longest ago goes first. */
const MAX_TENANTS = 10_000;
/** Ranges of sequences that one summary lists; behind them the last one grows. */
const MAX_RANGES = 1_000;
/** Of a message in a stream, beside what is in it. */
const RECORD_BYTES = 60;
const PREFIX = 'deadletter.';

interface Use {
  letters: number;
  bytes: number;
  month_bytes: number;
  at_ms: number;
  /** When the last summary was sent beyond the bytes of 30 days. */
  told_ms?: number;
}

/** What became no letters of its own. */
interface Summary {
  readonly first: string;
  rejected: number;
  readonly reasons: Record<string, number>;
  readonly ranges: [number, number][];
}

interface StoredUse {
  readonly tenant: string;
  readonly use: Use;
  readonly summary?: Summary;
}

const prefix = (): ByteWriter => new ByteWriter().orderedString('engine').orderedString('letters');

/** What a letter takes of its stream, about. */
function bytesOf({ id, subject, headers, payload }: OutMessage): number {
  const names = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return id.length + subject.length + names + payload.length + RECORD_BYTES;
}

function letterOf(tenant: string, { first, rejected, reasons, ranges }: Summary): OutMessage {
  return {
    id: `${first}-more`,
    subject: `${PREFIX}${tenant}`,
    headers: {
      Reason: 'too_many_letters',
      'Reason-Detail': `${rejected} more were rejected than dead letters are sent of one tenant; the payload says which`,
      'Original-Seq': String(ranges[0]?.[0] ?? 0),
    },
    payload: Buffer.from(JSON.stringify({ rejected, reasons, sequences: ranges })),
    unordered: true,
  };
}

/**
 * Bounds the dead letters of a tenant, which all tenants' dead letters share their stream and their sending with. What
 * is beyond becomes one letter a commit (in an ordered task, a minute of the log), which says how many there were, why, and where in the stream: the messages
 * themselves are there. One an hour where the bytes of 30 days are used up: so a tenant has its share of the stream
 * for days too, whatever it sends and however often the process starts.
 */
export class LetterAllowance {
  readonly #limits: LetterLimits;
  readonly #table: KvTable;
  readonly #uses = new Map<string, Use>();
  readonly #summaries = new Map<string, Summary>();
  /** Tenants whose rows are not what is known of them. */
  readonly #changed = new Set<string>();
  #summed = 0;

  /** `table` has what was used, and what is to be told, from one process to the next. */
  constructor(limits: LetterLimits, table: KvTable) {
    this.#limits = limits;
    this.#table = table;
    const start = prefix().copy();
    const end = prefixEnd(start);
    for (const { value } of table.scan(end === undefined ? { start } : { start, end })) {
      const { tenant, use, summary } = JSON.parse(Buffer.from(value).toString('utf8')) as StoredUse;
      this.#uses.set(tenant, use);
      if (summary !== undefined) this.#summaries.set(tenant, summary);
    }
  }

  /** Dead letters that were put together. */
  get summed(): number {
    return this.#summed;
  }

  /** Whether a message may be sent; a dead letter that may not is counted for its tenant's summary. */
  takes(message: OutMessage, now_ms: number): boolean {
    const { subject, headers, payload } = message;
    if (!subject.startsWith(PREFIX) || headers['Original-Seq'] === undefined) return true;
    const tenant = subject.slice(PREFIX.length);
    const use = this.#useOf(tenant, now_ms);
    const { per_min, bytes_per_h } = this.#limits;
    this.#changed.add(tenant);
    const isInHour = use.bytes === 0 || use.bytes + payload.length <= bytes_per_h;
    if (use.letters + 1 <= per_min && isInHour && !this.#isUsedUp(use)) {
      use.letters++;
      use.bytes += payload.length;
      use.month_bytes += bytesOf(message);
      return true;
    }
    this.#summed++;
    this.#sum(tenant, message);
    return false;
  }

  #isUsedUp({ month_bytes }: Use): boolean {
    return month_bytes >= this.#limits.bytes_per_30d;
  }

  /** The summaries that are due of what was not taken. */
  summaries(now_ms: number): OutMessage[] {
    const letters = [...this.#summaries].flatMap(([tenant, summary]) => {
      // What only looks leaves nothing behind: when that is follows from commits.
      const { told_ms = Number.NEGATIVE_INFINITY, ...seen } = this.#usedAt(tenant, now_ms);
      const isUsedUp = this.#isUsedUp(seen);
      if (isUsedUp && now_ms - told_ms < HOUR_MS) return [];
      const use = this.#useOf(tenant, now_ms);
      if (isUsedUp) use.told_ms = now_ms;
      this.#summaries.delete(tenant);
      this.#changed.add(tenant);
      const letter = letterOf(tenant, summary);
      use.month_bytes += bytesOf(letter);
      return [letter];
    });
    return letters;
  }

  /** Inside the commit, behind the summaries that are part of it. */
  flush(): void {
    for (const tenant of this.#changed) this.#write(tenant);
    this.#changed.clear();
  }

  #write(tenant: string): void {
    const use = this.#uses.get(tenant);
    const summary = this.#summaries.get(tenant);
    const key = prefix().orderedString(tenant).copy();
    if (use === undefined && summary === undefined) this.#table.remove(key);
    else this.#table.put(key, Buffer.from(JSON.stringify({ tenant, use, summary })));
  }

  /** What the tenant has used: less and less as time passes. */
  #usedAt(tenant: string, now_ms: number): Use {
    const use = this.#uses.get(tenant) ?? { letters: 0, bytes: 0, month_bytes: 0, at_ms: now_ms };
    const passed_ms = Math.max(0, now_ms - use.at_ms);
    const left = (used: number, span_ms: number, limit: number): number =>
      Math.max(0, used - (passed_ms / span_ms) * limit);
    const { per_min, bytes_per_h, bytes_per_30d } = this.#limits;
    return {
      ...use,
      letters: left(use.letters, MIN_MS, per_min),
      bytes: left(use.bytes, HOUR_MS, bytes_per_h),
      month_bytes: left(use.month_bytes, MONTH_MS, bytes_per_30d),
      at_ms: now_ms,
    };
  }

  /** The same, to be added to. */
  #useOf(tenant: string, now_ms: number): Use {
    const use = this.#usedAt(tenant, now_ms);
    this.#uses.delete(tenant);
    this.#uses.set(tenant, use);
    const [oldest] = this.#uses.keys();
    if (this.#uses.size > MAX_TENANTS && oldest !== undefined) {
      this.#uses.delete(oldest);
      this.#changed.add(oldest);
    }
    return use;
  }

  #sum(tenant: string, { id, headers }: OutMessage): void {
    const summary = this.#summaries.get(tenant) ?? { first: id, rejected: 0, reasons: {}, ranges: [] };
    this.#summaries.set(tenant, summary);
    const { Reason: reason = '', 'Original-Seq': at } = headers;
    const sequence = Number(at);
    summary.rejected++;
    summary.reasons[reason] = (summary.reasons[reason] ?? 0) + 1;
    const last = summary.ranges.at(-1);
    if (last !== undefined && (sequence <= last[1] + 1 || summary.ranges.length >= MAX_RANGES)) {
      last[1] = Math.max(last[1], sequence);
    } else summary.ranges.push([sequence, sequence]);
  }
}
