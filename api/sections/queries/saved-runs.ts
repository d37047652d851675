import { META_TABLE, type MetricSample, type Progress, readProgress } from '../../../engine/index.ts';
import { type AnswerParts, maskFor } from '../../answers/index.ts';
import { EVENTS_STREAM, PARTITION, timeText } from '../../http/index.ts';
import { type AnswerCache, cacheKey } from './answer-cache.ts';
import type { FamilyAsker, JsonAnswer as Json, QueryFamilies, ResolvedQuery } from './query-families.ts';
import type { Overrides, SavedQuery } from './saved-query.ts';

export interface SavedRunParts {
  readonly answers: AnswerParts;
  readonly families: QueryFamilies;
  readonly cache: AnswerCache;
  /** Grows with every change of a definition. */
  readonly definitionChanges: () => number;
}

/** Members of a query that ask for more than an answer that is kept can say. */
const UNKEPT = ['max_staleness', 'force_fresh', 'min_position', 'explain', 'dry_run'] as const;

/** The times that relative ranges are against. */
export interface RangeAnchors {
  readonly now_ms: number;
  /** When the newest event of the tenant was; now where there is none. */
  data_ms(): Promise<number>;
}

interface Committed {
  readonly generation: number;
  readonly progress: Progress | undefined;
}

/** Runs saved queries, and keeps their answers while nothing that they depend on has changed. */
export class SavedRuns {
  readonly #parts: SavedRunParts;

  constructor(parts: SavedRunParts) {
    this.#parts = parts;
  }

  get families(): QueryFamilies {
    return this.#parts.families;
  }

  samples(): MetricSample[] {
    return this.#parts.cache.samples();
  }

  /** The times that relative ranges are against, for one asker and one moment. */
  anchorsOf(asker: FamilyAsker): RangeAnchors {
    const { families, answers } = this.#parts;
    const now_ms = answers.ports.clock.now();
    let newest: Promise<number> | undefined;
    return {
      now_ms,
      data_ms: () => {
        newest ??= families.newestEvent(asker).then((time_ms) => time_ms ?? now_ms);
        return newest;
      },
    };
  }

  /** The query with what is given in its place, its range as of now or of the newest event. */
  async resolve(
    asker: FamilyAsker,
    saved: SavedQuery,
    overrides: Overrides,
    anchors = this.anchorsOf(asker),
  ): Promise<ResolvedQuery> {
    const isAsOfData = saved.anchor === 'data' && (overrides.range ?? saved.range) !== undefined;
    const at_ms = isAsOfData ? await anchors.data_ms() : anchors.now_ms;
    return this.#parts.families.resolve(asker.tenant, saved, overrides, at_ms);
  }

  /** The answer, from what is kept where nothing has changed since. Throws as the route of the query does. */
  async run(asker: FamilyAsker, query: ResolvedQuery): Promise<Json> {
    const { families, cache } = this.#parts;
    families.requireAllowed(asker.principal, query.route);
    const at = UNKEPT.some((member) => member in query.body) ? undefined : this.#committed();
    if (at === undefined) return families.ask(asker, query);
    const key = this.#keyOf(asker, query, at);
    const kept = cache.get(key);
    if (kept !== undefined) return this.#fresh(kept as Json, at);
    const answer = await families.ask(asker, query);
    // A commit may have come meanwhile: what is kept is of the state that its key names.
    const after = this.#committed();
    const isOf = after?.generation === at.generation && after.progress?.commit === at.progress?.commit;
    if (isOf) cache.put(key, answer);
    return answer;
  }

  /**
   * The answers of several queries, all as of one position: those that were of another one are asked again at the
   * smallest. A query that fails has its error in place of an answer.
   */
  async snapshot(asker: FamilyAsker, queries: readonly ResolvedQuery[]): Promise<readonly (Json | Error)[]> {
    const found = await Promise.all(queries.map((query) => this.#tried(asker, query)));
    const sequences = found.flatMap((answer) => (answer instanceof Error ? [] : (sequenceOf(answer) ?? [])));
    const smallest = Math.min(...sequences);
    if (sequences.every((sequence) => sequence === smallest)) return found;
    const earliest = found.find((answer) => !(answer instanceof Error) && sequenceOf(answer) === smallest);
    const as_of = ((earliest as Json).meta as Json).position;
    return Promise.all(
      queries.map((query, at) => {
        const answer = found[at] as Json | Error;
        if (answer instanceof Error || (sequenceOf(answer) ?? smallest) === smallest) return answer;
        if ('as_of' in query.body) return answer;
        return this.#tried(asker, { ...query, body: { ...query.body, as_of } });
      }),
    );
  }

  async #tried(asker: FamilyAsker, query: ResolvedQuery): Promise<Json | Error> {
    try {
      return await this.run(asker, query);
    } catch (error) {
      if (asker.signal.aborted) throw error;
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** The state as it is now; undefined where an answer of it has more to say of how fresh it is than its age. */
  #committed(): Committed | undefined {
    const { ports, tracker } = this.#parts.answers;
    const state = ports.reader();
    if (state === undefined) return undefined;
    const progress = state.reader.snapshot((table) => readProgress(table(META_TABLE)));
    const { doubt, catching_up } = tracker.of(progress);
    if (doubt !== undefined || catching_up !== undefined) return undefined;
    return { generation: state.generation, progress };
  }

  #keyOf(asker: FamilyAsker, { route, path_params, body }: ResolvedQuery, at: Committed): string {
    const { tenant, principal } = asker;
    const { tenants, ports } = this.#parts.answers;
    const { generation, progress } = at;
    return cacheKey({
      ...{ tenant, path: route.path, path_params, body, generation },
      masked: maskFor(principal, tenants?.maskedOf(tenant)).fields,
      definitions: this.#parts.definitionChanges(),
      dimensions: ports.settings.customDimensions,
      // Whatever a state says changes by a commit.
      commit: progress?.commit ?? 0,
    });
  }

  /** An answer that was kept, with how fresh it is now. */
  #fresh(answer: Json, { progress }: Committed): Json {
    const { tracker, ports } = this.#parts.answers;
    const { staleness_ms, lag_messages } = tracker.of(progress);
    const age_ms = staleness_ms === null ? null : Math.round(staleness_ms);
    const meta = { ...(answer.meta as Json), staleness_ms: age_ms, lag_messages };
    return { ...answer, calculated_at: answer.calculated_at ?? timeText(ports.clock.now()), meta };
  }
}

/** The position of an answer in the stream of events; undefined where it has none. */
export function sequenceOf(answer: Json): number | undefined {
  const { position } = (answer.meta ?? {}) as { readonly position?: Record<string, Record<string, number>> };
  return position?.[EVENTS_STREAM]?.[PARTITION];
}
