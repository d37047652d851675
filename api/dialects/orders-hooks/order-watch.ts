import {
  EVENT_TERMS,
  type FinderParts,
  type Matcher,
  matcherOf,
  type OrderChange,
  orderChanges,
  parseCondition,
} from '../../../analytics/index.ts';
import {
  asMillraceError,
  META_TABLE,
  type MessageQueue,
  type MetricSample,
  readProgress,
  type WorkItem,
  type WorkOutcome,
} from '../../../engine/index.ts';
import {
  type Definition,
  type KindDefinitions,
  type Outbound,
  TenantEvents,
  toldType,
} from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import { BeginReader } from './begin-reader.ts';
import { Failures } from './failures.ts';
import type { Inbox } from './inbox.ts';
import { type Candidate, candidatesOf } from './order-candidates.ts';
import { type OrderEvent, orderHistory } from './order-history.ts';
import { OrderHookMetrics } from './order-hook-metrics.ts';
import { isEmpty, type RuleBody } from './rule-kind.ts';
import { type RuleEvent, RuleTeller } from './rule-teller.ts';
import { orderNumberOf, valuesOf } from './rule-values.ts';

/** Messages that a process looks at, at once. */
const HELD_MAX = 8;
/** An event that the state of this process does not have yet is looked for again. */
const STATE_AGAIN_MS = 250;
/** People are not told of what lies so far back: history that is imported, or read late, ms. */
const RULE_MAX_AGE_MS = 86_400_000;

export interface OrderWatchParts {
  readonly ports: Pick<ApiPorts, 'reader' | 'finder' | 'clock' | 'log'>;
  readonly rules: KindDefinitions<RuleBody>;
  readonly outbound: Pick<Outbound, 'tell' | 'untold' | 'orderWebhooks'>;
  readonly inbox: Inbox;
  /** Stream EVENTS; undefined: nobody is told. */
  readonly events: MessageQueue | undefined;
}

interface Place {
  readonly tenant: string;
  readonly item: WorkItem;
}

/**
 * Tells order webhooks and notification rules what events change of their orders. It follows the stream at a place of
 * its own, which all processes share, behind the committed state: an event counts once it is in the event log, and what
 * it changed follows from the events of its order up to its place. So it is the same for every repeat, crash and state
 * that is built anew; nothing is told of duplicates and of what became a dead letter.
 */
export class OrderWatch {
  readonly #parts: OrderWatchParts;
  readonly #metrics = new OrderHookMetrics();
  readonly #events: TenantEvents;
  readonly #teller: RuleTeller;
  readonly #begins: BeginReader;
  readonly #failures = new Failures();
  readonly #matchers = new WeakMap<RuleBody, Matcher>();
  #unlisten: (() => void) | undefined;

  constructor(parts: OrderWatchParts) {
    this.#parts = parts;
    const { ports, events } = parts;
    this.#teller = new RuleTeller(parts);
    this.#begins = new BeginReader(ports);
    this.#events = new TenantEvents({
      ...{ events, name: 'order-hooks', held_max: HELD_MAX, clock: ports.clock, log: ports.log },
      tenants: () => this.#tenants(),
      handle: (item, signal) => this.#heard(item, signal),
    });
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  start(): void {
    const { outbound, rules } = this.#parts;
    outbound.orderWebhooks.onWishes(() => this.#events.follow());
    this.#unlisten = rules.onChange(() => this.#events.follow());
    this.#events.follow();
  }

  mayHold(first: number, last: number): Promise<boolean> {
    return this.#events.mayHold(first, last);
  }

  async close(): Promise<void> {
    this.#unlisten?.();
    await this.#events.close();
  }

  #tenants(): ReadonlyMap<string, number> {
    const { outbound, rules } = this.#parts;
    const since = new Map(outbound.orderWebhooks.toldTenants());
    for (const tenant of rules.tenants()) {
      for (const rule of rules.list(tenant)) {
        if (rule.body.is_active) since.set(tenant, Math.min(since.get(tenant) ?? Infinity, sinceOf(rule)));
      }
    }
    return since;
  }

  async #heard(item: WorkItem, signal: AbortSignal): Promise<WorkOutcome> {
    const tenant = item.subject.split('.')[1] ?? '';
    const place: Place = { tenant, item };
    const candidates = candidatesOf(item, this.#parts.ports.clock.now()).filter(({ types }) =>
      types.some((type) => this.#isWanted(place, type)),
    );
    if (candidates.length === 0) return 'done';
    const finder = this.#finderAt(item.sequence);
    if (finder === undefined) return { again_ms: STATE_AGAIN_MS };
    for (const candidate of candidates) {
      try {
        await this.#look(place, candidate, finder, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { event_id, part } = candidate;
        if (asMillraceError(error).retriable || !this.#failures.isLast(item.sequence, part)) throw error;
        this.#parts.ports.log.error({ err: error, tenant, event_id }, 'an order event is told to nobody');
        this.#metrics.leftOut('failed');
      }
    }
    this.#failures.forget(item.sequence);
    return 'done';
  }

  /** The log, once it has what lies at a place in the stream. */
  #finderAt(sequence: number): FinderParts | undefined {
    const { ports } = this.#parts;
    const progress = ports.reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
    return progress !== undefined && progress.sequence >= sequence ? ports.finder?.() : undefined;
  }

  #isWanted({ tenant, item }: Place, type: string): boolean {
    const { outbound } = this.#parts;
    return (
      outbound.orderWebhooks.askersOf(tenant, type, item.stored_at_ms).length > 0 ||
      this.#rulesOf({ tenant, item }, type).length > 0
    );
  }

  #rulesOf({ tenant, item }: Place, type: string): readonly Definition<RuleBody>[] {
    return this.#parts.rules
      .list(tenant)
      .filter(
        (rule) =>
          rule.body.is_active && toldType(rule.body.event) === type && item.stored_at_ms >= sinceOf(rule),
      );
  }

  async #look(place: Place, candidate: Candidate, finder: FinderParts, signal: AbortSignal): Promise<void> {
    const began_ms = performance.now();
    const { tenant, item } = place;
    const { sequence } = item;
    const { order_id, part } = candidate;
    const begin_ms = this.#begins.of(tenant, order_id);
    const history = await orderHistory(finder, { tenant, order_id, begin_ms, sequence, part }, signal);
    this.#metrics.looked(performance.now() - began_ms);
    const event = history.find((one) => one.sequence === sequence && one.part === part);
    // A duplicate, a dead letter, or behind the retention.
    if (event === undefined) return this.#metrics.leftOut('not_counted');
    for (const change of orderChanges(history)) {
      await this.#tellWebhooks(place, candidate, change, orderNumberOf(event, history, order_id));
      await this.#tellRules(place, candidate, change, event, history);
    }
  }

  async #tellWebhooks(
    { tenant, item }: Place,
    { order_id, event_id, time_ms }: Candidate,
    { type, old_status, new_status }: OrderChange,
    order_number: string,
  ): Promise<void> {
    const { outbound } = this.#parts;
    const askers = outbound.orderWebhooks.askersOf(tenant, type, item.stored_at_ms);
    if (askers.length === 0) return;
    const payload = { order_id, order_number, old_status, new_status };
    // Another id than the event's own notice for the webhooks of the first API.
    const notice = { tenant, type, id: `orders/${event_id}`, time_ms, payload };
    const channels = askers.map((webhook_id) => ({ type: 'webhook', webhook_id }) as const);
    await outbound.tell(notice, channels);
    this.#metrics.told('webhook', channels.length);
  }

  async #tellRules(
    place: Place,
    { order_id, event_id, time_ms }: Candidate,
    { type, isLate, new_status }: OrderChange,
    event: OrderEvent,
    history: readonly OrderEvent[],
  ): Promise<void> {
    const rules = this.#rulesOf(place, type).filter(({ body }) => this.#fits(body, event));
    if (rules.length === 0) return;
    if (isLate) return this.#metrics.leftOut('late');
    const { stored_at_ms } = place.item;
    const isOld =
      stored_at_ms - time_ms > RULE_MAX_AGE_MS ||
      this.#parts.ports.clock.now() - stored_at_ms > RULE_MAX_AGE_MS;
    if (isOld) return this.#metrics.leftOut('old');
    const told: RuleEvent = {
      ...{ order_id, event_id, type, time_ms },
      values: valuesOf(event, history, new_status),
    };
    for (const rule of rules) {
      const isTold = await this.#teller.tell(rule, told, event, history);
      if (isTold) this.#metrics.told(rule.body.channel, 1);
      else this.#metrics.leftOut('no_recipient');
    }
  }

  #fits(body: RuleBody, { text, time_ms }: OrderEvent): boolean {
    if (isEmpty(body.conditions)) return true;
    if (text === null) return false;
    let matches = this.#matchers.get(body);
    if (matches === undefined) {
      matches = matcherOf(parseCondition(body.conditions, EVENT_TERMS, 'conditions'), [], EVENT_TERMS);
      this.#matchers.set(body, matches);
    }
    return matches(text, time_ms);
  }
}

/** What was stored before is none of a rule's: it was not there, or not active. */
const sinceOf = ({ created_at_ms, enabled_at_ms }: Definition<RuleBody>): number =>
  enabled_at_ms ?? created_at_ms;
