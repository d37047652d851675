import {
  type AnyQueryKind,
  KindRegistry,
  ManualClock,
  QueryExecutor,
  type QueryKind,
  SeededRandom,
  type TestMessage,
  TopologyTestDriver,
} from '../engine/index.ts';
import { type OrderQueries, orderQueries } from './query-kinds.ts';
import { type OrderAnalyticsOptions, orderAnalytics } from './topology.ts';

/** A flat event as a publisher sends it. */
export type ShopEvent = Readonly<Record<string, unknown>> & {
  readonly event_id: string;
  readonly type: string;
  readonly time: string;
};

export const SHOP = 'acme';
/** After every event of the tests. */
export const SHOP_NOW_MS = Date.UTC(2026, 5, 1);

export interface ShopOptions {
  readonly topology?: Partial<OrderAnalyticsOptions>;
  /** Events of one commit; default: 200. */
  readonly commit_events?: number;
  /** Arrival in another order, some of them twice. */
  readonly shuffle?: number;
}

/** Events through the real topology in memory, and queries on the state: what a family of queries is tested with. */
export class ShopState {
  readonly driver: TopologyTestDriver;
  readonly kinds: OrderQueries;
  readonly #executor: QueryExecutor;

  private constructor(driver: TopologyTestDriver, custom: readonly string[]) {
    this.driver = driver;
    this.kinds = orderQueries({ custom });
    this.#executor = new QueryExecutor({
      reader: driver.disk.reader(),
      kinds: new KindRegistry(Object.values(this.kinds) as unknown as readonly AnyQueryKind[]),
      clock: new ManualClock(SHOP_NOW_MS),
    });
  }

  static async of(events: readonly ShopEvent[], options: ShopOptions = {}): Promise<ShopState> {
    const { topology = {}, commit_events = 200, shuffle } = options;
    const driver = await TopologyTestDriver.start(orderAnalytics(topology), { start_ms: SHOP_NOW_MS });
    const state = new ShopState(driver, topology.custom ?? []);
    await state.add(shuffle === undefined ? events : shuffled(events, shuffle), commit_events);
    return state;
  }

  /** Further events, committed. */
  async add(events: readonly ShopEvent[], commit_events = 200): Promise<void> {
    for (let from = 0; from < events.length; from += commit_events) {
      await this.driver.push(...events.slice(from, from + commit_events).map(messageOf));
      this.driver.commit();
    }
  }

  /** Asks as a client does: the query is checked by the kind's schema. */
  async ask<Q, S, P, A>(kind: QueryKind<Q, S, P, A>, query: unknown): Promise<A> {
    return await this.askChecked(kind, kind.schema.parse(query));
  }

  /** Asks as the service does, which adds to what it has checked. */
  async askChecked<Q, S, P, A>(kind: QueryKind<Q, S, P, A>, query: Q): Promise<A> {
    return (await this.#executor.run(kind, query, { scope: SHOP })).answer;
  }
}

function messageOf(event: ShopEvent): TestMessage {
  return { subject: `events.${SHOP}.x`, json: event };
}

/** In another order, every seventh twice. */
function shuffled(events: readonly ShopEvent[], seed: number): ShopEvent[] {
  return new SeededRandom(seed).shuffled([...events, ...events.filter((_, at) => at % 7 === 0)]);
}
