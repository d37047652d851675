import { type KindDefinitions, requireDestination } from '../../../runtime/index.ts';
import { analyticsOf, PiiMask, planQuery, wishOf } from '../../answers/index.ts';
import { type Answer, ApiError } from '../../http/index.ts';
import { askedBySearch } from '../events/index.ts';
import type { FamilyAsker, QueryDefinition, SavedQuery, SavedRuns } from '../queries/index.ts';
import type { ExportParts } from './export-parts.ts';
import { type ExportBody, type ExportInput, inputOf, searchOf } from './export-request.ts';

interface MakingParts extends Pick<ExportParts, 'answers' | 'search' | 'families' | 'senders'> {
  readonly runs: SavedRuns;
  readonly saved: KindDefinitions<QueryDefinition>;
}

/** Makes the inputs of export jobs, of requests and of reports. */
export class ExportMaking {
  readonly #parts: MakingParts;

  constructor(parts: MakingParts) {
    this.#parts = parts;
  }

  /** The query that is asked for, of the body or saved. Throws ApiError 422. */
  savedOf(tenant: string, body: Pick<ExportBody, 'query' | 'query_id' | 'type' | 'range'>): SavedQuery {
    const { query, query_id, type, range } = body;
    if ((query === undefined) === (query_id === undefined)) {
      throw invalid('query', 'must be given, or `query_id`, and not both');
    }
    if (query_id !== undefined) {
      const found = this.#parts.saved.get(tenant, query_id);
      if (found === undefined) throw invalid('query_id', `names no saved query: "${query_id}"`);
      return range === undefined ? found.body : { ...found.body, range };
    }
    const given = query ?? {};
    const ofWhat = type ?? ('metrics' in given ? 'kpis' : 'events');
    return { type: ofWhat, query: given, anchor: 'now', ...(range === undefined ? {} : { range }) };
  }

  /** What a job is told: the query with its range as of now. Throws ApiError 422 where it fits no family. */
  async input(
    asker: FamilyAsker,
    { format, compression, destination, overrides }: Omit<ExportBody, 'query' | 'dry_run'>,
    saved: SavedQuery,
  ): Promise<ExportInput> {
    const { runs, search, answers, senders, families } = this.#parts;
    requireDestination(senders, destination);
    const { custom } = analyticsOf(answers.ports.settings);
    const { body, path_params, route } = await runs.resolve(asker, saved, overrides ?? {});
    families.requireAllowed(asker.principal, route);
    const query = { ...body, ...path_params };
    const common = {
      ...{ format, compression },
      ...(destination === undefined ? {} : { destination }),
    };
    const made = inputOf(saved.type, query, asker.principal.permissions, custom);
    if (made.of !== 'events') return { ...common, ...made };
    return { ...common, ...made, masked: search.maskOf(asker).fields };
  }

  /** What it would read; throws what refuses it. */
  async plan(call: Parameters<typeof planQuery>[1] & FamilyAskerOf, input: ExportInput): Promise<Answer> {
    const { answers, search, families } = this.#parts;
    if (input.of === 'events') {
      const asked = { tenant: call.tenant, mask: new PiiMask(input.masked ?? []) };
      return search.plan(askedBySearch(asked, searchOf(input.query), search));
    }
    if (input.of === 'family') {
      const { type, query } = input;
      const body = { ...query, dry_run: true };
      const { signal } = call.request;
      const asker: FamilyAsker = { ...call, signal };
      const planned = await families.ask(asker, families.resolve(call.tenant, { type, query: body }, {}, 0));
      const { refused } = planned as {
        readonly refused?: { readonly code: string; readonly detail: string };
      };
      if (refused !== undefined) throw new ApiError('query_too_large', refused.detail);
      return { status: 200, json: planned };
    }
    const { queries } = analyticsOf(answers.ports.settings);
    const { plan, refused } = await planQuery(answers, call, queries.kpis, input.query, {
      wish: { ...wishOf(input.query), force_fresh: false },
    });
    if (refused !== undefined) throw refused;
    const { rows, bytes, cost_ms, explain } = plan;
    return { status: 200, json: { dry_run: true, plan: { rows, bytes, cost_ms, explain } } };
  }
}
type FamilyAskerOf = Omit<FamilyAsker, 'signal'>;

function invalid(path: string, message: string): ApiError {
  return new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });
}
