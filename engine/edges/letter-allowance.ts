import type { OutMessage } from './outbox.ts';

/** Dead letters that one tenant may have sent: as many at once, and again in so much time. */
export interface LetterLimits {
  readonly per_min: number;
  readonly bytes_per_h: number;
}

const MIN_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Tenants whose use is remembered; the one that used it longest ago goes first. */
const MAX_TENANTS = 10_000;
/** Ranges of sequences that one summary lists; behind them the last one grows. */
const MAX_RANGES = 1_000;
const PREFIX = 'deadletter.';

interface Use {
  letters: number;
  bytes: number;
  at_ms: number;
}

/** What became no letters of its own. */
interface Summary {
  readonly first: string;
  rejected: number;
  readonly reasons: Record<string, number>;
  readonly ranges: [number, number][];
}

/**
 * Bounds the dead letters of a tenant, which all tenants' dead letters share their stream and their sending with. What
 * is beyond becomes one letter a commit, which says how many there were, why, and where in the stream: the messages
 * themselves are there.
 */
export class LetterAllowance {
  readonly #limits: LetterLimits;
  readonly #uses = new Map<string, Use>();
  readonly #summaries = new Map<string, Summary>();
  #summed = 0;

  constructor(limits: LetterLimits) {
    this.#limits = limits;
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
    if (use.letters + 1 <= per_min && (use.bytes === 0 || use.bytes + payload.length <= bytes_per_h)) {
      use.letters++;
      use.bytes += payload.length;
      return true;
    }
    this.#summed++;
    this.#sum(tenant, message);
    return false;
  }

  /** The summaries of what was not taken since the last call, to be written with the commit. */
  summaries(): OutMessage[] {
    const letters = [...this.#summaries].map(([tenant, { first, rejected, reasons, ranges }]) => ({
      id: `${first}-more`,
      subject: `${PREFIX}${tenant}`,
      headers: {
        Reason: 'too_many_letters',
        'Reason-Detail': `${rejected} more were rejected than dead letters are sent of one tenant; the payload says which`,
        'Original-Seq': String(ranges[0]?.[0] ?? 0),
      },
      payload: Buffer.from(JSON.stringify({ rejected, reasons, sequences: ranges })),
      unordered: true as const,
    }));
    this.#summaries.clear();
    return letters;
  }

  /** What the tenant has used: less and less as time passes. */
  #useOf(tenant: string, now_ms: number): Use {
    const use = this.#uses.get(tenant) ?? { letters: 0, bytes: 0, at_ms: now_ms };
    const passed_ms = Math.max(0, now_ms - use.at_ms);
    use.letters = Math.max(0, use.letters - (passed_ms / MIN_MS) * this.#limits.per_min);
    use.bytes = Math.max(0, use.bytes - (passed_ms / HOUR_MS) * this.#limits.bytes_per_h);
    use.at_ms = now_ms;
    this.#uses.delete(tenant);
    this.#uses.set(tenant, use);
    const [oldest] = this.#uses.keys();
    if (this.#uses.size > MAX_TENANTS && oldest !== undefined) this.#uses.delete(oldest);
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
