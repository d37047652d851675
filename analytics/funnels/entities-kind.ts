import { defineKind, type QueryKind } from '../../engine/index.ts';
import type { FunnelResult } from '../../operators/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import type { EntityPlace } from '../events-query/index.ts';
import { readLines, writeLine } from '../query/index.ts';
import { type FamilyAnswer, type OpenFamily, ofSegments, type QuerySettings } from '../query-head/index.ts';
import { keysOf } from './funnel-counts.ts';
import { type FunnelShared, planFunnel, visitFunnel } from './funnel-scan.ts';
import type { FunnelEntitiesQuery } from './funnel-schema.ts';

export const FUNNEL_ENTITIES_KIND = 'funnels.entities';

/** An entity behind a number of a funnel. Plain data. */
export interface FunnelEntityRow extends FunnelResult {
  readonly place: EntityPlace;
}

/** What one part found. */
interface EntitiesPart {
  /** Of all pages. */
  readonly total: number;
  /** The first ones of the page, in the order of hashes. */
  readonly rows: readonly FunnelEntityRow[];
}

/** Who is behind a number of a funnel, page by page in the order of hashes. */
export function funnelEntitiesKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<FunnelEntitiesQuery, FunnelShared<FunnelEntitiesQuery>, EntityWork, FamilyAnswer> {
  return defineKind<FunnelEntitiesQuery, FunnelShared<FunnelEntitiesQuery>, EntityWork, FamilyAnswer>({
    name: FUNNEL_ENTITIES_KIND,
    // The route makes it from a definition and checked parameters.
    schema: { parse: (input) => input as FunnelEntitiesQuery },
    plan: (context, query) => {
      const plan = planFunnel(
        FUNNEL_ENTITIES_KIND,
        { context, sources: ofSegments(open(context), query, settings.custom), settings },
        query,
        true,
      );
      if (query.watermark_ms === undefined) return plan;
      return { ...plan, shared: { ...plan.shared, watermark_ms: query.watermark_ms } };
    },
    partial: (context, { shared }, work, cancel) => {
      const { query } = shared;
      const rows: FunnelEntityRow[] = [];
      let total = 0;
      const { custom } = settings;
      const sources = ofSegments(open(context), shared.query, custom);
      visitFunnel({ sources, shared, work, custom, cancel }, (result, place) => {
        if (!isAsked(result, query, custom)) return;
        total++;
        if (rows.length > query.limit) return;
        const own = place();
        if (query.after === undefined || compareHashes(own, query.after) > 0)
          rows.push({ ...result, place: own });
      });
      return writeLine({ total, rows } satisfies EntitiesPart);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, watermark_ms } = shared;
      const parts = readLines<EntitiesPart>(bytes);
      const found = parts.flatMap(({ rows }) => rows).sort((a, b) => compareHashes(a.place, b.place));
      return {
        ...{ query_id, header, source },
        body: {
          entities: found.slice(0, query.limit),
          total: parts.reduce((sum, { total }) => sum + total, 0),
          ...{ has_more: found.length > query.limit, watermark_ms },
        },
        ...(query.explain === true ? { explain } : {}),
      };
    },
  });
}

function isAsked(
  { furthest, status, group }: FunnelResult,
  { step, status: asked, group: values, group_by }: FunnelEntitiesQuery,
  custom: readonly string[],
): boolean {
  const isIn = (key: string): boolean => keysOf(key, group_by, custom).includes(JSON.stringify(values));
  if (values !== undefined && (group === undefined || !isIn(group))) return false;
  if (asked === undefined) return furthest >= step;
  return status === asked && (asked === 'converted' || furthest === step);
}

/** The order in which `EntityRows` visits entities. */
function compareHashes(a: Pick<EntityPlace, 'hi' | 'lo'>, b: Pick<EntityPlace, 'hi' | 'lo'>): number {
  return (a.hi >>> 0) - (b.hi >>> 0) || a.lo - b.lo;
}
