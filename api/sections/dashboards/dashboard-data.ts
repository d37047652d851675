import type { KindDefinitions } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { ApiError, problemOf, timeText } from '../../http/index.ts';
import {
  type FamilyAsker,
  type JsonAnswer,
  type Overrides,
  type QueryDefinition,
  type RangeAnchors,
  type ResolvedQuery,
  type SavedQuery,
  type SavedRuns,
  sequenceOf,
} from '../queries/index.ts';
import type { Dashboard, Widget } from './dashboard-schema.ts';
import { widgetView } from './widget-view.ts';

export interface DashboardParts {
  readonly answers: AnswerParts;
  readonly runs: SavedRuns;
  readonly saved: KindDefinitions<QueryDefinition>;
}

/** The query of a widget; undefined of one that asks none. Throws ApiError 422 where its saved query is gone. */
export function queryOfWidget(
  { saved }: Pick<DashboardParts, 'saved'>,
  tenant: string,
  { query, query_id }: Pick<Widget, 'query' | 'query_id'>,
  path: string,
): SavedQuery | undefined {
  if (query !== undefined || query_id === undefined) return query;
  const found = saved.get(tenant, query_id);
  if (found !== undefined) return found.body;
  const message = 'names no saved query';
  throw new ApiError('validation_failed', `${path} ${message}: "${query_id}".`, {
    errors: [{ path, message }],
  });
}

/** One widget's query, asked. */
export async function widgetData(
  { answers, runs }: DashboardParts,
  asker: FamilyAsker,
  query: SavedQuery,
  overrides: Overrides,
): Promise<object> {
  const resolved = await runs.resolve(asker, query, overrides);
  const answer = await runs.run(asker, resolved);
  return { query_type: query.type, answer, view: widgetView(answers, asker.tenant, resolved, answer) };
}

/**
 * The data of all widgets of a dashboard, of one position of the stream, in their order: `answer` and `view`, or a
 * `problem` where a widget's query cannot be answered. null of a widget of text.
 */
export async function dashboardData(
  parts: DashboardParts,
  asker: FamilyAsker,
  { widgets, range }: Dashboard,
  given: Overrides,
): Promise<object> {
  const isDated = 'start' in given || 'range' in given;
  const common: Overrides = isDated || range === undefined ? given : { ...given, range };
  const anchors = parts.runs.anchorsOf(asker);
  const entries = await Promise.all(
    widgets.map((widget, at) => tried(() => resolvedWidget(parts, asker, widget, common, at, anchors))),
  );
  const asked = entries.filter((entry): entry is ResolvedQuery => entry !== undefined && 'route' in entry);
  const answers = await parts.runs.snapshot(asker, asked);
  const byQuery = new Map(asked.map((query, at) => [query, answers[at] as JsonAnswer | Error]));
  const sequences = answers.flatMap((one) => (one instanceof Error ? [] : (sequenceOf(one) ?? [])));
  return {
    widgets: entries.map((entry) => {
      if (entry === undefined) return null;
      if (!('route' in entry)) return { problem: problemView(entry, asker) };
      const answer = byQuery.get(entry);
      if (answer === undefined || answer instanceof Error) return { problem: problemView(answer, asker) };
      const view = widgetView(parts.answers, asker.tenant, entry, answer);
      return { query_type: entry.type, answer, view };
    }),
    sequence: sequences.length === 0 ? null : Math.min(...sequences),
    calculated_at: timeText(parts.answers.ports.clock.now()),
  };
}

async function resolvedWidget(
  parts: DashboardParts,
  asker: FamilyAsker,
  widget: Widget,
  common: Overrides,
  at: number,
  anchors: RangeAnchors,
): Promise<ResolvedQuery | undefined> {
  const query = queryOfWidget(parts, asker.tenant, widget, `widgets.${at}.query_id`);
  if (query === undefined) return undefined;
  const { start, end, range, ...rest } = { ...widget.overrides, ...common };
  // The members of the range are not called the same in every family.
  const dates = query.type === 'events' ? { from: start, to: end } : { start, end };
  const overrides =
    range !== undefined ? { ...rest, range } : start === undefined ? rest : { ...rest, ...dates };
  return parts.runs.resolve(asker, query, overrides, anchors);
}

async function tried<T>(work: () => Promise<T>): Promise<T | Error> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function problemView(error: unknown, { request_id, log }: FamilyAsker): object {
  const { problem } = problemOf(error, request_id);
  if (problem.status >= 500) log.error({ err: error, request_id }, 'a widget could not be answered');
  const { status, code, title, detail, errors } = problem;
  return { status, code, title, detail, ...(errors === undefined ? {} : { errors }) };
}
