import {
  type AnalyticsSettings,
  eventFinder,
  type FinderParts,
  orderQueries,
  type PayloadSource,
  QUERY_KINDS_MODULE,
  queryKinds,
} from '../../analytics/index.ts';
import {
  DEFAULT_QUERY_DEADLINE_MS,
  KindRegistry,
  type KvReader,
  QueryExecutor,
  systemClock,
} from '../../engine/index.ts';
import type { PartitionHost } from '../host/index.ts';
import type { Settings } from '../settings/index.ts';
import { PageWatch } from './page-watch.ts';

/** One generation of the state, to ask. */
export interface OrderState {
  readonly generation: number;
  readonly reader: KvReader;
  readonly queries: QueryExecutor;
  /** Finds events in it. */
  readonly finder: FinderParts;
}

interface OpenState extends OrderState {
  readonly pages: PageWatch;
}

export interface OrderStatesOptions {
  /** The host of the current generation, and the settings that it has. */
  readonly current: () => { readonly host: PartitionHost; readonly settings: Settings };
  readonly payloads: PayloadSource;
  /**
   * How long what began on a generation may begin another query on it after it was replaced, ms. Queries that run
   * then are waited for in any case.
   */
  readonly release_after_ms?: number;
}

/** What the kinds of query are told: plain data, the same in every thread. */
export function analyticsSettings({
  customDimensions,
  allowedOutOfOrderness_ms,
}: Pick<Settings, 'customDimensions' | 'allowedOutOfOrderness_ms'>): AnalyticsSettings {
  return { custom: customDimensions, outOfOrderness_ms: allowedOutOfOrderness_ms };
}

/** The committed states that queries are answered from: the current one, and replaced ones until nothing reads them. */
export class OrderStates {
  readonly #options: OrderStatesOptions;
  readonly #opened = new Map<PartitionHost, OpenState>();
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(options: OrderStatesOptions) {
    this.#options = options;
  }

  /** The current state; undefined before there is one. Throws `state_damaged` where its pages do not fit together. */
  current(): OrderState | undefined {
    const { host, settings } = this.#options.current();
    const opened = this.#opened.get(host);
    if (opened?.pages.damage !== undefined) throw opened.pages.damage;
    if (opened !== undefined) return opened;
    const reader = this.#isClosed ? undefined : host.reader();
    if (reader === undefined) return undefined;
    const state = this.#open(host, reader, settings);
    this.#opened.set(host, state);
    return state;
  }

  #open(host: PartitionHost, reader: KvReader, settings: Settings): OpenState {
    const config = analyticsSettings(settings);
    const queries = new QueryExecutor({
      reader,
      kinds: new KindRegistry(queryKinds(config)),
      clock: systemClock,
      begun_max: settings.queries_begun_max,
      pool: {
        path: host.statePath,
        reader: { sharedWithWriter: true },
        modules: [QUERY_KINDS_MODULE],
        config,
        threads: settings.scanThreads,
      },
    });
    const finder = eventFinder(queries, orderQueries(config), this.#options.payloads);
    const pages = new PageWatch(host.statePath, settings.pageCheckInterval_ms);
    return { generation: host.generation, reader, queries, finder, pages };
  }

  /** Resolves when nothing reads from the state of a host any more that was replaced; its threads have ended then. */
  async released(host: PartitionHost): Promise<void> {
    if (!this.#opened.has(host)) return;
    await this.#pause(this.#options.release_after_ms ?? 2 * DEFAULT_QUERY_DEADLINE_MS);
    const state = this.#opened.get(host);
    this.#opened.delete(host);
    await state?.pages.close();
    await state?.queries.idle();
    await state?.queries.close();
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const done of [...this.#waiting]) done();
    const states = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(states.flatMap(({ queries, pages }) => [queries.close(), pages.close()]));
  }
}
