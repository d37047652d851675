import { defineKind, type QueryContext, type QueryKind } from '../../engine/index.ts';
import { EntityRows, type EntityWork, entityParts, scanFacts } from '../entity-rows/index.ts';
import { eventConditions, type LogTexts, requireColumn } from '../filters/index.ts';
import { MIN_RANGE_MS, parseRange, readLines, writeLine, zoneOf } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  keptFrom,
  type OpenFamily,
  ofSegments,
  prepareHead,
  provenanceOf,
  type QuerySettings,
  requireKept,
  settingsOf,
} from '../query-head/index.ts';
import { HASH } from '../rows/index.ts';
import { retentionBody } from './cohort-body.ts';
import { type CohortCount, CohortCounter, type CohortEvent } from './cohort-counts.ts';
import { countsOfMasks, maskEdges, maskParts, scanMasks } from './cohort-masks.ts';
import { type CohortRules, cohortRules } from './cohort-rules.ts';
import { adhocRetentionSchemaOf, type RetentionQuery } from './cohort-schema.ts';

export const RETENTION_KIND = 'cohorts.retention';

/** What the parts of a plan share. Plain data. */
export interface RetentionShared extends FamilyShared<RetentionQuery> {
  readonly query_id: string;
  readonly complete_until_ms: number | null;
  readonly warnings: readonly string[];
  /** `masks`: it is enough to know in which periods there was an event; `rows`: what a query may ask of events. */
  readonly way: 'masks' | 'rows';
}

const START_BIT = 1;
const RETURN_BIT = 2;

/** How many of the members of each cohort come back, period by period. */
export function retentionKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<RetentionQuery, RetentionShared, EntityWork, FamilyAnswer> {
  const rulesOf = (query: RetentionQuery): CohortRules => {
    const ofQuery = settingsOf(query, settings);
    const zone = zoneOf(query.timezone ?? ofQuery.timezone ?? 'UTC');
    return cohortRules(query, parseRange(query.start, query.end), zone, ofQuery);
  };
  return defineKind<RetentionQuery, RetentionShared, EntityWork, FamilyAnswer>({
    name: RETENTION_KIND,
    schema: adhocRetentionSchemaOf(settings.custom),
    plan: (context, query) => {
      const sources = ofSegments(open(context), query, settings.custom);
      const rules = rulesOf(query);
      const head = prepareHead(query, settings, context, rules.period);
      const { upTo, header, query_id, position } = head;
      // The first event of all may lie before the range.
      const start_ms = rules.isFirstTime ? MIN_RANGE_MS : rules.range.start_ms;
      const plan = sources.planScan({
        ...{ scope: context.scope, start_ms, end_ms: rules.horizon_ms },
        ...(upTo === undefined ? {} : { upTo }),
      });
      requireKept(plan, rules.range.start_ms);
      const way = maskEdges(query, rules) === undefined ? 'rows' : 'masks';
      const parts = way === 'masks' ? maskParts(plan, sources.planScan) : entityParts(plan);
      const cut_ms = sources.cut_ms();
      const warnings =
        cut_ms === undefined || !rules.isFirstTime
          ? []
          : [keptFrom(cut_ms, 'a first event is the first that is kept.')];
      const { complete_until_ms } = sources;
      return {
        ...{ kind: RETENTION_KIND, ...scanFacts(plan, parts) },
        explain: {
          source: 'scan',
          way,
          entity: query.criteria.entity,
          parts: parts.length,
          start: rules.startEvent,
          ...provenanceOf(query, position, {
            ...{ start_ms, end_ms: rules.horizon_ms },
            types: [rules.startEvent.event, query.return.event],
          }),
        },
        narrow: ['ask for a shorter range (start, end)', 'ask for fewer periods'],
        shared: { query, header, query_id, complete_until_ms, warnings, way },
      };
    },
    partial: (context, { shared }, { plan, share }, cancel) => {
      const { query } = shared;
      const sources = ofSegments(open(context), query, settings.custom);
      const rules = rulesOf(query);
      const entity = query.criteria.entity === 'session_id' ? HASH.session : HASH.customer;
      const { custom } = settings;
      const edges_ms = shared.way === 'masks' ? maskEdges(query, rules) : undefined;
      if (edges_ms !== undefined)
        return scanMasks({ sources, plan, entity, edges_ms, event: query.return, custom, cancel });
      const columns = rules.group_by.map((name) => requireColumn(name, settings.custom).column);
      const tests = [rules.startEvent, query.return].map((event) =>
        eventConditions(event, settings.custom, sources.dictionary),
      );
      const rows = new EntityRows({ entity, share, tests, request: plan.request, codes: columns });
      sources.scan(plan, (chunk) => {
        cancel.check();
        rows.add(chunk);
      });
      const counter = new CohortCounter(rules, query.retention);
      visitEvents(
        rows,
        sources.dictionary,
        (events) => counter.add(events),
        () => cancel.check(),
      );
      return writeLine(counter.counts);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context: QueryContext, { shared, explain, source }, bytes) => {
      const { query, header, query_id, complete_until_ms, warnings } = shared;
      const rules = rulesOf(query);
      const edges_ms = shared.way === 'masks' ? maskEdges(query, rules) : undefined;
      const parts =
        bytes === undefined || edges_ms === undefined
          ? readLines<CohortCount[]>(bytes)
          : [countsOfMasks(bytes, edges_ms, rules, query.retention)];
      const body = retentionBody(parts, rules, query, settings.custom, complete_until_ms);
      return { query_id, header, source, body, warnings, ...(query.explain === true ? { explain } : {}) };
    },
  });
}

function visitEvents(
  rows: EntityRows,
  dictionary: LogTexts,
  visit: (events: readonly CohortEvent[]) => void,
  check: () => void,
): void {
  rows.visit(({ bits, time_ms, codes }, order, from, to) => {
    const events: CohortEvent[] = [];
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      const own = bits[row] as number;
      const isStart = (own & START_BIT) !== 0;
      events.push({
        ...{ time_ms: time_ms[row] as number, isStart, isReturn: (own & RETURN_BIT) !== 0 },
        values: isStart ? codes.map((column) => dictionary.textOf(column[row] as number)) : [],
      });
    }
    visit(events);
  }, check);
}
