import { SeededRandom } from '../../engine/index.ts';
import type { ShopEvent } from '../fixture-shop.ts';

/** A funnel by trying every sequence of raw events: written without the product's code, for tests. */

const MINUTE_MS = 60_000;
export const BEGIN_MS = Date.UTC(2025, 0, 10);
const iso = (at_ms: number): string => new Date(at_ms).toISOString();

type Plain = Readonly<Record<string, string>>;

export interface AskedStep {
  readonly event: string;
  readonly filters?: Readonly<Record<string, string>>;
}

export interface AskedFunnel {
  readonly steps: readonly AskedStep[];
  readonly window: string;
  readonly order: 'ordered' | 'strict' | 'any';
  readonly entry: 'latest' | 'first';
  readonly ties: 'convert' | 'strict_increase';
  readonly exclusions: readonly (AskedStep & {
    readonly from: number;
    readonly to: number;
    readonly effect: 'drop_attempt' | 'drop_user';
  })[];
  readonly hold_constant: readonly string[];
  readonly entity: 'customer_id' | 'session_id' | 'order_id';
  readonly group_by: readonly string[];
  readonly attribution: string;
  readonly start: string;
  readonly end: string;
  readonly granularity?: string;
  readonly limit: number;
}

/** Where an entity stands. */
export interface Standing {
  readonly entity: string;
  readonly status: 'converted' | 'in_progress' | 'dropped';
  readonly times_ms: readonly number[];
  /** JSON of the values; undefined: no group. */
  readonly group: string | undefined;
}

const TYPES = ['visit', 'add_to_cart', 'checkout', 'page.viewed'] as const;

/** Many events at few times: visits, carts, orders, payments that name their order only, orders that are sent again. */
export function funnelShop(seed: number, count = 420): ShopEvent[] {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  for (let n = 0; n < count; n++) {
    const at_ms = BEGIN_MS + random.int(0, 11) * MINUTE_MS + (random.int(1, 12) === 1 ? 1 : 0);
    const entity = { customer_id: `c${random.int(1, 55)}`, session_id: `s${random.int(1, 70)}` };
    const dimensions = { channel: random.pick(['web', 'app', '']), country: random.pick(['DE', 'GB']) };
    const kind = random.int(1, 10);
    if (kind <= 7) {
      events.push({
        event_id: `v${n}`,
        type: random.pick(TYPES),
        time: iso(at_ms),
        ...entity,
        ...dimensions,
      });
      continue;
    }
    const order = { order_id: `o${n}`, amount: 100, currency: 'EUR' };
    const created = { type: 'order.created', ...order, ...entity, ...dimensions };
    events.push({ event_id: `e${n}`, time: iso(at_ms), ...created });
    const later = (): string => iso(at_ms + random.int(0, 4) * MINUTE_MS);
    if (kind === 9)
      events.push({ event_id: `again${n}`, ...created, time: iso(at_ms + random.int(1, 4) * MINUTE_MS) });
    if (kind === 10) {
      // A newer version is in another country: the order, and the payment that has none of its own, are too.
      const moved = { ...created, country: dimensions.country === 'DE' ? 'GB' : 'DE' };
      events.push({ event_id: `moved${n}`, ...moved, time: iso(at_ms + random.int(1, 4) * MINUTE_MS) });
    }
    if (kind >= 9)
      events.push({
        event_id: `p${n}`,
        type: 'payment.succeeded',
        time: later(),
        order_id: `o${n}`,
        amount: 100,
      });
  }
  return events;
}

export function randomFunnel(random: SeededRandom): AskedFunnel {
  const event = (): AskedStep => ({
    event: random.pick([...TYPES, 'order.created', 'payment.succeeded', 'visit', 'visit']),
    ...(random.int(1, 5) === 1 ? { filters: { country: 'DE' } } : {}),
  });
  const steps = Array.from({ length: random.int(2, 4) }, event);
  const first = random.int(1, steps.length - 1);
  const exclusion = () => ({
    ...event(),
    ...{ from: first, to: random.int(first + 1, steps.length) },
    effect: random.pick(['drop_attempt', 'drop_user'] as const),
  });
  const start = random.int(0, 3);
  const isGrouped = random.int(1, 2) === 1;
  return {
    ...{ steps, window: random.pick(['0s', '60000ms', '119999ms', '3m', '5m', '1d']) },
    order: random.pick(['ordered', 'ordered', 'strict', 'any'] as const),
    entry: random.pick(['latest', 'first'] as const),
    ties: random.pick(['convert', 'strict_increase'] as const),
    exclusions: random.int(1, 3) === 1 ? [exclusion()] : [],
    hold_constant: random.int(1, 4) === 1 ? [random.pick(['country', 'channel'])] : [],
    entity: random.pick(['customer_id', 'customer_id', 'session_id', 'order_id'] as const),
    group_by: isGrouped ? random.pick([['country'], ['channel', 'country']]) : [],
    attribution: isGrouped ? random.pick(['first_step', 'last_step', 'step_1', 'step_2']) : 'first_step',
    start: iso(BEGIN_MS + start * MINUTE_MS),
    end: iso(BEGIN_MS + random.int(start + 2, 12) * MINUTE_MS),
    ...(random.int(1, 2) === 1 ? { granularity: '5m' } : {}),
    limit: random.pick([1, 3, 25]),
  };
}

/** The events as they count: each once, an order once, with what they have from their orders. */
export function countedEvents(raw: readonly ShopEvent[]): Plain[] {
  const byId = new Map(
    (raw as unknown as readonly Plain[]).map((event) => [event.event_id as string, event]),
  );
  const all = [...byId.values()];
  const byTime = (a: Plain, b: Plain): number => Date.parse(a.time as string) - Date.parse(b.time as string);
  const versions = (order: string | undefined): Plain[] =>
    all.filter(({ type, order_id }) => type === 'order.created' && order_id === order).sort(byTime);
  return all.flatMap((event) => {
    if (event.order_id === undefined) return [event];
    const own = versions(event.order_id);
    const newest = own.at(-1) ?? {};
    if (event.type !== 'order.created') {
      const { customer_id = '', channel = '', country = '' } = newest;
      return [{ customer_id, channel, country, ...event }];
    }
    if (own[0] !== event) return [];
    return [{ ...newest, event_id: event.event_id as string, time: event.time as string }];
  });
}

interface Seen {
  readonly at_ms: number;
  readonly steps: number;
  readonly exclusions: number;
  readonly hold: string;
  readonly group: string;
}

const mask = (rules: readonly AskedStep[], event: Plain): number =>
  rules.reduce((bits, { event: type, filters = {} }, at) => {
    const passes = Object.entries(filters).every(([name, value]) => event[name] === value);
    return bits | (event.type === type && passes ? 1 << at : 0);
  }, 0);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Where each entity stands. */
export function standings(raw: readonly ShopEvent[], asked: AskedFunnel, watermark_ms: number): Standing[] {
  const byEntity = new Map<string, Plain[]>();
  for (const event of countedEvents(raw)) {
    const id = event[asked.entity];
    if (id) byEntity.set(id, [...(byEntity.get(id) ?? []), event]);
  }
  return [...byEntity].flatMap(([entity, events]) => {
    const seen = events.map((event): Seen => {
      const values = (names: readonly string[]) => JSON.stringify(names.map((name) => event[name] ?? ''));
      return {
        at_ms: Date.parse(event.time as string),
        steps: mask(asked.steps, event),
        exclusions: mask(asked.exclusions, event),
        hold: asked.hold_constant.length === 0 ? '' : values(asked.hold_constant),
        group: asked.group_by.length === 0 ? '' : values(asked.group_by),
      };
    });
    seen.sort(
      (a, b) =>
        a.at_ms - b.at_ms ||
        a.steps - b.steps ||
        a.exclusions - b.exclusions ||
        compare(a.hold, b.hold) ||
        compare(a.group, b.group),
    );
    const best = new Search(seen, asked).best();
    if (best === undefined) return [];
    const times_ms = best.map((at) => seen[at]?.at_ms as number);
    const isOpen = (times_ms[0] as number) + windowMs(asked.window) > watermark_ms;
    const status = best.length === asked.steps.length ? 'converted' : isOpen ? 'in_progress' : 'dropped';
    const step =
      asked.attribution === 'last_step' ? best.length : Number(asked.attribution.replace(/\D+/, '') || 1);
    const at = best[step - 1];
    const group = asked.group_by.length === 0 || at === undefined ? undefined : seen[at]?.group;
    return [{ entity, status, times_ms, group } as const];
  });
}

export function windowMs(window: string): number {
  const unit = window.replace(/\d+/, '');
  return Number.parseInt(window, 10) * ({ ms: 1, s: 1_000, m: MINUTE_MS, d: 86_400_000 }[unit] as number);
}

/** Tries every sequence of events. */
class Search {
  readonly #events: readonly Seen[];
  readonly #asked: AskedFunnel;

  constructor(events: readonly Seen[], asked: AskedFunnel) {
    this.#events = events;
    this.#asked = asked;
  }

  best(): readonly number[] | undefined {
    const { order, entry, start, end } = this.#asked;
    const [start_ms, end_ms] = [Date.parse(start), Date.parse(end)];
    let entries = this.#events.flatMap(({ at_ms, steps }, at) => {
      const begins = order === 'any' ? steps !== 0 : (steps & 1) === 1;
      return begins && at_ms >= start_ms && at_ms < end_ms ? [at] : [];
    });
    const firstAt = this.#time(entries[0] ?? 0);
    if (entry === 'first') entries = entries.filter((at) => this.#time(at) === firstAt);
    let best: readonly number[] | undefined;
    for (const at of entries) {
      const attempt = this.#attempt(at);
      const effects = this.#asked.exclusions.filter((_, which) => this.#isHit(attempt, which));
      if (effects.some(({ effect }) => effect === 'drop_user')) return undefined;
      if (effects.length > 0) continue;
      if (best === undefined || this.#counts(attempt, best)) best = attempt;
    }
    return best;
  }

  /** Further; then the newer entry; then the earlier steps. */
  #counts(a: readonly number[], b: readonly number[]): boolean {
    if (a.length !== b.length) return a.length > b.length;
    const newer = this.#time(a[0] as number) - this.#time(b[0] as number);
    return newer === 0 ? this.#isEarlier(a, b) : newer > 0;
  }

  #isEarlier(a: readonly number[], b: readonly number[]): boolean {
    const times = (picks: readonly number[]): number[] => picks.map((at) => this.#time(at));
    for (const [x, y] of [[times(a), times(b)] as const, [a, b] as const])
      for (const [at, value] of x.entries()) if (value !== y[at]) return value < (y[at] as number);
    return false;
  }

  #attempt(entry: number): readonly number[] {
    let best: readonly number[] = [];
    const take = (picks: readonly number[]): void => {
      if (!this.#isAllowed(picks)) return;
      if (picks.length > best.length || (picks.length === best.length && this.#isEarlier(picks, best)))
        best = picks;
    };
    this.#extend([entry], take);
    return best;
  }

  #extend(picks: readonly number[], take: (picks: readonly number[]) => void): void {
    take(picks);
    if (picks.length === this.#asked.steps.length) return;
    const [entry = 0] = picks;
    const last = picks.at(-1) ?? 0;
    for (let at = 0; at < this.#events.length; at++) {
      const event = this.#events[at] as Seen;
      if (picks.includes(at) || event.hold !== this.#events[entry]?.hold) continue;
      if (event.at_ms < this.#time(last) || event.at_ms > this.#time(entry) + windowMs(this.#asked.window))
        continue;
      if (this.#asked.ties === 'strict_increase' && event.at_ms === this.#time(last)) continue;
      const fills =
        this.#asked.order === 'any'
          ? // The order of one time is that of the list, so that each set is tried once.
            (event.at_ms > this.#time(last) || at > last || last === entry) && this.#canFill([...picks, at])
          : ((event.steps >>> picks.length) & 1) === 1;
      if (fills) this.#extend([...picks, at], take);
    }
  }

  /** Whether different steps can be given to the events. */
  #canFill(picks: readonly number[], given = 0): boolean {
    const [first, ...rest] = picks;
    if (first === undefined) return true;
    return this.#asked.steps.some(
      (_, step) =>
        (((this.#events[first]?.steps ?? 0) >>> step) & 1) === 1 &&
        ((given >>> step) & 1) === 0 &&
        this.#canFill(rest, given | (1 << step)),
    );
  }

  /** `strict`: what is not taken lies at the first time or before, or at the last time or after. */
  #isAllowed(picks: readonly number[]): boolean {
    if (this.#asked.order !== 'strict') return true;
    const [from, to] = [this.#time(picks[0] ?? 0), this.#time(picks.at(-1) ?? 0)];
    return this.#events.every(({ at_ms }, at) => picks.includes(at) || at_ms <= from || at_ms >= to);
  }

  #isHit(picks: readonly number[], which: number): boolean {
    const { from = 1, to = 2 } = this.#asked.exclusions[which] ?? {};
    const after = picks[from - 1];
    if (after === undefined) return false;
    const before = picks[to - 1];
    const before_ms =
      before === undefined
        ? this.#time(picks[0] ?? 0) + windowMs(this.#asked.window) + 1
        : this.#time(before);
    return this.#events.some(
      ({ at_ms, exclusions }) =>
        ((exclusions >>> which) & 1) === 1 && at_ms > this.#time(after) && at_ms < before_ms,
    );
  }

  #time(at: number): number {
    return this.#events[at]?.at_ms as number;
  }
}
