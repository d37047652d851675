import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpAnswer } from '../process.ts';
import { AMOUNT, Ledger, MINUTE_MS } from './ledger.ts';
import type { World } from './world.ts';

const EVERY_MS = 250;
const HOUR_MS = 3_600_000;
const ANSWER_TIMEOUT_MS = 20_000;
/** Clocks of two processes are compared, in ms. */
const SLACK_MS = 20;
/** An order that is acknowledged so soon after its event time is not late: the service waits 30 s for it. */
const ON_TIME_MS = 15_000;

/** What an answer may not do: count more than there is, or claim to know more than it counts. */
type Claim = 'counted' | 'freshness' | 'completeness' | 'internal';

interface Violation {
  /** How many answers. */
  answers: number;
  /** The first of them. */
  readonly example: string;
  /** While these faults were under way, or settled. */
  readonly during: Record<string, number>;
}

interface Bucket {
  readonly time: string;
  readonly incomplete?: boolean;
  readonly orders_count: number;
}

interface Answer {
  readonly groups: readonly {
    readonly buckets: readonly Bucket[];
    readonly totals: { readonly orders_count: number; readonly revenue: number };
  }[];
  readonly calculated_at: string;
  readonly meta: { readonly staleness_ms: number | null };
}

/** Asks all the time, and holds each answer against the ledger. */
export class Observer {
  readonly violations: Partial<Record<Claim, Violation>> = {};
  /** The fault that is under way, or was last. */
  during = 'none';
  /** Answers that were compared. */
  answers = 0;
  readonly #world: World;
  /** When a minute of a tenant was first said to be complete. */
  readonly #complete = new Map<string, { readonly tenant: string; minute_ms: number; claimed_ms: number }>();
  readonly #running: Promise<void>;
  #isClosed = false;

  constructor(world: World) {
    this.#world = world;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      for (const tenant of this.#world.ledger.tenants) {
        // A service that is away answers nothing, and claims nothing.
        const answer = await this.ask(tenant).catch(() => undefined);
        if (answer?.status === 200) this.#check(tenant, answer.json as unknown as Answer);
        else if (answer !== undefined && answer.json.code === 'internal')
          this.#say('internal', JSON.stringify(answer.json));
      }
      await sleep(EVERY_MS);
    }
  }

  #say(claim: Claim, example: string): void {
    const violation = this.violations[claim] ?? { answers: 0, example, during: {} };
    violation.answers++;
    violation.during[this.during] = (violation.during[this.during] ?? 0) + 1;
    this.violations[claim] = violation;
  }

  /** What the service says of a tenant's orders since the run began, by the minute. */
  async ask(tenant: string, more: object = {}): Promise<HttpAnswer> {
    const minute = (time_ms: number): string =>
      new Date(Math.floor(time_ms / MINUTE_MS) * MINUTE_MS).toISOString();
    const body = {
      metrics: ['orders_count', 'revenue'],
      ...{ start: minute(this.#world.started_ms), end: minute(Date.now() + 26 * HOUR_MS) },
      granularity: '1m',
      ...more,
    };
    const { service } = this.#world;
    // A service that stands still answers when it goes on; a killed one never.
    const late = new AbortController();
    try {
      return await Promise.race([
        service.request('POST', '/kpis/query', { tenant, body }),
        sleep(ANSWER_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
          throw new Error('no answer');
        }),
      ]);
    } finally {
      late.abort();
    }
  }

  #check(tenant: string, { groups, calculated_at, meta }: Answer): void {
    this.answers++;
    const { orders_count = 0, revenue = 0 } = groups[0]?.totals ?? {};
    const orders = this.#world.ledger.of(tenant);
    if (orders_count > orders.length)
      this.#say('counted', `${tenant}: ${orders_count} orders, though ${orders.length} were sent`);
    if (revenue !== orders_count * AMOUNT)
      this.#say('counted', `${tenant}: ${orders_count} orders with ${revenue}`);
    if (meta.staleness_ms === null) return;
    const claimed_ms = Date.parse(calculated_at) - meta.staleness_ms - SLACK_MS;
    const known = Ledger.acknowledged(orders, claimed_ms);
    if (orders_count < known)
      this.#say(
        'freshness',
        `${tenant}: ${orders_count} of ${known} orders, with a staleness of ${meta.staleness_ms} ms`,
      );
    for (const bucket of groups[0]?.buckets ?? []) if (bucket.incomplete !== true) this.#note(tenant, bucket);
  }

  #note(tenant: string, { time }: Bucket): void {
    const key = `${tenant} ${time}`;
    if (this.#complete.has(key)) return;
    this.#complete.set(key, { tenant, minute_ms: Date.parse(time), claimed_ms: Date.now() });
  }

  /** Minutes that were said to be complete, and into which orders came in time afterwards. */
  checkComplete(): void {
    for (const { tenant, minute_ms, claimed_ms } of this.#complete.values()) {
      const after = this.#world.ledger
        .of(tenant, minute_ms)
        .filter(
          ({ acknowledged_ms = 0, time_ms }) =>
            acknowledged_ms > claimed_ms && acknowledged_ms - time_ms < ON_TIME_MS,
        );
      if (after.length > 0)
        this.#say(
          'completeness',
          `${tenant}: ${after.length} orders came in time into a minute that was said to be complete`,
        );
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    this.checkComplete();
  }
}
