import { type KpiAnswer, type KpiQueryInput, type OrderQueries, orderQueries } from '../analytics/index.ts';
import {
  type AnyQueryKind,
  KindRegistry,
  type KvReader,
  ManualClock,
  QueryExecutor,
  type QueryKind,
} from '../engine/index.ts';

/** KPI queries to a committed state, by the service's own query kinds and executor, without threads. */
export class StateQueries {
  readonly #kinds = orderQueries({ custom: [] });
  readonly #executor: QueryExecutor;

  constructor(reader: KvReader, now_ms: number) {
    this.#executor = new QueryExecutor({
      reader,
      kinds: new KindRegistry(Object.values(this.#kinds) as unknown as readonly AnyQueryKind[]),
      clock: new ManualClock(now_ms),
    });
  }

  /** The answer of any kind of query, by its name among `orderQueries`. */
  async answer<K extends keyof OrderQueries>(scope: string, name: K, request: unknown): Promise<unknown> {
    const kind = this.#kinds[name] as unknown as QueryKind<unknown, unknown, unknown, unknown>;
    return (await this.#executor.run(kind, kind.schema.parse(request), { scope })).answer;
  }

  async ask(scope: string, query: KpiQueryInput): Promise<KpiAnswer> {
    const { kpis } = this.#kinds;
    const { answer } = await this.#executor.run(kpis, kpis.schema.parse(query), { scope });
    return answer;
  }

  /** The same, read of the log alone: `as_of` is a question that cubes do not answer. */
  async scan(scope: string, query: KpiQueryInput): Promise<KpiAnswer> {
    const { plan, progress } = await this.#executor.run(
      this.#kinds.kpis,
      this.#kinds.kpis.schema.parse(query),
      { scope },
    );
    if (progress === undefined) throw new Error(`nothing was committed: ${plan.source}`);
    const { stream, partition, sequence } = progress;
    return await this.ask(scope, { ...query, as_of: { [stream]: { [partition]: sequence } } });
  }
}
