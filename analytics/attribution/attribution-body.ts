import { oneCurrency } from '../exchange/index.ts';
import { SEGMENT, segmentLabels } from '../filters/index.ts';
import type { AttributionMethod, AttributionQuery } from './attribution-schema.ts';
import {
  type AttributionPart,
  addCredit,
  type Credit,
  type Credits,
  creditOf,
  markovCredits,
  noCredit,
} from './credits.ts';

/** Parts of orders are shown with so many decimals. */
const DECIMALS = 1e6;
const rounded = (value: number): number => Math.round(value * DECIMALS) / DECIMALS;

/** The credits of all parts. */
interface Joined {
  readonly byMethod: ReadonlyMap<AttributionMethod, Map<string, Credit>>;
  readonly unattributed: Credit;
  readonly total: Credit;
  readonly spend: ReadonlyMap<string, number>;
}

/** The answer of an attribution query from what its parts gave, in any order. */
export function attributionBody(
  parts: readonly AttributionPart[],
  query: AttributionQuery,
): { readonly body: Readonly<Record<string, unknown>>; readonly warnings: readonly string[] } {
  const currency = query.currency ?? oneCurrency(parts.map((part) => part.currency));
  const joined = join(parts, query);
  const [method] = query.methods;
  const names = new Set([
    ...[...joined.byMethod.values()].flatMap((credits) => [...credits.keys()]),
    ...joined.spend.keys(),
  ]);
  const isOne = query.isCompared !== true;
  const entries = [...names].map((name) => {
    const credits = query.methods.map((each) => joined.byMethod.get(each)?.get(name) ?? noCredit());
    return { name, credits, most: Math.max(...credits.map(({ revenue }) => revenue)) };
  });
  entries.sort((a, b) => b.most - a.most || (a.name < b.name ? -1 : 1));
  const results = entries.slice(0, query.limit).map(({ name, credits }) => {
    const spend = joined.spend.get(name) ?? 0;
    const values = (JSON.parse(name) as string[]).map((text, at) => shownValue(query.group_by[at], text));
    const key = Object.fromEntries(query.group_by.map((dimension, at) => [dimension, values[at]]));
    const shown = credits.map((credit) => shownCredit(credit, joined.total, spend));
    if (isOne) return { key, ...shown[0], spend };
    return { key, spend, methods: Object.fromEntries(query.methods.map((each, at) => [each, shown[at]])) };
  });
  const { conversions, revenue } = joined.total;
  const spend = [...joined.spend.values()].reduce((sum, each) => sum + each, 0);
  return {
    body: {
      ...(isOne ? { method } : { methods: query.methods }),
      ...(currency === undefined ? {} : { currency }),
      results,
      ...{ groups_total: names.size, truncated: names.size > query.limit },
      unattributed: {
        conversions: joined.unattributed.conversions,
        revenue: joined.unattributed.revenue,
      },
      totals: { conversions, revenue, spend },
    },
    warnings: [],
  };
}

/** Segments of a customer are one value together, so that credit adds up to revenue. */
function shownValue(dimension: string | undefined, text: string): string | null {
  const shown = dimension === SEGMENT ? segmentLabels(text).join(' & ') : text;
  return shown === '' ? null : shown;
}

function join(parts: readonly AttributionPart[], query: AttributionQuery): Joined {
  const byMethod = new Map(query.methods.map((method) => [method, new Map<string, Credit>()]));
  const unattributed = noCredit();
  const total = noCredit();
  const spend = new Map<string, number>();
  const journeys = parts.filter((part) => part.kind === 'journeys').sort((a, b) => a.part - b.part);
  for (const part of parts) {
    if (part.kind !== 'spend') continue;
    for (const [group, amount] of part.spend) spend.set(group, (spend.get(group) ?? 0) + amount);
  }
  for (const part of journeys) {
    addCredit(unattributed, part.unattributed);
    addCredit(total, part.total);
    for (const [method, credits] of byMethod)
      for (const [group, credit] of part.byMethod[method] ?? []) addCredit(creditOf(credits, group), credit);
  }
  if (byMethod.has('markov')) {
    const attributed = {
      conversions: total.conversions - unattributed.conversions,
      revenue: total.revenue - unattributed.revenue,
      new_customers: total.new_customers - unattributed.new_customers,
    };
    byMethod.set('markov', markovCredits(joinPaths(journeys), query.markov_order, attributed));
  }
  return { byMethod, unattributed, total, spend };
}

/** In the order of their names: sums of fractions do not depend on the order of parts. */
function joinPaths(parts: readonly Credits[]): Credits['paths'] {
  const joined = new Map<string, [names: readonly string[], conversions: number, lost: number]>();
  for (const [names, conversions, lost] of parts.flatMap(({ paths }) => paths)) {
    const key = JSON.stringify(names);
    const known = joined.get(key);
    joined.set(key, [names, (known?.[1] ?? 0) + conversions, (known?.[2] ?? 0) + lost]);
  }
  return [...joined].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

/** ROI (revenue − spend) ÷ spend, ROAS revenue ÷ spend, CAC spend ÷ new customers; null where that is 0. */
function shownCredit({ conversions, revenue, new_customers }: Credit, total: Credit, spend: number): object {
  return {
    conversions: rounded(conversions),
    revenue,
    share: total.revenue === 0 ? null : rounded(revenue / total.revenue),
    new_customers: rounded(new_customers),
    roi: spend === 0 ? null : rounded((revenue - spend) / spend),
    roas: spend === 0 ? null : rounded(revenue / spend),
    cac: new_customers < 1e-9 || spend === 0 ? null : rounded(spend / new_customers),
  };
}
