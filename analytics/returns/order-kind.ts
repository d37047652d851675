import { type Cancel, defineKind, type Plan, type QueryContext, type QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { formatUtc, readLines, writeLine } from '../query/index.ts';
import {
  type EventsBehind,
  type FamilyAnswer,
  type FamilyShared,
  type FamilySources,
  type OpenFamily,
  ofSegments,
  provenanceOf,
  type QueryHead,
  type QuerySettings,
  type StreamPosition,
} from '../query-head/index.ts';
import type { planOrders } from './order-scan.ts';

/** What the parts of a plan over orders share, at the least. Plain data. */
export interface OrderShared<Q> extends FamilyShared<Q> {
  readonly query_id: string;
  readonly warnings: readonly string[];
}

/** What is a kind's own; the sources have the segments of the query laid over them. */
export interface OrderKindParts<Q, S, F, W extends EntityWork = EntityWork> {
  readonly name: string;
  readonly schema: { parse(input: unknown): Q };
  readonly plan: (sources: FamilySources, context: QueryContext, query: Q) => Omit<Plan<S, W>, 'kind'>;
  /** What a part finds, plain data. */
  readonly find: (sources: FamilySources, shared: S, work: W, cancel: Cancel, context: QueryContext) => F;
  /** The members of the answer, of what all parts found. */
  readonly body: (found: readonly F[], shared: S) => FamilyAnswer['body'];
}

/** A kind of query over orders: each part sees all events of its orders, and finds something of its own. */
export function orderKind<
  Q extends QueryHead,
  S extends OrderShared<Q>,
  F,
  W extends EntityWork = EntityWork,
>(
  { custom }: QuerySettings,
  open: OpenFamily,
  { name, schema, plan, find, body }: OrderKindParts<Q, S, F, W>,
): QueryKind<Q, S, W, FamilyAnswer> {
  return defineKind<Q, S, W, FamilyAnswer>({
    name,
    schema,
    plan: (context, query) => ({
      kind: name,
      ...plan(ofSegments(open(context), query, custom), context, query),
    }),
    partial: (context, { shared }, work, cancel) =>
      writeLine(find(ofSegments(open(context), shared.query, custom), shared, work, cancel, context)),
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, warnings } = shared;
      return {
        ...{ query_id, header, source, body: body(readLines<F>(bytes), shared), warnings },
        ...(query.explain === true ? { explain } : {}),
      };
    },
  });
}

/** How a query over orders is answered, and of which events. */
export function explainOrders(
  { parts, segments, rows }: Pick<ReturnType<typeof planOrders>, 'parts' | 'segments' | 'rows'>,
  basis: string,
  query: object,
  position: StreamPosition,
  behind: EventsBehind,
): Readonly<Record<string, unknown>> {
  return {
    ...{ source: 'scan', entity: 'order_id', basis, parts: parts.length, segments, rows },
    ...{ until: formatUtc(behind.end_ms), ...provenanceOf(query, position, behind) },
  };
}
