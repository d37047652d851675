import { defineKind, type QueryContext, type QueryKind } from '../../engine/index.ts';
import { bucketsOf, granularityOf, parseRange, type TimeBuckets, zoneOf } from '../query/index.ts';
import {
  type FamilyAnswer,
  type OpenFamily,
  ofSegments,
  type QuerySettings,
  settingsOf,
} from '../query-head/index.ts';
import { approximateTimes, funnelBody, totalOf } from './funnel-body.ts';
import { bySegments, FunnelCounter, joinCounts, mergeCounts } from './funnel-counts.ts';
import { countFunnel } from './funnel-labels.ts';
import { type FunnelShared, planFunnel } from './funnel-scan.ts';
import { adhocFunnelSchemaOf, type FunnelQuery, windowMs } from './funnel-schema.ts';
import { type FunnelWork, type OpenKept, planKept } from './kept-plan.ts';
import { countKept } from './kept-visit.ts';

export const FUNNEL_KIND = 'funnels.query';

/**
 * How far entities come through a sequence of steps: by a scan, or, of a stored funnel, from what the pipeline keeps of
 * it. The numbers are the same.
 */
export function funnelKind(
  settings: QuerySettings,
  open: OpenFamily,
  openKept: OpenKept,
): QueryKind<FunnelQuery, FunnelShared, FunnelWork, FamilyAnswer> {
  const trendOf = (query: FunnelQuery): TimeBuckets | undefined => {
    const granularity = granularityOf(query.granularity);
    if (query.granularity === undefined) return undefined;
    const { timezone, weekStart, fiscalMonth } = settingsOf(query, settings);
    const zone = zoneOf(query.timezone ?? timezone ?? 'UTC');
    const range = parseRange(query.start, query.end);
    return bucketsOf({ range, granularity, zone, weekStart, fiscalMonth });
  };
  return defineKind<FunnelQuery, FunnelShared, FunnelWork, FamilyAnswer>({
    name: FUNNEL_KIND,
    schema: adhocFunnelSchemaOf(settings.custom),
    plan: (context: QueryContext, query) => {
      // A trend of too many buckets is refused here.
      trendOf(query);
      const { custom } = settings;
      const sources = ofSegments(open(context), query, custom);
      const scan = planFunnel(FUNNEL_KIND, { context, sources, settings }, query, false);
      return planKept(scan, query, { context, custom, kept: openKept(context) });
    },
    partial: (context, { shared }, work, cancel) => {
      const counter = new FunnelCounter(shared.query.steps.length, trendOf(shared.query));
      if ('kept' in work) {
        countKept({ shared, work, cancel, kept: openKept(context) }, counter);
        // The only part of its plan.
        return counter.bytes(true);
      }
      const { custom } = settings;
      const sources = ofSegments(open(context), shared.query, custom);
      countFunnel({ sources, shared, work, custom, cancel }, counter);
      return counter.bytes();
    },
    merge: mergeCounts,
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, watermark_ms, backfilling } = shared;
      const groups = joinCounts(bytes);
      const buckets = trendOf(query);
      const total = totalOf(groups, query.steps.length);
      const approximate = approximateTimes(total);
      const shown = { query, buckets, watermark_ms, window_ms: windowMs(query.window) };
      return {
        ...{ query_id, header, source },
        body: funnelBody(bySegments(groups, query.group_by, settings.custom), total, shown),
        ...(approximate.length === 0 ? {} : { approximate }),
        ...(backfilling === undefined ? {} : { backfilling }),
        ...(query.explain === true ? { explain } : {}),
      };
    },
  });
}
